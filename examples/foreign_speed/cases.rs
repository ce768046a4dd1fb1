//! What is measured: messages of each dialect, and the structs that a program without this one would parse them into. Of
//! a family that says one value a message, the struct is that of one JSON object with the same values.

use std::hint::black_box;

use chargetally::settings::DialectName;
use serde::Deserialize;

/// One thing to be measured.
pub struct Case {
    /// Its name, without spaces.
    pub name: &'static str,
    pub dialect: DialectName,
    /// Topic and payload of each message.
    pub messages: &'static [(&'static str, &'static str)],
    /// What is parsed: the payload, or one object with the values of all messages.
    pub json: &'static str,
    /// Parses it into a struct.
    pub parse: fn(&[u8]),
}

fn parse<'a, T: Deserialize<'a>>(json: &'a [u8]) {
    let parsed = serde_json::from_slice::<T>(json);
    assert!(black_box(parsed).is_ok());
}

macro_rules! case {
    ($name:literal, $dialect:ident, $topic:literal, $json:expr, $parsed:ty) => {
        Case {
            name: $name,
            dialect: DialectName::$dialect,
            messages: &[($topic, $json)],
            json: $json,
            parse: |json| parse::<$parsed>(json),
        }
    };
}

const CEC_STATUS: &str =
    r#"{"ConnectorStatusInfo":{"ConnectorID":"5301020001230701","Status":3,"ParkStatus":50,"LockStatus":50}}"#;
const CEC_CHARGE: &str = concat!(
    r#"{"StartChargeSeq":"MA5DA0053202611230000000001","StartChargeSeqStat":2,"ConnectorID":"5301020001230701","#,
    r#""ConnectorStatus":3,"CurrentA":150.5,"VoltageA":400.0,"Soc":40,"StartTime":"2026-11-23 13:03:50","#,
    r#""EndTime":"2026-11-23 13:23:40","TotalPower":20.83,"ElecMoney":16.5,"SeviceMoney":10.4,"TotalMoney":26.9,"#,
    r#""SumPeriod":1,"ChargeDetails":[{"DetailStartTime":"2026-11-23 13:03:50","DetailEndTime":"2026-11-23 13:23:40","#,
    r#""ElecPrice":0.8,"SevicePrice":0.45,"DetailPower":20.83,"DetailElecMoney":16.5,"DetailSeviceMoney":10.4}]}"#
);
const YKC_REAL_TIME: &str = concat!(
    r#"{"tradeSeq":"53010200000007012611230000000001","id":"53010200000007","gunId":"01","status":3,"reset":0,"plugged":1,"#,
    r#""ov":3952,"oc":1523,"lineTemp":95,"lineCode":"0000000000000000","soc":54,"bpTopTemp":88,"#,
    r#""accumulatedChargingTime":23,"remainingTime":31,"chargingDegrees":231234,"lossyChargingDegrees":231234,"#,
    r#""chargedAmount":289042,"hardwareFailure":0}"#
);
const NATIVE: &str = concat!(
    r#"{"ts":"2026-11-23T05:23:41.214+08:00","status":"charging","power_kw":58.37,"import_kwh":182736.412,"#,
    r#""voltage_v":612.4,"current_a":95.3,"connector_temp_c":41.5,"soc_pct":63,"session":"5301020001230701"}"#
);
const EVEREST_METER: &str = concat!(
    r#"{"current_A":{"L1":10.1,"L2":10,"L3":9.9,"N":0.1},"energy_Wh_import":{"L1":400,"L2":400,"L3":400,"total":1200},"#,
    r#""energy_Wh_export":{"total":3},"frequency_Hz":{"L1":50},"meter_id":"M","phase_seq_error":false,"#,
    r#""power_W":{"L1":2300,"L2":2300,"L3":2300,"total":6900},"timestamp":"2026-11-23T05:20:00.000Z","#,
    r#""voltage_V":{"L1":230.5,"L2":230,"L3":230}}"#
);
const WARP_STATE: &str = concat!(
    r#"{"iec61851_state":2,"charger_state":3,"contactor_state":3,"contactor_error":0,"allowed_charging_current":16000,"#,
    r#""error_state":0,"lock_state":0,"dc_fault_current_state":0}"#
);
const WARP_METER: &str = r#"{"power":7350.5,"energy_rel":2.5,"energy_abs":812.25}"#;
const GO_E_NRG: &str = "[228,229,230,0,10.7,10.6,10.8,2440,2430,2480,0,7350,100,100,100,0]";

/// Everything that is measured.
#[rustfmt::skip]
pub fn cases() -> Vec<Case> {
    vec![
        case!("native", Native, "ev/v1/53/MA5DA0053/530102000123/530102000123-07/telemetry", NATIVE, Telemetry<'_>),
        case!("cec102-status", Cec102, "cec/v1/MA5DA0053/530102000123/status", CEC_STATUS, Statuses<'_>),
        case!("cec102-charge", Cec102, "cec/v1/MA5DA0053/530102000123/charge", CEC_CHARGE, Charge<'_>),
        case!("ykc-real-time", Ykc, "charge/ykc/53010200000007/1/13", YKC_REAL_TIME, RealTime<'_>),
        case!("everest-meter", Everest, "everest_api/1/powermeter/evse_1/m2e/powermeter_values", EVEREST_METER, Meter<'_>),
        case!("warp-state", Warp, "warp2/XyZ/evse/state", WARP_STATE, WarpState),
        case!("warp-meter", Warp, "warp2/XyZ/meter/values", WARP_METER, WarpMeter),
        case!("go-e-nrg", GoE, "/go-eCharger/204711/nrg", GO_E_NRG, [f64; 16]),
        EVCC, OPENWB, GO_E, OPENEVSE, SMARTEVSE, HOMIE,
    ]
}

const EVCC: Case = Case {
    name: "evcc",
    dialect: DialectName::Evcc,
    messages: &[
        ("evcc/loadpoints/1/connected", "true"),
        ("evcc/loadpoints/1/charging", "true"),
        ("evcc/loadpoints/1/chargePower", "7350.5"),
        ("evcc/loadpoints/1/chargeCurrents/l1", "10.7"),
        ("evcc/loadpoints/1/chargeTotalImport", "812.25"),
        ("evcc/loadpoints/1/vehicleSoc", "47"),
    ],
    json: concat!(
        r#"{"connected":true,"charging":true,"chargePower":7350.5,"chargeCurrents":[10.7],"chargeTotalImport":812.25,"#,
        r#""vehicleSoc":47}"#
    ),
    parse: |json| parse::<Loadpoint>(json),
};

const OPENWB: Case = Case {
    name: "openwb",
    dialect: DialectName::Openwb,
    messages: &[
        ("openWB/chargepoint/4/get/power", "7350.5"),
        ("openWB/chargepoint/4/get/currents", "[10.7,10.6,10.8]"),
        ("openWB/chargepoint/4/get/voltages", "[229.5,230.1,230.4]"),
        ("openWB/chargepoint/4/get/imported", "812250.5"),
        ("openWB/chargepoint/4/get/exported", "30"),
        ("openWB/chargepoint/4/get/plug_state", "true"),
        ("openWB/chargepoint/4/get/charge_state", "true"),
    ],
    json: concat!(
        r#"{"power":7350.5,"currents":[10.7,10.6,10.8],"voltages":[229.5,230.1,230.4],"imported":812250.5,"exported":30,"#,
        r#""plug_state":true,"charge_state":true}"#
    ),
    parse: |json| parse::<ChargePoint>(json),
};

const GO_E: Case = Case {
    name: "go-e",
    dialect: DialectName::GoE,
    messages: &[
        ("/go-eCharger/204711/car", "2"),
        ("/go-eCharger/204711/err", "0"),
        ("/go-eCharger/204711/nrg", GO_E_NRG),
        ("/go-eCharger/204711/eto", "812250"),
        ("/go-eCharger/204711/tma", "[38.5,36.25]"),
    ],
    json: concat!(
        r#"{"car":2,"err":0,"nrg":[228,229,230,0,10.7,10.6,10.8,2440,2430,2480,0,7350,100,100,100,0],"eto":812250,"#,
        r#""tma":[38.5,36.25]}"#
    ),
    parse: |json| parse::<GoE>(json),
};

const OPENEVSE: Case = Case {
    name: "openevse",
    dialect: DialectName::Openevse,
    messages: &[
        ("openevse-7f21/amp", "15900"),
        ("openevse-7f21/wh", "23450"),
        ("openevse-7f21/temp1", "298"),
        ("openevse-7f21/state", "3"),
    ],
    json: r#"{"amp":15900,"wh":23450,"temp1":298,"state":3}"#,
    parse: |json| parse::<OpenEvse>(json),
};

const SMARTEVSE: Case = Case {
    name: "smartevse",
    dialect: DialectName::Smartevse,
    messages: &[
        ("SmartEVSE-77/State", "Charging"),
        ("SmartEVSE-77/EVChargePower", "7350"),
        ("SmartEVSE-77/EVTotalEnergyCharged", "812250"),
        ("SmartEVSE-77/EVCurrentL1", "107"),
        ("SmartEVSE-77/Error", "None"),
    ],
    json: r#"{"State":"Charging","EVChargePower":7350,"EVTotalEnergyCharged":812250,"EVCurrentL1":107,"Error":"None"}"#,
    parse: |json| parse::<SmartEvse<'_>>(json),
};

const HOMIE: Case = Case {
    name: "homie",
    dialect: DialectName::Homie,
    messages: &[("homie/5/box-3/gun1/power", "7350.5"), ("homie/5/box-3/gun1/status", "Charging")],
    json: r#"{"power":7350.5,"status":"Charging"}"#,
    parse: |json| parse::<Homie<'_>>(json),
};

#[derive(Deserialize)]
#[expect(dead_code, reason = "it is parsed and thrown away")]
struct Telemetry<'a> {
    ts: &'a str,
    status: &'a str,
    power_kw: f64,
    import_kwh: f64,
    voltage_v: f64,
    current_a: f64,
    connector_temp_c: f64,
    soc_pct: f64,
    session: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(dead_code, reason = "it is parsed and thrown away")]
struct Statuses<'a> {
    #[serde(borrow)]
    connector_status_info: Status<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(dead_code, reason = "it is parsed and thrown away")]
struct Status<'a> {
    #[serde(rename = "ConnectorID")]
    connector_id: &'a str,
    status: u32,
    park_status: u32,
    lock_status: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(dead_code, reason = "it is parsed and thrown away")]
struct Charge<'a> {
    start_charge_seq: &'a str,
    start_charge_seq_stat: u32,
    #[serde(rename = "ConnectorID")]
    connector_id: &'a str,
    connector_status: u32,
    current_a: f64,
    voltage_a: f64,
    soc: f64,
    start_time: &'a str,
    end_time: &'a str,
    total_power: f64,
    elec_money: f64,
    sevice_money: f64,
    total_money: f64,
    sum_period: u32,
    #[serde(borrow)]
    charge_details: Vec<Detail<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(dead_code, reason = "it is parsed and thrown away")]
struct Detail<'a> {
    detail_start_time: &'a str,
    detail_end_time: &'a str,
    elec_price: f64,
    sevice_price: f64,
    detail_power: f64,
    detail_elec_money: f64,
    detail_sevice_money: f64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "it is parsed and thrown away")]
struct RealTime<'a> {
    trade_seq: &'a str,
    id: &'a str,
    gun_id: &'a str,
    status: u32,
    reset: u32,
    plugged: u32,
    ov: u32,
    oc: u32,
    line_temp: u32,
    line_code: &'a str,
    soc: u32,
    bp_top_temp: u32,
    accumulated_charging_time: u32,
    remaining_time: u32,
    charging_degrees: u64,
    lossy_charging_degrees: u64,
    charged_amount: u64,
    hardware_failure: u32,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "it is parsed and thrown away")]
struct Meter<'a> {
    #[serde(rename = "current_A")]
    current: Phases,
    #[serde(rename = "energy_Wh_import")]
    import: Phases,
    #[serde(rename = "energy_Wh_export")]
    export: Phases,
    #[serde(rename = "frequency_Hz")]
    frequency: Phases,
    meter_id: &'a str,
    phase_seq_error: bool,
    #[serde(rename = "power_W")]
    power: Phases,
    timestamp: &'a str,
    #[serde(rename = "voltage_V")]
    voltage: Phases,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "it is parsed and thrown away")]
struct Phases {
    #[serde(rename = "L1")]
    l1: Option<f64>,
    #[serde(rename = "L2")]
    l2: Option<f64>,
    #[serde(rename = "L3")]
    l3: Option<f64>,
    #[serde(rename = "N")]
    n: Option<f64>,
    total: Option<f64>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "it is parsed and thrown away")]
struct WarpState {
    iec61851_state: u32,
    charger_state: u32,
    contactor_state: u32,
    contactor_error: u32,
    allowed_charging_current: u32,
    error_state: u32,
    lock_state: u32,
    dc_fault_current_state: u32,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "it is parsed and thrown away")]
struct WarpMeter {
    power: f64,
    energy_rel: f64,
    energy_abs: f64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "it is parsed and thrown away")]
struct Loadpoint {
    connected: bool,
    charging: bool,
    charge_power: f64,
    charge_currents: [f64; 1],
    charge_total_import: f64,
    vehicle_soc: f64,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "it is parsed and thrown away")]
struct ChargePoint {
    power: f64,
    currents: [f64; 3],
    voltages: [f64; 3],
    imported: f64,
    exported: f64,
    plug_state: bool,
    charge_state: bool,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "it is parsed and thrown away")]
struct GoE {
    car: u32,
    err: u32,
    nrg: [f64; 16],
    eto: f64,
    tma: [f64; 2],
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "it is parsed and thrown away")]
struct OpenEvse {
    amp: f64,
    wh: f64,
    temp1: f64,
    state: u32,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "it is parsed and thrown away")]
struct SmartEvse<'a> {
    #[serde(rename = "State")]
    state: &'a str,
    #[serde(rename = "EVChargePower")]
    power: f64,
    #[serde(rename = "EVTotalEnergyCharged")]
    energy: f64,
    #[serde(rename = "EVCurrentL1")]
    current: f64,
    #[serde(rename = "Error")]
    error: &'a str,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "it is parsed and thrown away")]
struct Homie<'a> {
    power: f64,
    status: &'a str,
}
