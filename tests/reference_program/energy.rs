//! What was delivered, by register and by power, and the ratings beside it.

use super::*;

#[test]
fn register_energy_is_split_at_the_minute_and_the_last_piece_takes_the_rest() {
    let result = run(&[
        telemetry(30 * S, json!({ "status": "charging", "import_kwh": 5.0, "export_kwh": 1.0 })),
        telemetry(91 * S, json!({ "status": "available", "import_kwh": 5.01, "export_kwh": 1.0 })),
    ]);
    // 36 000 J over 61 s, 30 s of them in the first minute: trunc(17 704.9).
    result.check_minute(0, &[("import_j", 17_704), ("charging_import_j", 17_704), ("connectors", 1)]);
    result.check_minute(MIN, &[("import_j", 18_296), ("charging_import_j", 18_296), ("export_j", 0)]);
    let hour = result.find("1h", 0, "nation").expect("the hour");
    assert_eq!((hour.power_peak_j, hour.power_peak_at_ms), (18_296, Some(T0_MS + MIN)));
}

#[test]
fn register_energy_crosses_a_gap_but_does_not_count_as_charging_there() {
    let result = run(&[
        telemetry(0, json!({ "status": "charging", "import_kwh": 5.0 })),
        telemetry(2 * MIN, json!({ "status": "charging" })),
        telemetry(10 * MIN, json!({ "status": "charging", "import_kwh": 6.0 })),
    ]);
    result.check_hour(&[("import_j", 3_600_000), ("charging_import_j", 0), ("state_ms.unobserved", 5 * 60_000)]);
    result.check_minute(9 * MIN, &[("import_j", 360_000), ("state_ms.unobserved", 60_000)]);
}

#[test]
fn mean_power_counts_up_to_hold_and_by_its_sign() {
    let result = run(&[
        telemetry(0, json!({ "power_kw": 7.0 })),
        telemetry(3 * MIN, json!({ "power_kw": 8.001 })),
        telemetry(6 * MIN + 1, json!({ "power_kw": 8.0 })),
        telemetry(7 * MIN + 1, json!({ "power_kw": -9.0 })),
        telemetry(7 * MIN + 4, json!({ "power_kw": -9.001 })),
    ]);
    // (7 000 + 8 001) x 180 000 / 2 000; nothing over hold + 1; (8 000 - 9 000) x 60 000 / 2 000 out;
    // trunc(18 001 x 3 / 2 000) = 27 out.
    result.check_hour(&[("import_j", 1_350_090), ("charging_import_j", 1_350_090), ("export_j", 30_000 + 27)]);
    // A third of it in each minute; the export begins 1 ms into minute 6 and its last ms lies in minute 7:
    // trunc(30 000 x 59 999 / 60 000) = 29 999.
    result.check_minute(0, &[("import_j", 450_030)]);
    result.check_minute(6 * MIN, &[("export_j", 29_999)]);
    result.check_minute(7 * MIN, &[("export_j", 1 + 27)]);
}

#[test]
fn the_first_register_reading_ends_energy_by_power() {
    let result = run(&[
        telemetry(0, json!({ "power_kw": 6.0 })),
        telemetry(MIN, json!({ "power_kw": 6.0 })),
        telemetry(2 * MIN, json!({ "power_kw": 6.0, "import_kwh": 1.0 })),
        telemetry(3 * MIN, json!({ "power_kw": 6.0 })),
        telemetry(4 * MIN, json!({ "power_kw": 6.0, "import_kwh": 1.1 })),
    ]);
    result.check_minute(0, &[("import_j", 360_000)]);
    result.check_minute(MIN, &[("import_j", 0)]);
    result.check_minute(2 * MIN, &[("import_j", 180_000)]);
    result.check_hour(&[("import_j", 360_000 + 360_000)]);
}

#[test]
fn a_register_that_goes_down_goes_by_power_and_one_that_jumps_delivers_nothing() {
    let reset = run(&[
        telemetry(0, json!({ "status": "charging", "power_kw": 6.0, "import_kwh": 9.0 })),
        telemetry(MIN, json!({ "status": "charging", "power_kw": 12.0, "import_kwh": 0.0 })),
        telemetry(2 * MIN, json!({ "status": "charging", "import_kwh": 0.1 })),
        telemetry(3 * MIN, json!({ "status": "charging", "power_kw": 6.0, "import_kwh": 0.0 })),
    ]);
    // 9 kW for a minute; 0.1 kWh; nothing, for the third had no power.
    reset.check_hour(&[("import_j", 540_000 + 360_000), ("meter_reset", 2), ("charging_import_j", 900_000)]);
    reset.check_minute(MIN, &[("meter_reset", 1)]);
    // 60 kW x 1.2 x 60 s + 0.1 kWh = 4 680 000 J = 1.3 kWh.
    let edge = |kwh: f64| {
        run(&[
            info(0, 0, &["c1"]),
            telemetry(0, json!({ "import_kwh": 0.0 })),
            telemetry(MIN, json!({ "import_kwh": kwh })),
        ])
    };
    edge(1.3).check_hour(&[("import_j", 4_680_000), ("meter_jump", 0)]);
    edge(1.300001).check_hour(&[("import_j", 0), ("meter_jump", 1)]);
}

#[test]
fn without_a_rating_a_megawatt_stands_in() {
    // 1 MW x 1.2 x 60 s + 0.1 kWh = 20.1 kWh.
    let edge =
        |kwh: f64| run(&[telemetry(0, json!({ "import_kwh": 0.0 })), telemetry(MIN, json!({ "import_kwh": kwh }))]);
    edge(20.1).check_hour(&[("import_j", 72_360_000), ("meter_jump", 0), ("rated_j", 0)]);
    edge(20.100001).check_hour(&[("import_j", 0), ("meter_jump", 1)]);
}

#[test]
fn a_filler_after_an_offline_sample_takes_the_place_of_the_power_between() {
    let result = run(&[
        telemetry(0, json!({ "status": "offline", "power_kw": 6 })),
        telemetry(3 * MIN, json!({ "status": "charging", "power_kw": 6 })),
        arriving(3 * MIN, MIN, json!({ "status": "charging", "power_kw": 12 })),
    ]);
    // 9 kW for one minute and 9 kW for two, where 6 kW for three had been.
    result.check_hour(&[("import_j", 540_000 + 1_080_000), ("charging_import_j", 1_080_000), ("accepted", 3)]);
    result.check_hour(&[("state_ms.offline", 60_000), ("state_ms.charging", 3 * 60_000)]);
}

#[test]
fn the_registers_of_a_filler_are_not_read() {
    let result = run(&[
        telemetry(0, json!({ "import_kwh": 1.0 })),
        telemetry(10 * MIN, json!({ "import_kwh": 2.0 })),
        arriving(10 * MIN, 5 * MIN, json!({ "import_kwh": 0.5, "power_kw": 60 })),
        telemetry(11 * MIN, json!({ "import_kwh": 2.1, "power_kw": 60 })),
    ]);
    result.check_hour(&[("import_j", 3_600_000 + 360_000), ("meter_reset", 0), ("accepted", 4)]);
}

#[test]
fn a_change_of_rating_counts_from_its_time_on() {
    let result =
        run(&[rated_info(0, 0, &["c1"], 60), charging(0), rated_info(40 * S, 20 * S + 1, &["c1"], 7), charging(MIN)]);
    // 60 000 x 20.001 and 7 000 x 39.999.
    result.check_minute(0, &[("rated_j", 1_200_060 + 279_993), ("rated_w", 7_000)]);
    // The class changes with the first base bucket that was still open: at 40 s, the one that it lies in.
    let nation = result.find("1m", 0, "nation").expect("the minute");
    let values: Vec<&str> =
        nation.by.keys().filter(|(name, _)| name == "power_class").map(|(_, value)| value.as_str()).collect();
    assert_eq!(values, ["up_to_7_kw"]);
}

#[test]
fn the_day_of_the_domain_page_comes_out_as_written_there() {
    let midnight_ms = T0_MS - 10 * 60 * MIN;
    let result = Result(replay(&vector::day(midnight_ms), &Options::default()));
    for scope in ["nation", "province/53", "city/5301", "county/530102", "operator/op", "station/op/st"] {
        result.check_at(
            "1d",
            midnight_ms - T0_MS,
            scope,
            &[
                ("connectors", 1),
                ("state_ms.available", 19 * 3_600_000),
                ("state_ms.occupied", 3 * 1_800_000),
                ("state_ms.charging", 3 * 1_800_000),
                ("state_ms.offline", 3_600_000),
                ("state_ms.faulted", 3_600_000),
                ("state_ms.unobserved", 0),
                ("import_j", 162_000_000),
                ("charging_import_j", 162_000_000),
                ("rated_w", 60_000),
                ("rated_j", 60_000 * 86_400),
                ("accepted", 1_440 - 60 + 1),
            ],
        );
    }
    // 45 kWh in 1.5 h are 30 kW on the average and in every minute.
    let day = result.find("1d", midnight_ms - T0_MS, "nation").expect("the day");
    assert_eq!((day.power_peak_j, day.power_peak_at_ms), (30_000 * 60, Some(midnight_ms + 540 * MIN)));
    result.check_at("1h", 60 * MIN * (9 - 10), "nation", &[("import_j", 30 * 3_600_000)]);
}
