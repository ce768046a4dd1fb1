//! A network between a daemon and its broker that can be cut in the ways in which real ones are: nothing goes through
//! and nobody is told, or all connections break.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How long a connection waits for bytes before it looks whether it is to end.
const LOOK_EVERY: Duration = Duration::from_millis(20);

#[derive(Default)]
struct Shared {
    ended: AtomicBool,
    black_hole: AtomicBool,
    connections: Mutex<Vec<TcpStream>>,
}

/// Forwards what comes to its port to another one, on loopback. Ends with its last connection when dropped.
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

impl Proxy {
    pub fn to(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let own = listener.local_addr().expect("bound").port();
        let shared = Arc::new(Shared::default());
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if accepting.ended.load(Ordering::Relaxed) {
                    break;
                }
                // Where the broker is away, the client's connection breaks.
                let Ok(broker) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { continue };
                for (from, to) in [(&client, &broker), (&broker, &client)] {
                    let (from, to) = (from.try_clone().expect("a socket"), to.try_clone().expect("a socket"));
                    let shared = Arc::clone(&accepting);
                    std::thread::spawn(move || forward(from, to, &shared));
                }
                accepting.connections.lock().expect("no thread panics").extend([client, broker]);
            }
        });
        Self { port: own, shared }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on nothing goes through, and nobody is told; or things go on as they were left.
    pub fn swallow(&self, is_swallowing: bool) {
        self.shared.black_hole.store(is_swallowing, Ordering::Relaxed);
    }

    /// All connections break.
    pub fn cut(&self) {
        for connection in self.shared.connections.lock().expect("no thread panics").drain(..) {
            let _broken_already = connection.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        self.cut();
        let _wakes_the_listener = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

/// Moves bytes one way until either side ends.
fn forward(mut from: TcpStream, mut to: TcpStream, shared: &Shared) {
    let mut bytes = [0; 16_384];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        while shared.black_hole.load(Ordering::Relaxed) && !shared.ended.load(Ordering::Relaxed) {
            std::thread::sleep(LOOK_EVERY);
        }
        if to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ended_already = to.shutdown(Shutdown::Both);
}
