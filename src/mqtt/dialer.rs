//! Chooses the protocol version of each connection: MQTT 5 first, 3.1.1 where the broker knows no better; and notices
//! that another client has our client id.
//!
//! It decides from what earlier connections ended with; it must never wait or retry by itself.

use tracing::{error, warn};

use super::link::{ConfigError, Link};
use super::{Clock, Endpoint, Protocol, Version, Why, Will};
use crate::clock::{Monotonic, monotonic};

/// Opens one link after the other to an endpoint, each in the version that the last ones suggest.
#[derive(Debug)]
pub struct Dialer {
    endpoint: Endpoint,
    will: Option<Will>,
    clock: Clock,
    choice: Choice,
    rivalry: Rivalry,
}

impl Dialer {
    /// A dialer for the endpoint; `clock` stamps the arrival of each message.
    pub fn new(endpoint: Endpoint, will: Option<Will>, clock: Clock) -> Self {
        let choice = Choice::new(endpoint.protocol);
        Self { endpoint, will, clock, choice, rivalry: Rivalry::default() }
    }

    /// The endpoint that is dialled.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The version that the next link will speak, or the current one speaks.
    pub fn version(&self) -> Version {
        self.choice.version
    }

    /// Begins a connection. It reports its progress through [`Link::next`].
    ///
    /// # Errors
    /// Where the endpoint cannot work at all: TLS files that cannot be read, or TLS that is not built in.
    pub fn dial(&mut self) -> Result<Link, ConfigError> {
        Link::open(&self.endpoint, self.will.as_ref(), self.choice.version, self.clock)
    }

    /// As [`Self::dial`], with a last will for this connection alone.
    ///
    /// # Errors
    /// As [`Self::dial`].
    pub fn dial_with(&mut self, will: &Will) -> Result<Link, ConfigError> {
        Link::open(&self.endpoint, Some(will), self.choice.version, self.clock)
    }

    /// To be told when a link was accepted by the broker.
    pub fn connected(&mut self) {
        self.choice.proven = true;
        self.rivalry.connected_at = Some(monotonic());
    }

    /// To be told why a link ended. True: the next one speaks another version and is worth dialling at once.
    pub fn ended(&mut self, why: &Why) -> bool {
        let client_id = &self.endpoint.client_id;
        match self.rivalry.ended(why, monotonic()) {
            Some(Rival::Named) => error!(client_id, "another client has taken our client id over at the broker"),
            Some(Rival::Likely) => {
                warn!(
                    client_id,
                    "the broker hangs up on us soon after each connection: another client may have our client id"
                );
            }
            None => {}
        }
        self.choice.ended(why)
    }
}

/// A connection that the broker ends within this time of accepting it was a short one, ms.
const SHORT_MS_MAX: u64 = 10_000;
/// After so many short connections in a row another client is likely, and once more after each further so many.
const SHORT_IN_A_ROW: u32 = 3;

/// How sure it is that another client has our client id.
#[derive(Debug, PartialEq, Eq)]
enum Rival {
    /// The broker said so, as MQTT 5 lets it.
    Named,
    /// Many brokers (Mosquitto 2.0 among them) and all of MQTT 3.1.1 just hang up: two clients with one id then see
    /// one short connection after the other.
    Likely,
}

/// What short connections say.
#[derive(Debug, Default)]
struct Rivalry {
    connected_at: Option<Monotonic>,
    short_in_a_row: u32,
}

impl Rivalry {
    /// A link ended. An attempt that the broker never accepted says nothing about rivals.
    fn ended(&mut self, why: &Why, now: Monotonic) -> Option<Rival> {
        let connected_at = self.connected_at.take()?;
        let is_short = now.since_ms(connected_at) <= SHORT_MS_MAX;
        match why {
            Why::TakenOver => Some(Rival::Named),
            Why::Network(_) if is_short => {
                self.short_in_a_row = self.short_in_a_row.saturating_add(1);
                self.short_in_a_row.is_multiple_of(SHORT_IN_A_ROW).then_some(Rival::Likely)
            }
            _ => {
                self.short_in_a_row = 0;
                None
            }
        }
    }
}

/// The decision behind the dialer.
#[derive(Debug, PartialEq, Eq)]
struct Choice {
    protocol: Protocol,
    version: Version,
    /// Whether the broker has accepted a connection in this version.
    proven: bool,
    /// Whether the broker has said in so many words that it does not speak MQTT 5.
    v5_refused: bool,
}

impl Choice {
    fn new(protocol: Protocol) -> Self {
        let version = if protocol == Protocol::V311 { Version::V311 } else { Version::V5 };
        Self { protocol, version, proven: false, v5_refused: false }
    }

    /// An old broker may answer an MQTT 5 CONNECT by its own CONNACK, by one that cannot be read, or by hanging up.
    /// Only the first says for certain that 3.1.1 is what to speak, so the others lead back to MQTT 5 should 3.1.1
    /// fail as well: a broker that was only starting up is not spoken 3.1.1 to for ever.
    fn ended(&mut self, why: &Why) -> bool {
        if self.protocol != Protocol::Auto || self.proven {
            return false;
        }
        match (self.version, why) {
            (Version::V5, Why::UnsupportedVersion(_)) => {
                self.v5_refused = true;
                self.version = Version::V311;
                true
            }
            (Version::V5, Why::NoHandshake(_)) => {
                self.version = Version::V311;
                true
            }
            (Version::V311, _) if !self.v5_refused => {
                self.version = Version::V5;
                false
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(protocol: Protocol, ends: &[Why], expected: &[(Version, bool)]) {
        let mut choice = Choice::new(protocol);
        let seen: Vec<_> = ends
            .iter()
            .map(|why| {
                let at_once = choice.ended(why);
                (choice.version, at_once)
            })
            .collect();
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_broker_without_mqtt_5_is_spoken_3_1_1_to_from_then_on() {
        let refused = Why::UnsupportedVersion("0x84".into());
        let lost = Why::Network("refused".into());
        check(Protocol::Auto, &[refused, lost], &[(Version::V311, true), (Version::V311, false)]);
    }

    #[test]
    fn a_broker_that_hangs_up_is_tried_in_both_versions_in_turn() {
        let hung_up = Why::NoHandshake("closed".into());
        check(
            Protocol::Auto,
            &[hung_up.clone(), hung_up.clone(), hung_up],
            &[(Version::V311, true), (Version::V5, false), (Version::V311, true)],
        );
    }

    #[test]
    fn an_unreachable_broker_or_a_wrong_password_changes_nothing() {
        let ends = [Why::Network("refused".into()), Why::NotAuthorised("bad password".into())];
        check(Protocol::Auto, &ends, &[(Version::V5, false), (Version::V5, false)]);
    }

    #[test]
    fn a_forced_version_is_kept() {
        let ends = [Why::UnsupportedVersion(String::new()), Why::NoHandshake(String::new())];
        check(Protocol::V5, &ends, &[(Version::V5, false), (Version::V5, false)]);
        check(Protocol::V311, &ends, &[(Version::V311, false), (Version::V311, false)]);
    }

    #[test]
    fn a_version_that_has_worked_is_kept_when_the_broker_later_hangs_up() {
        let mut choice = Choice::new(Protocol::Auto);
        choice.proven = true;
        assert!(!choice.ended(&Why::NoHandshake("closed".into())));
        assert_eq!(choice.version, Version::V5);
    }

    /// Links that each ended so long after they were accepted, and what each end says.
    fn check_rivals(ends: &[(u64, Why)], expected: &[Option<Rival>]) {
        let mut rivalry = Rivalry::default();
        let mut now = monotonic();
        let told: Vec<_> = ends
            .iter()
            .map(|(lasted_ms, why)| {
                rivalry.connected_at = Some(now);
                now = now.after(std::time::Duration::from_millis(*lasted_ms));
                rivalry.ended(why, now)
            })
            .collect();
        assert_eq!(told, expected);
        assert_eq!(rivalry.ended(&Why::TakenOver, now), None, "a link that was never accepted");
    }

    #[test]
    fn a_rival_is_named_where_the_broker_says_so_and_guessed_after_three_short_connections() {
        let hung_up = || Why::Network("closed by the broker".into());
        check_rivals(&[(1, Why::TakenOver), (90_000, Why::TakenOver)], &[Some(Rival::Named), Some(Rival::Named)]);
        let fight: Vec<_> = (0..7).map(|_| (900, hung_up())).collect();
        let likely = || Some(Rival::Likely);
        check_rivals(&fight, &[None, None, likely(), None, None, likely(), None]);
        let outages = [(900, hung_up()), (900, hung_up()), (60_000, hung_up()), (900, hung_up()), (900, hung_up())];
        check_rivals(&outages, &[None, None, None, None, None]);
    }
}
