//! Recordings as others write them, and our own read back.

use super::*;
use proptest::prelude::*;

fn read_all(text: &[u8]) -> Vec<Result<RecordedMessage<'static>, String>> {
    let mut reader = RecordingReader::new(text, LINE_BYTES_MAX);
    let mut all = Vec::new();
    loop {
        match reader.read_message() {
            Ok(None) => return all,
            Ok(Some(message)) => all.push(Ok(owned(&message))),
            Err(error) => all.push(Err(error.to_string())),
        }
    }
}

fn owned(message: &RecordedMessage<'_>) -> RecordedMessage<'static> {
    RecordedMessage {
        arrival: message.arrival,
        topic: message.topic.clone().into_owned().into(),
        qos: message.qos,
        retained: message.retained,
        payload: message.payload.clone().into_owned().into(),
    }
}

fn check_payload(member: &str, expected: &[u8]) {
    let line = format!(r#"{{"topic":"t",{member}}}"#);
    match &read_all(line.as_bytes())[..] {
        [Ok(message)] => assert_eq!(&*message.payload, expected, "{line}"),
        other => panic!("{line}: {other:?}"),
    }
}

fn check_arrival(tst: &str, expected: Option<i64>) {
    let line = format!(r#"{{"tst":{tst},"topic":"t","payload":{{}}}}"#);
    match &read_all(line.as_bytes())[..] {
        [Ok(message)] => assert_eq!(message.arrival.map(ArrivalTime::ms), expected, "{line}"),
        other => panic!("{line}: {other:?}"),
    }
}

fn check_error(line: &str, expected: &str) {
    assert_eq!(read_all(line.as_bytes()), [Err(format!("line 1 is no recorded message ({expected})"))], "{line}");
}

/// What `mosquitto_sub -F '%J'` 2.0.11 wrote in the zones Asia/Shanghai and America/St_Johns, for payloads of an
/// object, a JSON text, a number, `null`, nothing, and (a blank line) something that is not JSON.
const BY_MOSQUITTO: &str = r#"{"tst":"2026-11-23T05:23:41.214559Z+0800","topic":"ev/obj","qos":0,"retain":0,"payloadlen":35,"payload":{"ts":1,"a":1.1,"e":12345.67}}
{"tst":"2026-11-23T05:23:41.226636Z+0800","topic":"ev/qstr","qos":0,"retain":1,"payloadlen":8,"payload":"online"}
{"tst":"2026-11-22T17:53:41.230228Z-0330","topic":"ev/num","qos":1,"retain":0,"payloadlen":5,"payload":12.5}

{"tst":"2026-11-23T05:23:41.237394Z+0800","topic":"ev/null","qos":0,"retain":0,"payloadlen":4,"payload":null}
{"tst":"2026-11-23T05:23:41.240859Z+0800","topic":"ev/empty","qos":0,"retain":0,"payloadlen":0,"payload":null}
"#;

#[test]
fn what_mosquitto_writes_is_read() {
    let message = |ms: i64, topic: &'static str, qos, retained, payload: &'static str| {
        let arrival = Some(ArrivalTime::from_ms(1_795_382_621_000 + ms));
        Ok(RecordedMessage { arrival, topic: topic.into(), qos, retained, payload: payload.as_bytes().into() })
    };
    assert_eq!(
        read_all(BY_MOSQUITTO.as_bytes()),
        [
            message(214, "ev/obj", 0, false, r#"{"ts":1,"a":1.1,"e":12345.67}"#),
            message(226, "ev/qstr", 0, true, "online"),
            message(230, "ev/num", 1, false, "12.5"),
            message(237, "ev/null", 0, false, "null"),
            message(240, "ev/empty", 0, false, ""),
        ]
    );
    let mut reader = RecordingReader::new(BY_MOSQUITTO.as_bytes(), LINE_BYTES_MAX);
    while matches!(reader.read_message(), Ok(Some(_))) {}
    assert_eq!((reader.lines(), reader.blank_lines(), reader.bytes()), (6, 1, BY_MOSQUITTO.len() as u64));
}

#[test]
fn usual_lines_are_read_without_looking_at_the_payload() {
    let usual: Vec<_> = BY_MOSQUITTO
        .lines()
        .map(|line| plain::message(line.as_bytes()).map(|message| message.topic.into_owned()))
        .collect();
    // The first says 35, for that is how long the payload was before Mosquitto wrote it anew.
    assert_eq!(usual, [const { None }; 6]);
    let line = r#"{"tst":"2026-11-23T05:23:41.214Z","topic":"t","qos":2,"retain":1,"payloadlen":7,"payload":{"a":1}}"#;
    let read = plain::message(line.as_bytes());
    assert_eq!(read, message(line.as_bytes(), &Limits::default()).ok());
    assert!(read.is_some_and(|message| &*message.payload == br#"{"a":1}"# && message.retained && message.qos == 2));
}

#[test]
fn arrivals_are_read_in_all_their_forms() {
    check_arrival(r#""2026-11-22T21:23:41.214Z""#, Some(1_795_382_621_214));
    check_arrival(r#""2026-11-23T05:23:41.214+08:00""#, Some(1_795_382_621_214));
    check_arrival("1795382621214", Some(1_795_382_621_214));
    check_arrival("1795382621", Some(1_795_382_621_000));
    check_arrival("null", None);
}

#[test]
fn payloads_are_read_in_all_their_forms() {
    check_payload(r#""payload":{"a" : 1.10}"#, br#"{"a" : 1.10}"#);
    check_payload(r#""payload": [1, 2] "#, b"[1, 2]");
    check_payload(r#""payload":"a\"\u6625\n""#, "a\"春\n".as_bytes());
    check_payload(r#""payload":"春""#, "春".as_bytes());
    check_payload(r#""payload":true"#, b"true");
    check_payload(r#""payload":null"#, b"");
    check_payload(r#""payloadlen":0"#, b"");
    check_payload(r#""payload_base64":"//4A""#, b"\xff\xfe\0");
    check_payload(r#""payload":null,"payload_base64":"""#, b"");
}

#[test]
fn lines_that_are_no_message_are_named_and_passed_over() {
    check_error("x", "not_json");
    check_error("[]", "wrong_type");
    check_error("{\"topic\":\"t\",\"payload\":{}", "not_json");
    check_error(r#"{"payload":{}}"#, "missing_field: topic");
    check_error(r#"{"topic":"t"}"#, "missing_field: payload");
    check_error(r#"{"topic":1,"payload":{}}"#, "wrong_type: topic");
    check_error(r#"{"tst":"yesterday","topic":"t","payload":{}}"#, "bad_time: tst");
    check_error(r#"{"tst":12,"topic":"t","payload":{}}"#, "out_of_range: tst");
    check_error(r#"{"topic":"t","qos":3,"payload":{}}"#, "out_of_range: qos");
    check_error(r#"{"topic":"t","payload_base64":"*"}"#, "unknown_value: payload_base64");
    let all = read_all(b"{\"topic\":\"a\",\"payload\":1}\r\nx\n\xff\n{\"topic\":\"b\",\"payload\":2}");
    assert_eq!(all.len(), 4);
    assert_eq!(all[1], Err("line 2 is no recorded message (not_json)".to_owned()));
    assert_eq!(all[2], Err("line 3 is no recorded message (not_utf8)".to_owned()));
    assert!(all[0].as_ref().is_ok_and(|message| message.topic == "a"));
    assert!(all[3].as_ref().is_ok_and(|message| message.topic == "b"));
}

#[test]
fn a_line_beyond_the_limit_is_passed_over() {
    let text = format!("{}\n{{\"topic\":\"b\",\"payload\":2}}\n", "x".repeat(100_000));
    let mut reader = RecordingReader::new(text.as_bytes(), 40);
    assert!(matches!(reader.read_message(), Err(RecordingError::LineTooLong { line: 1 })));
    assert!(reader.read_message().is_ok_and(|message| message.is_some_and(|message| message.topic == "b")));
    assert_eq!(reader.bytes(), text.len() as u64);
    let exact = "{\"topic\":\"b\",\"payload\":2}\n{\"topic\":\"c\",\"payload\":2}";
    let mut reader = RecordingReader::new(exact.as_bytes(), 25);
    assert!(matches!(reader.read_message(), Ok(Some(_))));
    assert!(matches!(reader.read_message(), Ok(Some(_))));
    assert!(matches!(reader.read_message(), Ok(None)));
}

#[test]
fn payloads_are_written_as_readably_as_they_can_be() {
    let check = |payload: &[u8], expected: &str| {
        let mut writer = RecordingWriter::new(Vec::new());
        let arrival = Some(ArrivalTime::from_ms(1_795_382_621_214));
        let message = RecordedMessage { arrival, topic: "t".into(), qos: 1, retained: true, payload: payload.into() };
        writer.write_message(&message).expect("memory takes it");
        let head = r#"{"tst":"2026-11-22T21:23:41.214Z","topic":"t","qos":1,"retain":1,"payloadlen":"#;
        let expected = format!("{head}{},{expected}}}\n", payload.len());
        assert_eq!(String::from_utf8(writer.into_inner()), Ok(expected));
    };
    check(br#"{"a": 1.10}"#, r#""payload":{"a": 1.10}"#);
    check(b"[]", r#""payload":[]"#);
    check(b"{\"a\":\n1}", r#""payload":"{\"a\":\n1}""#);
    check(b"{\"a\":}", r#""payload":"{\"a\":}""#);
    check(b"online", r#""payload":"online""#);
    check(b"12.50", r#""payload":"12.50""#);
    check(b"", r#""payload":"""#);
    check(b"\xff\xfe\0", r#""payload_base64":"//4A""#);
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        arrivals in proptest::collection::vec(proptest::option::of(946_684_800_000_i64..4_133_980_800_000), 0..4),
        topic in "\\PC{0,20}", qos in 0_u8..=2, retained: bool,
        payload in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..40),
            "[\\[{][\\[{}\\],:\"a1\n ]{0,6}[}\\]]".prop_map(String::into_bytes),
            "\\{\"[a-z\\\\]{0,3}\":(1|\"\\PC{0,3}\"|\\[ ?\\])\\}".prop_map(String::into_bytes),
        ],
    ) {
        let messages: Vec<_> = arrivals.into_iter().map(|arrival| Ok(RecordedMessage {
            arrival: arrival.map(ArrivalTime::from_ms), topic: topic.clone().into(), qos, retained,
            payload: payload.clone().into(),
        })).collect();
        let mut writer = RecordingWriter::new(Vec::new());
        for message in messages.iter().flatten() {
            writer.write_message(message).expect("memory takes it");
        }
        prop_assert_eq!(read_all(&writer.into_inner()), messages);
    }

    #[test]
    fn a_usual_line_is_read_as_the_general_reader_reads_it(
        at in 0_usize..140, noise in "[{}\",:0-9a-z\\\\ \u{1}电]{0,2}", remove in 0_usize..3, length in 8_usize..13,
    ) {
        let mut line: Vec<char> = format!(
            r#"{{"tst":"2026-11-23T05:23:41.214Z","topic":"ev/电","qos":1,"retain":0,"payloadlen":{length},"payload":{{"a":[1,2]}}}}"#
        ).chars().collect();
        let at = at.min(line.len());
        let end = (at + remove).min(line.len());
        line.splice(at..end, noise.chars());
        let line = String::from_iter(line);
        if let Some(read) = plain::message(line.as_bytes()) {
            match message(line.as_bytes(), &Limits::default()) {
                Ok(expected) => prop_assert_eq!(read, expected),
                // What is wrong with the payload is for its decoder to say.
                Err(_) => prop_assert!(serde_json::from_slice::<IgnoredAny>(&read.payload).is_err()),
            }
        }
    }

    #[test]
    fn no_line_makes_it_panic(at in 0_usize..400, byte: u8, noise in proptest::collection::vec(any::<u8>(), 0..60)) {
        let mut text = BY_MOSQUITTO.as_bytes().to_vec();
        text[at] = byte;
        prop_assert!(read_all(&text).len() >= 3);
        let _ = read_all(&noise);
    }
}
