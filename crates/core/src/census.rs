//! What stands at the end of a window: counts that add up over scopes but not over time. A census is exact for any
//! past window, for it is read from the connectors' timelines; a snapshot holds what only the moment of closing
//! knows, and is taken once.

use crate::tally::mergeable;

mergeable! {
    /// The connectors and stations of a scope, for one window. "At the end" means just before the window's end; a
    /// facility is a connector in service whose station is operating or under maintenance.
    pub struct Census {
        /// Connectors whose timeline touches the window.
        pub connectors: i64,
        /// Connectors in service at the end.
        pub in_service: i64,
        /// Their rated power, W, as registered per connector.
        pub rated_w: i64,
        /// Connectors in service that no registration names.
        pub unregistered: i64,
        /// Connectors in service that a registration names.
        pub registered: i64,
        /// The part of `registered` of which at least one sample was taken in.
        pub heard: i64,
        /// Stations with at least one connector in service.
        pub stations: i64,
        /// The part of `stations` that ever sent anything on an alarm topic.
        pub stations_with_alarm_feed: i64,
        /// Facilities (domain A1).
        pub facilities: i64,
        /// Facilities open to everybody.
        pub public: i64,
        /// Facilities for a fleet.
        pub dedicated: i64,
        /// Facilities of one household or owner.
        pub private: i64,
        /// Facilities that give direct current.
        pub dc: i64,
        /// Facilities that give alternating current.
        pub ac: i64,
        /// Facilities of 250 kW and more.
        pub high_power: i64,
        /// Rated power of facilities that are public or dedicated, W, by equipment where it shares its power.
        pub public_rated_w: i64,
        /// Facilities in highway service areas.
        pub highway: i64,
        /// Stations in highway service areas with at least one facility.
        pub highway_stations: i64,
        /// Facilities of 60 kW and more in highway service areas.
        pub highway_60kw: i64,
        /// Facilities of 250 kW and more in highway service areas.
        pub highway_high_power: i64,
        /// Facilities in residential areas.
        pub residential: i64,
        /// Facilities in rural surroundings: the scene says so, or the township's type.
        pub rural: i64,
        /// Facilities that can give energy back.
        pub v2g: i64,
        /// Rated power towards the grid of those, W.
        pub discharge_rated_w: i64,
        /// Facilities made more than 8 years before the end.
        pub aged: i64,
        /// Facilities with no production date.
        pub undated: i64,
        /// Direct-current facilities with an upper voltage limit below 800 V.
        pub low_voltage: i64,
        /// Alternating-current facilities in public stations.
        pub public_ac: i64,
        /// Facilities for which at least one of `aged`, `low_voltage` and `public_ac` holds (domain A13).
        pub renewal: i64,
        /// Facilities whose timeline began in the civil year of the window's end.
        pub new_this_year: i64,
        /// The part of `new_this_year` in highway service areas.
        pub new_highway: i64,
        /// The part of `new_highway` of 250 kW and more.
        pub new_highway_high_power: i64,
    }
}

mergeable! {
    /// What only the moment of closing knows.
    pub struct Snapshot {
        /// Facilities in operation, in service for 30 days, without energy flow for 30 days (domain B14).
        pub dormant: i64,
        /// The part of `dormant` that is not heard of either: silent or offline at the end.
        pub dormant_silent: i64,
        /// Facilities older than 8 years with energy flow within 30 days (domain D11).
        pub aged_active: i64,
        /// Connectors with 3 failed attempts or more within 24 h and no success (domain C16).
        pub repeated_failure: i64,
        /// Alarms open at the end, by level.
        pub open_alarms: [i64; 3],
        /// How long those have been open, ms, by level.
        pub open_alarm_ms: [i64; 3],
        /// Faults open at the end.
        pub open_faults: i64,
        /// How long those have been open, ms.
        pub open_fault_ms: i64,
        /// By how much net load could fall: charging power, and discharge ratings above the lowest state of charge, W
        /// (domain E6).
        pub adjustable_up_w: i64,
        /// Connectors for which `adjustable_up_w` and `adjustable_down_w` are known.
        pub adjustable: i64,
        /// By how much charging power could rise within rating and demand, W (domain E7).
        pub adjustable_down_w: i64,
        /// Connectors with at least one whole month of uptime record (domain C4).
        pub uptime_ports: i64,
        /// The part of `uptime_ports` whose uptime is above 97 %.
        pub uptime_ports_up: i64,
        /// Sum over `uptime_ports` of the rolling twelve-month uptime, in millionths.
        pub uptime_ppm: i64,
        /// Sum over `uptime_ports` of the months available.
        pub uptime_months: i64,
    }
}
