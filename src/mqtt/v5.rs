//! The MQTT 5 adapter: our words to those of `rumqttc-v5-next` and back.
//!
//! It holds no decision of its own; it must never let a type of that crate out of this file.

use super::link::{ConfigError, Events, PULSE_FILTER, Pulse, REQUESTS_AT_ONCE, REQUESTS_MAX, SendError, Stamp, Wire};
use super::{AckToken, Endpoint, Filter, Incoming, Outgoing, PublishResult, Qos, ServerLimits, Why, Will};
use rumqttc_v5 as client;
use rumqttc_v5::{ConnectReturnCode, ConnectionError, Packet, StateError};
use std::pin::pin;
use std::time::Duration;

/// How long TCP, TLS and CONNACK together may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The requesting half of one connection.
#[derive(Debug, Clone)]
pub(super) struct Client(client::AsyncClient);

/// Prepares a connection; it is begun by driving what is returned.
///
/// # Errors
/// Where the endpoint cannot work as it is set.
pub(super) fn open(endpoint: &Endpoint, will: Option<&Will>) -> Result<(Client, Box<client::EventLoop>), ConfigError> {
    let mut options = client::MqttOptions::new(endpoint.client_id.clone(), (endpoint.host.clone(), endpoint.port));
    options
        .set_keep_alive(endpoint.keep_alive_s)
        .set_clean_start(endpoint.clean_start)
        .set_session_expiry_interval(Some(endpoint.session_expiry_s))
        .set_receive_maximum(Some(endpoint.receive_maximum.max(1)))
        .set_max_packet_size(Some(endpoint.packet_bytes_max))
        .set_incoming_packet_size_limit(client::IncomingPacketSizeLimit::Bytes(endpoint.packet_bytes_max))
        .set_outgoing_inflight_upper_limit(endpoint.publishes_in_flight_max.max(1))
        .set_max_request_batch(REQUESTS_AT_ONCE)
        .set_ack_mode(client::AckMode::Manual)
        .set_connect_timeout(CONNECT_TIMEOUT);
    if !endpoint.clean_start {
        options.set_session_store(NothingInFlight {
            client_id: endpoint.client_id.clone(),
            session_expiry_s: endpoint.session_expiry_s,
            publishes_in_flight_max: endpoint.publishes_in_flight_max.max(1),
        });
    }
    if let Some(credentials) = &endpoint.credentials {
        options.set_credentials(credentials.user.clone(), credentials.password.expose().to_owned());
    }
    if let Some(will) = will {
        options.set_last_will(client::LastWill::new(
            will.topic.clone(),
            will.payload.to_vec(),
            client::QoS::AtLeastOnce,
            will.retain,
            None,
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
    let (requests, poll) = client::AsyncClient::builder(options)
        .capacity(REQUESTS_MAX)
        .try_build()
        .map_err(|error| ConfigError::Invalid(error.to_string()))?;
    Ok((Client(requests), Box::new(poll)))
}

impl Client {
    pub(super) fn subscribe(&self, filters: &[Filter]) -> Result<(), SendError> {
        let filters = filters.iter().map(|filter| {
            client::SubscribeFilterInput::new(filter.filter.clone(), qos_out(filter.qos))
                // A retained message is to be told from a live one also where it was just published.
                .preserve_retain(false)
                .retain_forward_rule(if filter.retained_once {
                    client::RetainForwardRule::OnNewSubscribe
                } else {
                    client::RetainForwardRule::OnEverySubscribe
                })
        });
        self.0.try_subscribe_many(filters).map_err(|error| refused(&error))
    }

    pub(super) fn publish(&self, message: &Outgoing, retain: bool) -> Result<(), SendError> {
        let properties = client::PublishProperties {
            message_expiry_interval: message.expiry_s,
            content_type: message.content_type.clone(),
            user_properties: message.user_properties.clone(),
            ..client::PublishProperties::default()
        };
        let options = client::PublishOptions::new(qos_out(message.qos)).retain(retain).properties(properties);
        self.0.try_publish(message.topic.clone(), message.payload.clone(), options).map_err(|error| refused(&error))
    }

    pub(super) fn acknowledge(&self, packet_id: u16) -> Result<(), SendError> {
        let ack = client::ManualAck::PubAck(client::PubAck::new(packet_id, None));
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
            Ok(client::Event::Auth(_)) => None,
            Err(error) => {
                return out.end(why(error, connected)).await;
            }
        };
        if connected && pulse.is_due() {
            requests.pulse();
        }
        let Some(wire) = wire else { continue };
        if matches!(wire, Wire::Connected { .. }) {
            connected = true;
            // It has been asked, and would be told at each read and each acknowledgement what it does not keep.
            poll.options.clear_session_store();
        }
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
            Some(Wire::Connected { session_present: connack.session_present, limits: limits(&connack) })
        }
        Packet::SubAck(suback) => Some(Wire::SubAck(suback.return_codes.into_iter().map(granted).collect())),
        Packet::PubAck(puback) => {
            use client::PubAckReason::{NoMatchingSubscribers, Success};
            let result = match puback.reason {
                Success | NoMatchingSubscribers => PublishResult::Accepted,
                reason => PublishResult::Refused(format!("{reason:?}")),
            };
            Some(Wire::Acked(puback.pkid, result))
        }
        _ => None,
    }
}

fn limits(connack: &client::ConnAck) -> ServerLimits {
    let protocol = ServerLimits::PROTOCOL;
    match &connack.properties {
        None => protocol,
        Some(said) => ServerLimits {
            receive_maximum: said.receive_max.unwrap_or(protocol.receive_maximum),
            packet_bytes_max: said.max_packet_size.unwrap_or(protocol.packet_bytes_max),
            retain_available: said.retain_available != Some(0),
        },
    }
}

fn granted(code: client::SubscribeReasonCode) -> Result<Qos, String> {
    match code {
        client::SubscribeReasonCode::Success(client::QoS::AtMostOnce) => Ok(Qos::AtMostOnce),
        client::SubscribeReasonCode::Success(_) => Ok(Qos::AtLeastOnce),
        client::SubscribeReasonCode::NotAuthorized => Err("not authorised".into()),
        refusal => Err(format!("{refusal:?}")),
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
        ConnectionError::Timeout(_) => Why::Network(format!("no answer within {} s", CONNECT_TIMEOUT.as_secs())),
        #[cfg(feature = "tls")]
        ConnectionError::Tls(error) => Why::Tls(error.to_string()),
        ConnectionError::NotConnAck(_) => Why::NoHandshake("the first packet was no CONNACK".into()),
        ConnectionError::MqttState(error) => state_why(error, connected),
        error => Why::Protocol(error.to_string()),
    }
}

fn state_why(error: StateError, connected: bool) -> Why {
    match error {
        StateError::ServerDisconnect { reason_code, reason_string } => {
            let text = format!("{reason_code:?} {}", reason_string.unwrap_or_default());
            match reason_code {
                client::DisconnectReasonCode::NotAuthorized => Why::NotAuthorised(text),
                client::DisconnectReasonCode::SessionTakenOver => Why::TakenOver,
                _ => Why::Protocol(text.trim_end().to_owned()),
            }
        }
        StateError::ConnectionAborted if connected => Why::Network("closed by the broker".into()),
        StateError::ConnectionAborted => Why::NoHandshake("closed by the broker".into()),
        StateError::Io(error) if connected => Why::Network(error.to_string()),
        StateError::AwaitPingResp => Why::Network("the broker did not answer a ping".into()),
        error if connected => Why::Protocol(error.to_string()),
        error => Why::NoHandshake(error.to_string()),
    }
}

fn refusal(code: ConnectReturnCode) -> Why {
    match code {
        ConnectReturnCode::UnsupportedProtocolVersion | ConnectReturnCode::RefusedProtocolVersion => {
            Why::UnsupportedVersion("unsupported protocol version".into())
        }
        ConnectReturnCode::BadUserNamePassword => Why::NotAuthorised("bad user name or password".into()),
        ConnectReturnCode::NotAuthorized => Why::NotAuthorised("not authorised".into()),
        ConnectReturnCode::Banned | ConnectReturnCode::BadAuthenticationMethod => {
            Why::NotAuthorised(format!("{code:?}"))
        }
        code => Why::Refused(format!("{code:?}")),
    }
}

/// Tells the client that nothing of ours was in flight when the last link ended. That is so: a resumed session is the
/// subscriber's, which publishes nothing and subscribes anew, while the publisher begins clean and sends again from
/// the outbox. Without it the client would refuse a session that it has no memory of.
#[derive(Debug)]
struct NothingInFlight {
    client_id: String,
    session_expiry_s: u32,
    publishes_in_flight_max: u16,
}

type StoreFuture<'a, T> = std::pin::Pin<Box<dyn Future<Output = Result<T, client::SessionStoreError>> + Send + 'a>>;

impl client::SessionStore for NothingInFlight {
    fn load<'a>(&'a self, _: &'a client::SessionStoreKey) -> StoreFuture<'a, Option<client::PersistedSession>> {
        let session = client::PersistedSession {
            format_version: 1,
            client_id: self.client_id.clone(),
            clean_start: false,
            session_expiry_interval: Some(self.session_expiry_s),
            outgoing_inflight_upper_limit: Some(self.publishes_in_flight_max),
            ack_mode: client::PersistedAckMode::Manual,
            last_pkid: 0,
            last_puback: 0,
            replay: Vec::new(),
            incoming_qos2: Vec::new(),
        };
        Box::pin(std::future::ready(Ok(Some(session))))
    }

    fn save<'a>(&'a self, _: &'a client::SessionStoreKey, _: &'a client::PersistedSession) -> StoreFuture<'a, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn clear<'a>(&'a self, _: &'a client::SessionStoreKey) -> StoreFuture<'a, ()> {
        Box::pin(std::future::ready(Ok(())))
    }
}
