//! What a Sparkplug host application says of itself: where, and in which words. Edge nodes that have a primary host wait
//! for it. It must never decide whether the host is there, which those know who hold the connection.

use crate::topic::Root;

/// The topic of a host's state under a root. To be retained, at QoS 1, and the last will of the connection that
/// subscribes.
#[must_use]
pub fn topic(root: &Root, id: &str) -> String {
    format!("{}/STATE/{id}", root.as_str())
}

/// That the host is there. `at_ms` is when its connection was begun, ms since the Unix epoch; it must be that of the
/// connection's last will, by which nodes tell which of two states is the later.
#[must_use]
pub fn online(at_ms: i64) -> Vec<u8> {
    state(true, at_ms)
}

/// That the host is not there any more; `at_ms` as for [`online`].
#[must_use]
pub fn offline(at_ms: i64) -> Vec<u8> {
    state(false, at_ms)
}

fn state(is_online: bool, at_ms: i64) -> Vec<u8> {
    format!(r#"{{"online":{is_online},"timestamp":{at_ms}}}"#).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_written_as_the_specification_has_it() {
        let root = Root::parse("spBv1.0").expect("a root");
        assert_eq!(topic(&root, "counts"), "spBv1.0/STATE/counts");
        assert_eq!(online(1_795_392_000_000), br#"{"online":true,"timestamp":1795392000000}"#);
        assert_eq!(offline(1_795_392_000_000), br#"{"online":false,"timestamp":1795392000000}"#);
    }
}
