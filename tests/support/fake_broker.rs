//! A broker of a few dozen lines that says what a test wants said, for what no real broker can be made to do.
//!
//! It serves on one thread, a bounded number of connections, and ends with them.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long it waits for bytes that do not come.
const READ_LIMIT: Duration = Duration::from_secs(20);

/// A packet as it came: its first byte and what follows the length.
#[derive(Debug)]
pub struct Packet {
    /// Packet type and flags.
    pub first: u8,
    /// Variable header and payload.
    pub body: Vec<u8>,
}

impl Packet {
    /// The protocol level of a CONNECT: 4 is 3.1.1, 5 is 5.
    pub fn protocol_level(&self) -> u8 {
        assert_eq!(self.first, 0x10, "a CONNECT");
        self.body[6]
    }
}

/// One accepted connection.
#[derive(Debug)]
pub struct Connection(TcpStream);

impl Connection {
    /// Reads a packet; `None` where the peer is gone.
    pub fn read(&mut self) -> Option<Packet> {
        let mut byte = [0];
        self.0.read_exact(&mut byte).ok()?;
        let first = byte[0];
        let (mut length, mut shift) = (0_usize, 0);
        loop {
            self.0.read_exact(&mut byte).ok()?;
            length |= usize::from(byte[0] & 0x7f) << shift;
            shift += 7;
            if byte[0] & 0x80 == 0 {
                break;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).ok()?;
        Some(Packet { first, body })
    }

    /// The same connection, for another thread.
    pub fn share(&self) -> Self {
        Self(self.0.try_clone().expect("a socket can be shared"))
    }

    /// Sends bytes; a peer that is gone is no fault of the test's.
    pub fn write(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes);
    }
}

/// Serves `connections` connections, one after the other, each by `serve` with its number from 0.
pub fn serve(
    connections: usize,
    mut serve: impl FnMut(usize, &mut Connection) + Send + 'static,
) -> (u16, JoinHandle<()>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a loopback port can be bound");
    let port = listener.local_addr().expect("a bound socket has an address").port();
    let thread = std::thread::spawn(move || {
        for number in 0..connections {
            let (stream, _) = listener.accept().expect("a connection comes");
            stream.set_read_timeout(Some(READ_LIMIT)).expect("a limit can be set");
            serve(number, &mut Connection(stream));
        }
    });
    (port, thread)
}
