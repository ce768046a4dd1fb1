//! The embedded broker of `chargetally demo`: rmqtt on a loopback port, in a runtime and thread of its own.
//!
//! For trying things out: everybody on this machine is let in, and nothing outlives the process. It must never listen
//! anywhere but on loopback.

use async_trait::async_trait;
use rmqtt::context::ServerContext;
use rmqtt::net::Builder;
use rmqtt::retain::{DefaultRetainStorage, RetainStorage};
use rmqtt::server::MqttServer;
use rmqtt::types::{Retain, TopicFilter, TopicName};
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU16;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;

/// Messages that may wait for one slow subscriber; beyond it the broker drops the newest.
const QUEUE_MESSAGES_MAX: usize = 100_000;
/// Unacknowledged QoS 1 messages per subscriber.
const IN_FLIGHT_MAX: NonZeroU16 = NonZeroU16::new(1024).unwrap();
/// Clients at once.
const CLIENTS_MAX: usize = 20_000;
/// The largest packet, in bytes.
const PACKET_BYTES_MAX: u32 = 4 * 1024 * 1024;
/// The runtime's threads: the demo shares the machine with the daemon and the simulator.
const THREADS: usize = 2;
/// How long the end of the runtime may take.
const STOP_LIMIT: Duration = Duration::from_millis(500);

/// Why the broker did not start.
#[derive(Debug)]
pub enum BrokerError {
    /// A thread, a runtime or the port could not be had.
    Io(std::io::Error),
    /// The broker itself refused.
    Start(String),
}

impl fmt::Display for BrokerError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(_) => out.write_str("the embedded broker found no thread or port"),
            Self::Start(text) => write!(out, "the embedded broker did not start: {text}"),
        }
    }
}

impl std::error::Error for BrokerError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Start(_) => None,
        }
    }
}

/// A running broker. Dropping it closes the port and all connections, within a second.
#[derive(Debug)]
pub struct EmbeddedBroker {
    addr: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl EmbeddedBroker {
    /// Starts a broker on a free loopback port. It accepts connections once this returns.
    ///
    /// # Errors
    /// Where no thread, runtime or port can be had.
    pub fn start() -> Result<Self, BrokerError> {
        let (started, starting) = std::sync::mpsc::channel();
        let (stop, stopping) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("broker".into())
            .spawn(move || serve(&started, stopping))
            .map_err(BrokerError::Io)?;
        match starting.recv() {
            Ok(Ok(addr)) => Ok(Self { addr, stop: Some(stop), thread: Some(thread) }),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(BrokerError::Start("its thread ended".into())),
        }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

impl Drop for EmbeddedBroker {
    fn drop(&mut self) {
        // Both fail only where the thread is gone already.
        let _ = self.stop.take().map(|stop| stop.send(()));
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// The thread's body: a runtime that serves until told to stop.
fn serve(started: &std::sync::mpsc::Sender<Result<SocketAddr, BrokerError>>, stopping: oneshot::Receiver<()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .thread_name("broker-worker")
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            // The starter is gone only with the whole program.
            let _ = started.send(Err(BrokerError::Io(error)));
            return;
        }
    };
    runtime.block_on(async {
        match prepare().await {
            Ok((addr, server)) => {
                let _ = started.send(Ok(addr));
                tokio::select! {
                    _ = server.run() => {}
                    _ = stopping => {}
                }
            }
            Err(error) => {
                let _ = started.send(Err(error));
            }
        }
    });
    runtime.shutdown_timeout(STOP_LIMIT);
}

async fn prepare() -> Result<(SocketAddr, MqttServer), BrokerError> {
    let start = |error: rmqtt::Error| BrokerError::Start(error.to_string());
    // Its own judgement of a busy machine would refuse clients while a test or a build runs beside it.
    let context = ServerContext::new().busy_check_enable(false).build().await;
    *context.extends.retain_mut().await = Box::new(InMemory(DefaultRetainStorage::new()));
    let listener = Builder::new()
        .name("demo")
        .laddr(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
        .allow_anonymous(true)
        .nodelay(true)
        .max_connections(CLIENTS_MAX)
        .max_handshaking_limit(CLIENTS_MAX)
        .max_packet_size(PACKET_BYTES_MAX)
        .max_inflight(IN_FLIGHT_MAX)
        .max_mqueue_len(QUEUE_MESSAGES_MAX)
        .bind()
        .and_then(rmqtt::net::Listener::tcp)
        .map_err(start)?;
    let addr = listener.local_addr().map_err(start)?;
    let server = MqttServer::new(context).listener_by_id(listener, addr.port()).build();
    Ok((addr, server))
}

/// rmqtt's own in-memory store, which it leaves switched off in favour of a plugin.
struct InMemory(DefaultRetainStorage);

#[async_trait]
impl RetainStorage for InMemory {
    fn enable(&self) -> bool {
        true
    }

    async fn set(&self, topic: &TopicName, retain: Retain, expiry: Option<Duration>) -> rmqtt::Result<()> {
        self.0.set_with_timeout(topic, retain, expiry).await
    }

    async fn get(&self, filter: &TopicFilter) -> rmqtt::Result<Vec<(TopicName, Retain)>> {
        self.0.get_message(filter).await
    }

    async fn count(&self) -> isize {
        self.0.count().await
    }

    async fn max(&self) -> isize {
        self.0.max().await
    }
}
