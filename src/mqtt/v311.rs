//! The MQTT 3.1.1 adapter: our words to those of `rumqttc-v4-next` and back.
//!
//! It holds no decision of its own; it must never let a type of that crate out of this file.

use super::link::{ConfigError, Events, PULSE_FILTER, Pulse, REQUESTS_AT_ONCE, REQUESTS_MAX, SendError, Stamp, Wire};
use super::{AckToken, Endpoint, Filter, Incoming, Outgoing, PublishResult, Qos, ServerLimits, Why, Will};
use rumqttc_v4 as client;
use rumqttc_v4::{ConnectReturnCode, ConnectionError, Packet, StateError};
use std::pin::pin;
use std::time::Duration;

/// A 3.1.1 broker cannot be told what is too large for us, so this much is taken in at least.
const PACKET_BYTES_FLOOR: usize = 16 * 1024 * 1024;

/// The requesting half of one connection.
#[derive(Debug, Clone)]
pub(super) struct Client(client::AsyncClient);

/// Prepares a connection; it is begun by driving what is returned.
///
/// # Errors
/// Where the endpoint cannot work as it is set.
pub(super) fn open(endpoint: &Endpoint, will: Option<&Will>) -> Result<(Client, Box<client::EventLoop>), ConfigError> {
    let mut options = client::MqttOptions::new(endpoint.client_id.clone(), (endpoint.host.clone(), endpoint.port));
    let packet_bytes_max = usize::try_from(endpoint.packet_bytes_max).unwrap_or(usize::MAX).max(PACKET_BYTES_FLOOR);
    options
        .try_set_clean_session(endpoint.clean_start || endpoint.session_expiry_s == 0)
        .map_err(|error| ConfigError::Invalid(error.to_string()))?;
    options
        .set_keep_alive(endpoint.keep_alive_s)
        .set_max_packet_size(packet_bytes_max, usize::MAX)
        .set_inflight(endpoint.publishes_in_flight_max.max(1))
        .set_max_request_batch(REQUESTS_AT_ONCE)
        .set_ack_mode(client::AckMode::Manual);
    if let Some(credentials) = &endpoint.credentials {
        options.set_credentials(credentials.user.clone(), credentials.password.expose().to_owned());
    }
    if let Some(will) = will {
        options.set_last_will(client::LastWill::new(
            will.topic.clone(),
            will.payload.to_vec(),
            client::QoS::AtLeastOnce,
            will.retain,
        ));
    }
    if let Some(files) = &endpoint.tls {
        #[cfg(feature = "tls")]
        options.set_transport(client::Transport::Tls(super::tls::read(files)?));
        #[cfg(not(feature = "tls"))]
        {
            let _ = files;
            return Err(ConfigError::TlsNotBuiltIn);
        }
    }
    let (requests, poll) = client::AsyncClient::builder(options).capacity(REQUESTS_MAX).build();
    Ok((Client(requests), Box::new(poll)))
}

impl Client {
    pub(super) fn subscribe(&self, filters: &[Filter]) -> Result<(), SendError> {
        let filters =
            filters.iter().map(|filter| client::SubscribeFilterInput::new(filter.filter.clone(), qos_out(filter.qos)));
        self.0.try_subscribe_many(filters).map_err(|error| refused(&error))
    }

    pub(super) fn publish(&self, message: &Outgoing, retain: bool) -> Result<(), SendError> {
        let options = client::PublishOptions::new(qos_out(message.qos)).retain(retain);
        self.0.try_publish(message.topic.clone(), message.payload.clone(), options).map_err(|error| refused(&error))
    }

    pub(super) fn acknowledge(&self, packet_id: u16) -> Result<(), SendError> {
        let ack = client::ManualAck::PubAck(client::PubAck::new(packet_id));
        self.0.try_manual_ack(ack).map_err(|error| refused(&error))
    }

    /// Sends the least there is. Where the queue is full there is enough to send already.
    fn pulse(&self) {
        let _ = self.0.try_unsubscribe(PULSE_FILTER);
    }

    pub(super) fn disconnect(&self, drain: Duration) -> Result<(), SendError> {
        self.0.try_disconnect_with_timeout(drain).map_err(|error| refused(&error))
    }
}

/// Polls until the connection is over or nobody listens.
pub(super) async fn drive(
    mut poll: Box<client::EventLoop>,
    requests: Client,
    stamp: Stamp,
    mut pulse: Pulse,
    mut out: Events,
) {
    let mut connected = false;
    loop {
        // A read brings many; to poll for each of them takes as long as to read it.
        let polled = match poll.state.events.pop_front() {
            Some(event) => Ok(event),
            None => match out.wait(pin!(poll.poll())).await {
                Some(polled) => polled,
                None => return,
            },
        };
        let wire = match polled {
            Ok(client::Event::Incoming(packet)) => understand(packet, stamp),
            Ok(client::Event::Outgoing(sent)) => {
                pulse.beat();
                match sent {
                    client::Outgoing::Publish(packet_id) if packet_id != 0 => Some(Wire::Sent(packet_id)),
                    _ => None,
                }
            }
            Err(error) => {
                return out.end(why(error, connected)).await;
            }
        };
        if connected && pulse.is_due() {
            requests.pulse();
        }
        let Some(wire) = wire else { continue };
        connected |= matches!(wire, Wire::Connected { .. });
        if !out.push(wire).await {
            return;
        }
    }
}

fn understand(packet: Packet, stamp: Stamp) -> Option<Wire> {
    match packet {
        Packet::Publish(publish) => {
            let ack = (publish.qos != client::QoS::AtMostOnce)
                .then_some(AckToken { link: stamp.link, packet_id: publish.pkid });
            Some(Wire::Message(Incoming {
                topic: publish.topic,
                payload: publish.payload,
                qos: if ack.is_some() { Qos::AtLeastOnce } else { Qos::AtMostOnce },
                retain: publish.retain,
                duplicate: publish.dup,
                arrival_ms: (stamp.clock)(),
                ack,
            }))
        }
        Packet::ConnAck(connack) => {
            Some(Wire::Connected { session_present: connack.session_present, limits: ServerLimits::PROTOCOL })
        }
        Packet::SubAck(suback) => Some(Wire::SubAck(suback.return_codes.into_iter().map(granted).collect())),
        Packet::PubAck(puback) => Some(Wire::Acked(puback.pkid, PublishResult::Accepted)),
        _ => None,
    }
}

fn granted(code: client::SubscribeReasonCode) -> Result<Qos, String> {
    match code {
        client::SubscribeReasonCode::Success(client::QoS::AtMostOnce) => Ok(Qos::AtMostOnce),
        client::SubscribeReasonCode::Success(_) => Ok(Qos::AtLeastOnce),
        client::SubscribeReasonCode::Failure => Err("refused (MQTT 3.1.1 gives no reason)".into()),
    }
}

fn qos_out(qos: Qos) -> client::QoS {
    match qos {
        Qos::AtMostOnce => client::QoS::AtMostOnce,
        Qos::AtLeastOnce => client::QoS::AtLeastOnce,
    }
}

fn refused(error: &client::ClientError) -> SendError {
    match error {
        client::ClientError::RequestChannelFull(_) => SendError::Full,
        client::ClientError::RequestChannelDisconnected(_) => SendError::Closed,
        _ => SendError::Invalid,
    }
}

fn why(error: ConnectionError, connected: bool) -> Why {
    match error {
        ConnectionError::RequestsDone | ConnectionError::DisconnectTimeout => Why::Requested,
        ConnectionError::ConnectionRefused(code) => refusal(code),
        ConnectionError::Io(error) => Why::Network(error.to_string()),
        ConnectionError::NetworkTimeout | ConnectionError::FlushTimeout => {
            Why::Network("no answer within the time limit".into())
        }
        #[cfg(feature = "tls")]
        ConnectionError::Tls(error) => Why::Tls(error.to_string()),
        ConnectionError::NotConnAck(_) => Why::NoHandshake("the first packet was no CONNACK".into()),
        ConnectionError::MqttState(StateError::ConnectionAborted) if connected => {
            Why::Network("closed by the broker".into())
        }
        ConnectionError::MqttState(StateError::ConnectionAborted) => Why::NoHandshake("closed by the broker".into()),
        ConnectionError::MqttState(StateError::Io(error)) if connected => Why::Network(error.to_string()),
        ConnectionError::MqttState(StateError::AwaitPingResp) => {
            Why::Network("the broker did not answer a ping".into())
        }
        ConnectionError::MqttState(error) if !connected => Why::NoHandshake(error.to_string()),
        error => Why::Protocol(error.to_string()),
    }
}

fn refusal(code: ConnectReturnCode) -> Why {
    match code {
        ConnectReturnCode::RefusedProtocolVersion => Why::UnsupportedVersion("unacceptable protocol version".into()),
        ConnectReturnCode::BadUserNamePassword => Why::NotAuthorised("bad user name or password".into()),
        ConnectReturnCode::NotAuthorized => Why::NotAuthorised("not authorised".into()),
        code => Why::Refused(format!("{code:?}")),
    }
}
