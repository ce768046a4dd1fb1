//! Courses of charging in both families, as golden text; what cannot be meant; what is replayed or repeated; memory that
//! is packed; and noise. The frames are this project's own.

use proptest::prelude::*;

use super::*;
use crate::dialect::describe::Described;
use crate::settings::{DialectName, usual_source};

/// 2026-11-23T05:30:00Z.
const START_MS: i64 = 1_795_411_800_000;

fn dialect() -> Ocpp {
    let source = usual_source(DialectName::Ocpp).expect("the defaults are in order");
    Ocpp::new(source.ocpp.expect("where its frames are"))
}

fn told_as(ocpp: &mut Ocpp, topic: &str, payload: &[u8], retained: bool) -> String {
    let mut told = String::new();
    let arrival = ArrivalTime::from_ms(START_MS);
    let decoded = ocpp.decode(topic, payload, arrival, retained, &Limits::default(), &mut |key, observation| {
        told += &format!("    {}\n", Described(key, &observation));
    });
    if let Err(reject) = decoded {
        told += &format!("    refused: {reject}\n");
    }
    told
}

/// What a frame on the way to the central system says, a line each.
fn told(ocpp: &mut Ocpp, frame: &str) -> String {
    told_as(ocpp, "cs/in/ocpp1.6/cs-7", frame.as_bytes(), false)
}

fn course(frames: &[&str]) -> String {
    let mut ocpp = dialect();
    frames.iter().map(|frame| format!("{frame}\n{}", told(&mut ocpp, frame))).collect()
}

#[test]
fn a_course_of_1_6_is_told_from_plug_to_unplug() {
    let all = course(&[
        r#"[2,"b1","BootNotification",{"chargePointVendor":"Acme","chargePointModel":"X","chargePointSerialNumber":"other"}]"#,
        r#"[3,"b1",{"status":"Accepted","currentTime":"2026-11-23T05:00:00Z","interval":300}]"#,
        r#"[2,"s0","StatusNotification",{"connectorId":0,"errorCode":"NoError","status":"Available","timestamp":"2026-11-23T05:00:01Z"}]"#,
        r#"[2,"s1","StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"Available","timestamp":"2026-11-23T05:00:01Z"}]"#,
        r#"[2,"s2","StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"Preparing","timestamp":"2026-11-23T05:01:00Z"}]"#,
        r#"[2,"a1","Authorize",{"idTag":"04E1A2"}]"#,
        r#"[2,"t1","StartTransaction",{"connectorId":1,"idTag":"04E1A2","meterStart":95000,"timestamp":"2026-11-23T05:01:10Z"}]"#,
        r#"[3,"t1",{"transactionId":634,"idTagInfo":{"status":"Accepted"}}]"#,
        r#"[2,"s3","StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"Charging","timestamp":"2026-11-23T05:01:20Z"}]"#,
        r#"[2,"m1","MeterValues",{"connectorId":1,"transactionId":634,"meterValue":[
            {"timestamp":"2026-11-23T05:01:20Z","sampledValue":[
                {"value":"95.01","measurand":"Energy.Active.Import.Register","unit":"kWh","context":"Sample.Periodic"},
                {"value":"7300","measurand":"Power.Active.Import","unit":"W"},
                {"value":"6200","measurand":"Power.Offered","unit":"W"}]},
            {"timestamp":"2026-11-23T05:02:20.500Z","sampledValue":[
                {"value":"95130"},
                {"value":"2400","measurand":"Power.Active.Import","phase":"L1","unit":"W"},
                {"value":"2.5","measurand":"Power.Active.Import","phase":"L2","unit":"kW"},
                {"value":"2450","measurand":"Power.Active.Import","phase":"L3"},
                {"value":"229.8","measurand":"Voltage","phase":"L1-N","unit":"V"},
                {"value":"231.2","measurand":"Voltage","phase":"L2-N","unit":"V"},
                {"value":"400","measurand":"Voltage","phase":"L1-L2","unit":"V"},
                {"value":"10.5","measurand":"Current.Import","phase":"L1","unit":"A"},
                {"value":"41.2","measurand":"Temperature","location":"Cable","unit":"Celsius"},
                {"value":"120","measurand":"Temperature","location":"Outlet","unit":"Fahrenheit"},
                {"value":"80","measurand":"Temperature","location":"Body","unit":"Celsius"},
                {"value":"55","measurand":"SoC","location":"EV","unit":"Percent"},
                {"value":"8f3a","format":"SignedData","measurand":"Energy.Active.Import.Register"},
                {"value":"130","measurand":"Energy.Active.Import.Interval","unit":"Wh"}]}]}]"#,
        r#"[2,"h1","Heartbeat",{}]"#,
        r#"[2,"s4","StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"SuspendedEV","timestamp":"2026-11-23T05:20:00Z"}]"#,
        r#"[2,"t2","StopTransaction",{"transactionId":634,"idTag":"04E1A2","meterStop":99000,"timestamp":"2026-11-23T05:21:00Z","reason":"EVDisconnected",
            "transactionData":[{"timestamp":"2026-11-23T05:01:10Z","sampledValue":[{"value":"95000","context":"Transaction.Begin"}]},
            {"timestamp":"2026-11-23T05:21:00Z","sampledValue":[{"value":"99000","context":"Transaction.End"},{"value":"0","measurand":"Power.Active.Import"}]}]}]"#,
        r#"[2,"s5","StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"Finishing","timestamp":"2026-11-23T05:21:00Z"}]"#,
        r#"[2,"s6","StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"Available","timestamp":"2026-11-23T05:21:30Z"}]"#,
    ]);
    insta::assert_snapshot!(all);
}

#[test]
fn a_course_of_2_1_is_told_with_its_charging_states() {
    let all = course(&[
        r#"[2,"1","BootNotification",{"reason":"PowerUp","chargingStation":{"model":"X","vendorName":"Acme"}}]"#,
        r#"[2,"2","StatusNotification",{"timestamp":"2026-11-23T05:00:00Z","connectorStatus":"Available","evseId":1,"connectorId":2}]"#,
        r#"[2,"3","TransactionEvent",{"eventType":"Started","timestamp":"2026-11-23T05:01:00Z","triggerReason":"CablePluggedIn","seqNo":0,
            "transactionInfo":{"transactionId":"tx-9","chargingState":"EVConnected"},"evse":{"id":1,"connectorId":2},
            "meterValue":[{"timestamp":"2026-11-23T05:01:00Z","sampledValue":[{"value":12.5,"context":"Transaction.Begin","unitOfMeasure":{"unit":"Wh","multiplier":3},
                "signedMeterValue":{"signedMeterData":"QUJD","encodingMethod":"OCMF"}}]}]}]"#,
        r#"[2,"4","StatusNotification",{"timestamp":"2026-11-23T05:01:01Z","connectorStatus":"Occupied","evseId":1,"connectorId":2}]"#,
        r#"[2,"5","TransactionEvent",{"eventType":"Updated","timestamp":"2026-11-23T05:02:00Z","triggerReason":"ChargingStateChanged","seqNo":1,
            "transactionInfo":{"transactionId":"tx-9","chargingState":"Charging","operationMode":"ChargingOnly"}}]"#,
        r#"[2,"6","MeterValues",{"evseId":1,"meterValue":[{"timestamp":"2026-11-23T05:03:00Z","sampledValue":[
            {"value":11.04,"measurand":"Power.Active.Import","unitOfMeasure":{"unit":"kW"}},
            {"value":61,"measurand":"Display.PresentSOC"},{"value":12680}]}]}]"#,
        r#"[2,"7","TransactionEvent",{"eventType":"Updated","timestamp":"2026-11-23T05:04:00Z","triggerReason":"ChargingStateChanged","seqNo":2,
            "transactionInfo":{"transactionId":"tx-9","chargingState":"Charging"},
            "meterValue":[{"timestamp":"2026-11-23T05:03:59Z","sampledValue":[{"value":9000,"measurand":"Power.Active.Export"},{"value":150,"measurand":"Energy.Active.Export.Register"}]}]}]"#,
        r#"[2,"8","TransactionEvent",{"eventType":"Updated","timestamp":"2026-11-23T05:05:00Z","triggerReason":"ChargingStateChanged","seqNo":3,
            "transactionInfo":{"transactionId":"tx-9","chargingState":"SuspendedEVSE"}}]"#,
        r#"[2,"9","TransactionEvent",{"eventType":"Ended","timestamp":"2026-11-23T05:06:00Z","triggerReason":"StopAuthorized","seqNo":4,"offline":false,
            "transactionInfo":{"transactionId":"tx-9","stoppedReason":"SOCLimitReached"},
            "meterValue":[{"timestamp":"2026-11-23T05:01:00Z","sampledValue":[{"value":12500,"context":"Transaction.Begin"}]},
            {"timestamp":"2026-11-23T05:06:00Z","sampledValue":[{"value":13000,"context":"Transaction.End"}]}]}]"#,
        r#"[2,"10","StatusNotification",{"timestamp":"2026-11-23T05:07:00Z","connectorStatus":"Available","evseId":1,"connectorId":2}]"#,
        r#"[2,"11","NotifyEvent",{"generatedAt":"2026-11-23T05:08:00Z","seqNo":0,"eventData":[{"eventId":1,"timestamp":"2026-11-23T05:08:00Z","trigger":"Delta",
            "actualValue":"Reserved","eventNotificationType":"HardWiredNotification","component":{"name":"Connector","evse":{"id":1,"connectorId":2}},"variable":{"name":"AvailabilityState"}}]}]"#,
    ]);
    insta::assert_snapshot!(all);
}

#[test]
fn faults_are_raised_by_their_codes_and_cleared_when_they_are_over() {
    let notify = |second: u32, rest: &str| {
        format!(
            r#"[2,"n{second}","NotifyEvent",{{"generatedAt":"2026-11-23T05:00:00Z","seqNo":0,"eventData":[{{"eventId":1,"timestamp":"2026-11-23T05:10:{second:02}Z","trigger":"Alerting","eventNotificationType":"HardWiredMonitor",{rest}}}]}}]"#
        )
    };
    let at_connector =
        r#""component":{"name":"Connector","evse":{"id":1,"connectorId":1}},"variable":{"name":"Problem"}"#;
    let all = course(&[
        r#"[2,"1","StatusNotification",{"connectorId":1,"errorCode":"HighTemperature","status":"Faulted","timestamp":"2026-11-23T05:00:00Z","vendorErrorCode":"E17","info":"fan"}]"#,
        r#"[2,"2","StatusNotification",{"connectorId":1,"errorCode":"OtherError","status":"Faulted","timestamp":"2026-11-23T05:00:10Z","vendorErrorCode":"CX011"}]"#,
        r#"[2,"3","StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"Available","timestamp":"2026-11-23T05:00:20Z"}]"#,
        r#"[2,"4","StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"Available","timestamp":"2026-11-23T05:00:30Z"}]"#,
        r#"[2,"5","StatusNotification",{"connectorId":0,"errorCode":"GroundFailure","status":"Faulted","timestamp":"2026-11-23T05:00:40Z"}]"#,
        r#"[2,"6","StatusNotification",{"connectorId":0,"errorCode":"NoError","status":"Available","timestamp":"2026-11-23T05:00:50Z"}]"#,
        &notify(1, &format!(r#""actualValue":"true","techCode":"CX019","techInfo":"91 C",{at_connector}"#)),
        &notify(2, &format!(r#""actualValue":"false","cleared":true,{at_connector}"#)),
        &notify(3, r#""actualValue":"true","component":{"name":"EmergencyStopSensor"},"variable":{"name":"Active"}"#),
        &notify(4, r#""actualValue":"false","component":{"name":"EmergencyStopSensor"},"variable":{"name":"Active"}"#),
        &notify(
            5,
            r#""actualValue":"31.5","component":{"name":"TemperatureSensor"},"variable":{"name":"Temperature"}"#,
        ),
        &notify(
            6,
            r#""actualValue":"true","component":{"name":"RCD","instance":"A","evse":{"id":2}},"variable":{"name":"Tripped"}"#,
        ),
    ]);
    insta::assert_snapshot!(all);
}

#[test]
fn an_envelope_says_what_the_bare_frame_says_whatever_the_order_of_its_members() {
    let payload = r#"{"connectorId":1,"errorCode":"NoError","status":"Charging","timestamp":"2026-11-23T05:00:00Z"}"#;
    let bare = told(&mut dialect(), &format!(r#"[2,"9","StatusNotification",{payload}]"#));
    assert!(bare.contains("status=charging"), "{bare}");
    for envelope in [
        format!(r#"{{"type":2,"action":"StatusNotification","id":"9","request":{payload}}}"#),
        format!(r#"{{"request":{payload},"id":"9","action":"StatusNotification","type":2}}"#),
        format!(
            r#"{{"messageTypeId":2,"uniqueId":"9","action":"StatusNotification","payload":{payload},"chargePointId":"cs-7","x":[[1]]}}"#
        ),
    ] {
        assert_eq!(told(&mut dialect(), &envelope), bare, "{envelope}");
    }
    let foreign =
        format!(r#"{{"type":2,"action":"StatusNotification","id":"9","chargePointId":"cs-8","request":{payload}}}"#);
    assert_eq!(told(&mut dialect(), &foreign), "    refused: identity_mismatch: station\n");
}

fn start(call: &str, connector: u32, second: u32, meter: i64) -> String {
    format!(
        r#"[2,"{call}","StartTransaction",{{"connectorId":{connector},"idTag":"x","meterStart":{meter},"timestamp":"2026-11-23T05:00:{second:02}Z"}}]"#
    )
}

fn stop(call: &str, id: i64, minute: u32, meter: i64) -> String {
    format!(
        r#"[2,"{call}","StopTransaction",{{"transactionId":{id},"meterStop":{meter},"timestamp":"2026-11-23T05:{minute:02}:00Z"}}]"#
    )
}

fn stops(told: &str) -> Vec<&str> {
    told.lines().filter(|line| line.contains("event=stop")).map(str::trim).collect()
}

#[test]
fn a_transaction_finds_its_connector_by_the_answer_by_meter_values_or_by_its_register() {
    let mut ocpp = dialect();
    told(&mut ocpp, &start("a", 1, 0, 1_000));
    told(&mut ocpp, &start("b", 2, 1, 50_000));
    told(&mut ocpp, &start("c", 3, 2, 70_000));
    told(&mut ocpp, &start("d", 4, 3, 200));
    // The answer, relayed on the way out.
    let answer = br#"{"type":3,"action":"StartTransaction","id":"b","response":{"transactionId":22,"idTagInfo":{}}}"#;
    assert_eq!(told_as(&mut ocpp, "cs/out/ocpp1.6/cs-7", answer, false), "");
    // An answer of a station to its central system may have the same id, and says nothing.
    assert_eq!(told(&mut ocpp, r#"[3,"c",{"status":"Accepted"}]"#), "");
    // Meter values name the transaction.
    told(
        &mut ocpp,
        r#"[2,"m","MeterValues",{"connectorId":3,"transactionId":33,"meterValue":[{"timestamp":"2026-11-23T05:01:00Z","sampledValue":[{"value":"70500"}]}]}]"#,
    );
    let by_answer = told(&mut ocpp, &stop("e", 22, 10, 52_000));
    assert_eq!(
        stops(&by_answer),
        ["session ocpp/cs-7/2 2026-11-23T05:10:00.000Z session=1795410001000 event=stop reason=local energy_kwh=2"]
    );
    let by_values = told(&mut ocpp, &stop("f", 33, 11, 71_000));
    assert_eq!(
        stops(&by_values),
        ["session ocpp/cs-7/3 2026-11-23T05:11:00.000Z session=1795410002000 event=stop reason=local energy_kwh=1"]
    );
    // Two are left without an id; only one of them can have a register of 900.
    let by_register = told(&mut ocpp, &stop("g", 44, 12, 900));
    assert!(by_register.contains("session ocpp/cs-7/4"), "{by_register}");
    let last = told(&mut ocpp, &stop("h", 55, 13, 3_000));
    assert!(last.contains("session ocpp/cs-7/1"), "{last}");
    // Told once more, it is over already; and of a transaction never heard of nothing can be said.
    assert_eq!(stops(&told(&mut ocpp, &stop("i", 55, 13, 3_000))), [""; 0]);
    assert_eq!(told(&mut dialect(), &stop("j", 77, 13, 3_000)), "    refused: unknown_transaction: transactionId\n");
}

#[test]
fn meter_values_never_say_that_a_connector_is_free() {
    let values = |power: &str, transaction: &str| {
        format!(
            r#"[2,"m","MeterValues",{{"connectorId":1,{transaction}"meterValue":[{{"timestamp":"2026-11-23T05:00:00Z","sampledValue":[{{"value":"{power}","measurand":"Power.Active.Import","unit":"W"}},{{"value":"5"}}]}}]}}]"#
        )
    };
    // Nothing is known of the connector: a register alone says nothing about its state, and power says that it flows.
    assert_eq!(told(&mut dialect(), &values("0", "")), "    online ocpp/cs-7\n");
    assert!(told(&mut dialect(), &values("7000", "")).contains("status=charging power_kw=7"));
    assert!(told(&mut dialect(), &values("0", r#""transactionId":5,"#)).contains("status=occupied power_kw=0"));
    assert!(told(&mut dialect(), &values("7000", r#""transactionId":5,"#)).contains("status=charging power_kw=7"));
    let mut ocpp = dialect();
    told(
        &mut ocpp,
        r#"[2,"s","StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"Reserved","timestamp":"2026-11-23T04:00:00Z"}]"#,
    );
    assert!(told(&mut ocpp, &values("0", "")).contains("status=reserved power_kw=0"));
}

#[test]
fn what_the_broker_replays_without_a_time_sets_a_value_and_tells_nothing() {
    let status = |time: &str, word: &str| {
        format!(r#"[2,"s","StatusNotification",{{"connectorId":1,"errorCode":"NoError","status":"{word}"{time}}}]"#)
    };
    let topic = "cs/in/ocpp1.6/cs-7";
    let mut ocpp = dialect();
    assert_eq!(told_as(&mut ocpp, topic, status("", "Charging").as_bytes(), true), "");
    let values = r#"[2,"m","MeterValues",{"connectorId":1,"meterValue":[{"timestamp":"2026-11-23T05:00:00Z","sampledValue":[{"value":"5000"}]}]}]"#;
    assert!(told(&mut ocpp, values).contains("05:00:00.000Z status=charging import_kwh=5"));
    let dated = status(r#","timestamp":"2026-11-23T05:01:00Z""#, "Available");
    assert!(told_as(&mut ocpp, topic, dated.as_bytes(), true).contains("05:01:00.000Z status=available"));
    // Without a time and not replayed, the arrival stands in.
    assert!(told(&mut dialect(), &status("", "Faulted")).contains("05:30:00.000Z status=faulted"));
    assert_eq!(told_as(&mut ocpp, topic, b"", true), "");
}

#[test]
fn a_frame_that_comes_twice_is_told_as_the_repetition_that_it_is() {
    let mut ocpp = dialect();
    let first = told(&mut ocpp, &start("a", 1, 0, 1_000));
    assert!(first.contains("event=attempt") && first.contains("import_kwh=1"), "{first}");
    let again = told(&mut ocpp, &start("a", 1, 0, 1_000));
    assert_eq!(again, "    sample ocpp/cs-7/1 2026-11-23T05:00:00.000Z status=occupied\n");
    // Sent anew under another id, the transaction is the same one.
    assert_eq!(told(&mut ocpp, &start("b", 1, 0, 1_000)), "    online ocpp/cs-7\n");
}

#[test]
fn a_register_that_is_rounded_elsewhere_has_not_fallen() {
    let mut ocpp = dialect();
    told(&mut ocpp, &start("a", 1, 0, 1_000));
    let values = r#"[2,"m","MeterValues",{"connectorId":1,"transactionId":5,"meterValue":[{"timestamp":"2026-11-23T05:10:00Z","sampledValue":[{"value":"3.46","unit":"kWh"}]}]}]"#;
    assert!(told(&mut ocpp, values).contains("import_kwh=3.46"));
    let stopped = told(&mut ocpp, &stop("b", 5, 20, 3_457));
    assert!(stopped.contains("status=occupied import_kwh=3.46"), "{stopped}");
    assert!(stopped.contains("energy_kwh=2.457"), "{stopped}");
}

#[test]
fn a_past_status_does_not_change_what_is_so_now() {
    let status = |time: &str, word: &str| {
        format!(
            r#"[2,"{time}","StatusNotification",{{"connectorId":1,"errorCode":"NoError","status":"{word}","timestamp":"2026-11-23T{time}Z"}}]"#
        )
    };
    let mut ocpp = dialect();
    told(&mut ocpp, &status("05:10:00", "Charging"));
    assert!(told(&mut ocpp, &status("05:00:00", "Available")).contains("05:00:00.000Z status=available"));
    let values = r#"[2,"m","MeterValues",{"connectorId":1,"meterValue":[{"timestamp":"2026-11-23T05:11:00Z","sampledValue":[{"value":"5000"}]}]}]"#;
    assert!(told(&mut ocpp, values).contains("status=charging"));
}

#[test]
fn the_inlet_counts_only_until_the_connector_itself_is_measured() {
    let values = |second: u32, location: &str, value: &str| {
        format!(
            r#"[2,"m","MeterValues",{{"connectorId":1,"transactionId":5,"meterValue":[{{"timestamp":"2026-11-23T05:00:{second:02}Z","sampledValue":[{{"value":"{value}","location":"{location}"}}]}}]}}]"#
        )
    };
    let mut ocpp = dialect();
    assert!(told(&mut ocpp, &values(0, "Inlet", "5000")).contains("import_kwh=5"));
    assert!(told(&mut ocpp, &values(10, "Outlet", "9000")).contains("import_kwh=9"));
    assert!(!told(&mut ocpp, &values(20, "Inlet", "5100")).contains("import_kwh"));
}

#[test]
fn what_cannot_be_meant_is_refused_whole() {
    let values = |sampled: &str| {
        format!(
            r#"[2,"m","MeterValues",{{"connectorId":1,"meterValue":[{{"timestamp":"2026-11-23T05:00:00Z","sampledValue":[{{"value":"7000","measurand":"Power.Active.Import"}},{sampled}]}}]}}]"#
        )
    };
    let status = |members: &str| format!(r#"[2,"s","StatusNotification",{{{members}}}]"#);
    let event = |members: &str| format!(r#"[2,"e","TransactionEvent",{{{members}}}]"#);
    for (frame, expected) in [
        ("x".to_owned(), "not_json"),
        ("7".to_owned(), "wrong_type"),
        ("{}".to_owned(), "missing_field: type"),
        (r#"{"type":2,"id":"1","request":{}}"#.to_owned(), "missing_field: action"),
        (r#"{"type":2,"id":"1","action":"Heartbeat"}"#.to_owned(), "missing_field: request"),
        ("[]".to_owned(), "missing_field: type"),
        (r#"[7,"1",{}]"#.to_owned(), "unknown_value: type"),
        (r#"[2,"1"]"#.to_owned(), "missing_field: action"),
        (r#"[2,1,"Heartbeat",{}]"#.to_owned(), "wrong_type: id"),
        (r#"[2,"1","Heartbeat"]"#.to_owned(), "missing_field: payload"),
        (r#"[2,"1","Heartbeat",[]]"#.to_owned(), "wrong_type"),
        (r#"[2,"1","Heartbeat",{},{}]"#.to_owned(), "wrong_type"),
        (format!(r#"[2,"1","DataTransfer",{{"data":{}1{}}}]"#, "[".repeat(20), "]".repeat(20)), "too_deep"),
        (values(r#"{"value":"x"}"#), "wrong_type: value"),
        (values(r#"{"value":"NaN"}"#), "out_of_range: import_kwh"),
        (values(r#"{"value":"-1"}"#), "out_of_range: import_kwh"),
        (values(r#"{"measurand":"Voltage"}"#), "missing_field: value"),
        (values(r#"{"value":"1","unit":"hp"}"#), "unknown_value: unit"),
        (values(r#"{"value":1,"unitOfMeasure":{"unit":"Wh","multiplier":99}}"#), "out_of_range: multiplier"),
        (values("null"), "wrong_type"),
        (status(r#""status":"Available""#), "missing_field: connectorId"),
        (status(r#""connectorId":1"#), "missing_field: status"),
        (status(r#""connectorId":1,"status":"Asleep""#), "unknown_value: status"),
        (status(r#""connectorId":1,"connectorStatus":"Available""#), "missing_field: evseId"),
        (status(r#""connectorId":-1,"status":"Available""#), "out_of_range: connectorId"),
        (status(r#""connectorId":1,"status":"Available","timestamp":"yesterday""#), "bad_time: timestamp"),
        (
            status(r#""connectorId":1,"status":"Available","timestamp":"1970-01-01T00:00:00Z""#),
            "out_of_range: timestamp",
        ),
        (event(r#""eventType":"Started""#), "missing_field: transactionId"),
        (event(r#""transactionInfo":{"transactionId":"a"}"#), "missing_field: eventType"),
        (event(r#""eventType":"Ended","transactionInfo":{"transactionId":"a"}"#), "unknown_transaction: transactionId"),
        (start("a", 0, 0, 1), "out_of_range: connectorId"),
    ] {
        assert_eq!(told(&mut dialect(), &frame), format!("    refused: {expected}\n"), "{frame}");
    }
    let long = format!(r#"[2,"m","MeterValues",{{"connectorId":1,"meterValue":[{}{{}}]}}]"#, "{},".repeat(2_000));
    assert_eq!(told(&mut dialect(), &long), "    refused: too_long_array\n");
    assert_eq!(told_as(&mut dialect(), "cs/in/a/b", b"\xff", false), "    refused: not_utf8\n");
    assert_eq!(told_as(&mut dialect(), "cs/up/a/b", b"[]", false), "    refused: bad_topic\n");
}

#[test]
fn what_says_nothing_here_is_passed_over() {
    for (frame, expected) in [
        (r#"[2,"1","FirmwareStatusNotification",{"status":"Installed"}]"#, "    online ocpp/cs-7\n"),
        (
            r#"[2,"1","SecurityEventNotification",{"type":"x","timestamp":"2026-11-23T05:00:00Z"}]"#,
            "    online ocpp/cs-7\n",
        ),
        (
            r#"[6,"1","NotifyPeriodicEventStream",{"id":1,"pending":0,"basetime":"2026-11-23T05:00:00Z","data":[]}]"#,
            "    online ocpp/cs-7\n",
        ),
        // What the central system says is no sign of life of the station.
        (r#"[2,"1","RemoteStartTransaction",{"idTag":"x"}]"#, ""),
        (r#"[2,"1","SetChargingProfile",{"a":{"b":[1,2]}}]"#, ""),
        (r#"[2,"1","Newfangled",{}]"#, ""),
        (r#"[4,"1","GenericError","no",{}]"#, ""),
        (r#"{"type":4,"id":"1","error_code":"GenericError","error_description":""}"#, ""),
    ] {
        assert_eq!(told(&mut dialect(), frame), expected, "{frame}");
    }
}

#[test]
fn memory_is_bounded_and_survives_being_packed() {
    let mut before = dialect();
    told(&mut before, &start("a", 1, 0, 1_000));
    let fault = r#"[2,"s","StatusNotification",{"connectorId":1,"errorCode":"WeakSignal","status":"Charging","timestamp":"2026-11-23T05:00:05Z"}]"#;
    told(&mut before, fault);
    let mut after = dialect();
    let mut packed = Vec::new();
    before.changed_memory(&mut |key, bytes| {
        assert_eq!(key, StationKey { operator: "ocpp", station: "cs-7" });
        packed.push(bytes.to_vec());
        after.restore_memory(key, bytes).expect("what was packed");
        for cut in 0..bytes.len() {
            assert!(dialect().restore_memory(key, &bytes[..cut]).is_err(), "{cut}");
        }
    });
    assert_eq!(packed.len(), 1);
    for frame in [r#"[3,"a",{"transactionId":9}]"#, &stop("z", 9, 30, 6_000), fault] {
        assert_eq!(told(&mut after, frame), told(&mut before, frame), "{frame}");
    }
    let mut crowded = dialect();
    for number in 0..200 {
        told(&mut crowded, &start(&format!("call-{number}"), 1, number % 60, 1_000));
    }
    let mut length = 0;
    crowded.changed_memory(&mut |_, bytes| length = bytes.len());
    assert!((1..500).contains(&length), "{length}");
    let limits = Limits { connectors_max: 2, ..Limits::default() };
    let mut refused = None;
    for connector in 1..=3 {
        let frame = start("a", connector, 0, 1);
        let arrival = ArrivalTime::from_ms(START_MS);
        refused = crowded.decode("cs/in/x/full", frame.as_bytes(), arrival, false, &limits, &mut |_, _| {}).err();
    }
    assert_eq!(refused, Some(Reject::field(Reason::TooManyParts, "connector")));
}

/// Frames that tests mutate.
const GOOD: [&str; 3] = [
    r#"[2,"m","MeterValues",{"connectorId":1,"transactionId":5,"meterValue":[{"timestamp":"2026-11-23T05:00:00Z","sampledValue":[{"value":"7000","measurand":"Power.Active.Import","phase":"L1"}]}]}]"#,
    r#"{"type":2,"action":"TransactionEvent","id":"e","request":{"eventType":"Started","timestamp":"2026-11-23T05:00:00Z","transactionInfo":{"transactionId":"t"},"evse":{"id":1}}}"#,
    r#"[2,"n","NotifyEvent",{"eventData":[{"timestamp":"2026-11-23T05:00:00Z","techCode":"CX008","component":{"name":"a"},"variable":{"name":"Problem"}}]}]"#,
];

proptest! {
    #[test]
    fn noise_is_refused_or_read_and_never_more(
        noise in proptest::collection::vec(any::<u8>(), 0..300),
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut ocpp = dialect();
        for good in GOOD {
            let mut mutated = good.as_bytes().to_vec();
            let place = place.index(mutated.len());
            mutated[place] = byte;
            let cut = &good.as_bytes()[..cut.index(good.len())];
            for payload in [&noise, &mutated, cut] {
                for retained in [false, true] {
                    let told = told_as(&mut ocpp, "cs/in/ocpp2.1/cs-7", payload, retained);
                    prop_assert!(!told.contains("refused") || told.lines().count() == 1, "{}", told);
                }
            }
        }
    }

    #[test]
    fn noise_is_no_memory_or_is_read_within_its_size(noise in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _read = dialect().restore_memory(StationKey { operator: "o", station: "s" }, &noise);
    }
}
