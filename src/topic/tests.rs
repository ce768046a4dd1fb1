//! Topics as texts and back.

use super::*;
use proptest::prelude::*;

fn check_in(topic: &str, expected: Result<(u8, &str, &str, InKind<'_>), TopicError>) {
    let expected = expected.map(|(province, operator, station, kind)| InTopic { province, operator, station, kind });
    assert_eq!(Root::default_in().parse_in(topic, ID_BYTES_MAX), expected, "{topic}");
}

#[test]
fn the_topics_of_the_wire_page_are_read() {
    check_in("ev/v1/53/op/st/info", Ok((53, "op", "st", InKind::Info)));
    check_in("ev/v1/53/op/st/status", Ok((53, "op", "st", InKind::Status)));
    check_in("ev/v1/53/op/st/alarm", Ok((53, "op", "st", InKind::StationAlarm)));
    check_in("ev/v1/05/op/st/c1/telemetry", Ok((5, "op", "st", InKind::Telemetry { connector: "c1" })));
    check_in("ev/v1/53/op/st/alarm/alarm", Ok((53, "op", "st", InKind::ConnectorAlarm { connector: "alarm" })));
    check_in("ev/v1/53/运营 商/st/c1/session", Ok((53, "运营 商", "st", InKind::Session { connector: "c1" })));
}

#[test]
fn other_topics_are_refused() {
    for topic in [
        "",
        "ev/v1",
        "ev/v1/",
        "ev/v10/53/op/st/info",
        "ev/v1/53/op/info",
        "ev/v1/5/op/st/info",
        "ev/v1/530/op/st/info",
        "ev/v1/+3/op/st/info",
        "ev/v1/53//st/info",
        "ev/v1/53/op/st//telemetry",
        "ev/v1/53/op/st/c1/info",
        "ev/v1/53/op/st/telemetry",
        "ev/v1/53/op/st/c1/telemetry/",
        "ev/v1/53/op/st/c1/telemetry/x",
        "ev/v1/53/op/s+t/info",
        "ev/v1/53/op/#/info",
        "ev/v1/53/o\0p/st/info",
        "ev/v1/53/o\u{85}p/st/info",
        "/ev/v1/53/op/st/info",
    ] {
        check_in(topic, Err(TopicError::Form));
    }
    let long = "x".repeat(ID_BYTES_MAX + 1);
    check_in(&format!("ev/v1/53/{long}/st/info"), Err(TopicError::IdTooLong));
    check_in(&format!("ev/v1/53/op/st/{long}/telemetry"), Err(TopicError::IdTooLong));
}

#[test]
fn the_daemons_topics_are_spelled_as_on_the_wire_page() {
    let root = Root::default_out();
    let summary = |window, scope| root.format_out(&OutTopic::Summary { window, scope });
    assert_eq!(summary(WindowKind::Quarter, ScopeName::Nation), "chargetally/v1/summary/15m/nation");
    assert_eq!(summary(WindowKind::Month, ScopeName::Province(53)), "chargetally/v1/summary/1mo/province/53");
    assert_eq!(summary(WindowKind::Hour, ScopeName::County(0)), "chargetally/v1/summary/1h/county/unknown");
    let station = ScopeName::Station { operator: "op", station: "st" };
    assert_eq!(summary(WindowKind::Day, station), "chargetally/v1/summary/1d/station/op/st");
    assert_eq!(root.format_out(&OutTopic::Rejected), "chargetally/v1/rejected");
    assert_eq!(root.format_out(&OutTopic::Status), "chargetally/v1/status");
    let alarm = |connector| OutTopic::Alarm {
        province: 53,
        operator: "op",
        station: "st",
        connector,
        class: AlarmClass::SmokeFire,
    };
    assert_eq!(root.format_out(&alarm(Some("c1"))), "chargetally/v1/alarm/53/op/st/c1/smoke_fire");
    assert_eq!(root.format_out(&alarm(None)), "chargetally/v1/alarm/53/op/st//smoke_fire");
    for topic in ["chargetally/v1/summary/15m", "chargetally/v1/summary/2h/nation", "chargetally/v1/x"] {
        assert_eq!(root.parse_out(topic, ID_BYTES_MAX), Err(TopicError::Form), "{topic}");
    }
    for topic in ["city/530", "city/0000", "province/+3", "nation/53", "station/op", "county/5301020"] {
        let topic = format!("chargetally/v1/summary/1h/{topic}");
        assert_eq!(root.parse_out(&topic, ID_BYTES_MAX), Err(TopicError::Form), "{topic}");
    }
}

#[test]
fn retained_topics_are_never_shared() {
    let root = Root::parse("a/b").expect("a root");
    let all = ["a/b/+/+/+/info", "a/b/+/+/+/status", "a/b/+/+/+/alarm", "a/b/+/+/+/+/telemetry"];
    assert_eq!(root.in_filters(&[], None)[..4], all);
    let some = root.in_filters(&[5, 53], Some("g"));
    assert_eq!(some.len(), 12);
    assert_eq!(some[0], "a/b/05/+/+/info");
    assert_eq!(some[11], "$share/g/a/b/53/+/+/+/alarm");
    assert!(some.iter().all(|filter| !(filter.starts_with("$share") && filter.ends_with("info"))));
}

#[test]
fn roots_that_no_topic_can_begin_with_are_refused() {
    for text in ["", "/", "a/", "/a", "a//b", "a/+", "#", "$SYS/a", "a\n"] {
        assert_eq!(Root::parse(text), Err(TopicError::Form), "{text}");
    }
    assert_eq!(Root::parse("a/".repeat(200).trim_end_matches('/')), Err(TopicError::IdTooLong));
    assert_eq!(Root::parse("ev/v1").as_ref().map(Root::as_str), Ok("ev/v1"));
}

const ID: &str = "[^/+#\\p{Cc}]{1,16}";

proptest! {
    #[test]
    fn an_id_is_refused_for_what_it_holds_wherever_that_stands(
        letters in proptest::collection::vec(prop_oneof![
            8 => prop::char::range('a', 'z'),
            1 => prop::sample::select(vec![' ', '~', '!', '"', '$', '*', ',', '-', '.', '0', '电', '\u{80}', '\u{FF}']),
            1 => prop::sample::select(vec!['+', '#', '/', '\0', '\n', '\u{1F}', '\u{7F}', '\u{9F}']),
        ], 0..30),
    ) {
        let id: String = letters.iter().collect();
        let is_bad = |letter: &char| letter.is_control() || matches!(letter, '+' | '#' | '/');
        let expected = match id.len() {
            0 => Err(TopicError::Form),
            25.. => Err(TopicError::IdTooLong),
            _ if letters.iter().any(is_bad) => Err(TopicError::Form),
            _ => Ok(&*id),
        };
        prop_assert_eq!(check_id(&id, 24), expected);
    }

    #[test]
    fn in_topics_are_read_as_they_are_written(
        root in "[a-z]{1,3}(/[a-z0-9]{1,3}){0,2}", province in 0_u8..100,
        operator in ID, station in ID, connector in ID, kind in 0..6,
    ) {
        let connector = connector.as_str();
        let kind = [
            InKind::Info, InKind::Status, InKind::StationAlarm, InKind::Telemetry { connector },
            InKind::Session { connector }, InKind::ConnectorAlarm { connector },
        ][kind as usize];
        let root = Root::parse(&root).expect("a root");
        let topic = InTopic { province, operator: &operator, station: &station, kind };
        let text = root.format_in(&topic);
        prop_assert_eq!(root.parse_in(&text, ID_BYTES_MAX), Ok(topic));
    }

    #[test]
    fn out_topics_are_read_as_they_are_written(
        province in 0_u8..100, city in 0_u16..10_000, county in 0_u32..1_000_000, window in 0_usize..5,
        class in 0..AlarmClass::ALL.len(), operator in ID, station in ID, connector in proptest::option::of(ID),
    ) {
        let (operator, station) = (operator.as_str(), station.as_str());
        let scopes = [
            ScopeName::Nation, ScopeName::Province(province), ScopeName::City(city), ScopeName::County(county),
            ScopeName::Operator(operator), ScopeName::Station { operator, station },
        ];
        let summaries = scopes.map(|scope| OutTopic::Summary { window: WindowKind::ALL[window], scope });
        let (class, connector) = (AlarmClass::ALL[class], connector.as_deref());
        let alarm = OutTopic::Alarm { province, operator, station, connector, class };
        let root = Root::default_out();
        for topic in summaries.into_iter().chain([alarm, OutTopic::Rejected, OutTopic::Status]) {
            let text = root.format_out(&topic);
            prop_assert_eq!(root.parse_out(&text, ID_BYTES_MAX), Ok(topic), "{}", text);
        }
    }

    #[test]
    fn whatever_is_read_is_written_the_same(tail in "[0-9]{2}(/[a-z0-9+]{0,3}){2,3}/(info|status|alarm|telemetry)") {
        let (root, text) = (Root::default_in(), format!("ev/v1/{tail}"));
        if let Ok(topic) = root.parse_in(&text, ID_BYTES_MAX) {
            prop_assert_eq!(root.format_in(&topic), text);
        }
    }
}
