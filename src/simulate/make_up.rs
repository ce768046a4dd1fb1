//! What the fleet consists of: stations, equipment and connectors with their ratings, places and operators, drawn from a
//! plan. Shares are met by always building what is furthest behind its share. It must never depend on what happens
//! later: the same plan gives the same fleet whatever its transmission.

use super::areas::{CountyArea, PROVINCES, Province};
use super::calendar::Curve;
use super::plan::{FleetPlan, MakeUp};
use super::rng::Draws;

/// The most connectors at one station.
pub const STATION_CONNECTORS_MAX: u32 = 20;

/// Who may use a station.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anyone.
    Public,
    /// One fleet.
    Dedicated,
    /// One household.
    Private,
}

impl Access {
    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Dedicated => "dedicated",
            Self::Private => "private",
        }
    }
}

/// A station.
#[derive(Debug, Clone)]
pub struct Station {
    /// Identifier, unique in the fleet.
    pub id: String,
    /// Index of its operator, from 0.
    pub operator: u32,
    /// The county it stands in.
    pub county: CountyArea,
    /// Its code on the wire, 6, 9 or 12 digits.
    pub area: String,
    /// Who may use it.
    pub access: Access,
    /// Its scene's name on the wire.
    pub scene: &'static str,
    /// When its users come.
    pub curve: Curve,
    /// Longitude and latitude, millionths of a degree.
    pub place_udeg: (i32, i32),
    /// First connector and number of connectors.
    pub connectors: (u32, u32),
    /// From an event to the arrival of the message about it, ms.
    pub latency_ms: i64,
    /// Its clock minus the true time, ms.
    pub skew_ms: i64,
}

impl Station {
    /// The indices of its connectors.
    pub fn connector_range(&self) -> std::ops::Range<u32> {
        self.connectors.0..self.connectors.0 + self.connectors.1
    }
}

/// A cabinet whose power its connectors share.
#[derive(Debug, Clone, Copy)]
pub struct Equipment {
    /// Rated power, W.
    pub rated_w: u32,
    /// Year and month of production.
    pub produced: (u16, u8),
    /// First connector and number of connectors.
    pub connectors: (u32, u32),
}

/// A connector's plate.
#[derive(Debug, Clone, Copy)]
pub struct Connector {
    /// Index of its station.
    pub station: u32,
    /// Index of its equipment.
    pub equipment: u32,
    /// Rated power, W.
    pub rated_w: u32,
    /// Direct current.
    pub dc: bool,
    /// Upper limit of its voltage, V.
    pub v_max: u32,
    /// Rated discharging power, W; 0 where it cannot discharge.
    pub discharge_w: u32,
}

/// The whole fleet's plates.
#[derive(Debug, Clone, Default)]
pub struct Built {
    /// All stations, in the order they were built.
    pub stations: Vec<Station>,
    /// All equipment, by station.
    pub equipment: Vec<Equipment>,
    /// All connectors, by equipment.
    pub connectors: Vec<Connector>,
}

/// The kinds of station that the plan gives shares for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Private,
    Dedicated,
    Highway,
    Rural,
    Town,
}

const KINDS: [Kind; 5] = [Kind::Private, Kind::Dedicated, Kind::Highway, Kind::Rural, Kind::Town];

/// Scenes of town stations with their weights; the first four are places of work.
const TOWN_SCENES: [(&str, u32); 11] = [
    ("public_institution", 9),
    ("enterprise", 10),
    ("office", 8),
    ("industrial_park", 7),
    ("transport_hub", 8),
    ("culture_sports", 5),
    ("urban_green", 3),
    ("large_building", 20),
    ("roadside", 8),
    ("residential", 12),
    ("other", 10),
];

/// Rated power of a direct-current connector, kW, with its weight.
const DC_KW: [(u32, u32); 9] =
    [(30, 8), (60, 32), (80, 10), (120, 29), (160, 7), (180, 5), (250, 5), (360, 3), (480, 1)];
/// The same in a highway service area: a quarter and more of them are high-power ones.
const HIGHWAY_KW: [(u32, u32); 6] = [(60, 20), (80, 10), (120, 40), (180, 4), (250, 16), (480, 10)];
/// The same for alternating current, in tenths of a kW.
const AC_HECTO_W: [(u32, u32); 5] = [(35, 4), (70, 84), (110, 5), (210, 4), (400, 3)];

struct Builder<'a> {
    plan: &'a FleetPlan,
    counties: &'a [CountyArea],
    draws: Draws,
    built: Built,
    placed: [u64; KINDS.len()],
    public_dc: (u64, u64),
}

/// Builds the fleet of a plan on the given counties (ascending by code, at least one).
pub fn build(plan: &FleetPlan, counties: &[CountyArea]) -> Built {
    let mut builder = Builder {
        plan,
        counties,
        draws: Draws::new(plan.seed, 1),
        built: Built::default(),
        placed: [0; KINDS.len()],
        public_dc: (0, 0),
    };
    while builder.left() > 0 {
        builder.station();
    }
    builder.built
}

/// Millionths of all connectors that should be of each kind.
fn shares_ppm(m: &MakeUp) -> [u64; KINDS.len()] {
    let public = u64::from(m.public_permille);
    let [dedicated, highway, rural] =
        [m.dedicated_permille, m.highway_permille, m.rural_permille].map(|permille| public * u64::from(permille));
    [1_000_000 - public * 1_000, dedicated, highway, rural, public * 1_000 - dedicated - highway - rural]
}

impl Builder<'_> {
    fn left(&self) -> u32 {
        self.plan.connectors - self.built.connectors.len() as u32
    }

    /// The kind that is furthest behind its share.
    fn next_kind(&self) -> Kind {
        let shares = shares_ppm(&self.plan.make_up);
        let total = self.placed.iter().sum::<u64>() + 1;
        let behind = |index: usize| (shares[index] * total) as i64 - (self.placed[index] * 1_000_000) as i64;
        // Of equals the last one: kinds with a share of 0 come to 0 and must not win over one that is behind.
        let index = (0..KINDS.len()).filter(|&index| shares[index] > 0).max_by_key(|&index| behind(index));
        index.map_or(Kind::Private, |index| KINDS[index])
    }

    fn station(&mut self) {
        let kind = self.next_kind();
        let dc = self.station_is_dc(kind);
        let size = self.station_size(kind, dc).min(self.left());
        let (province, county, area) = self.ground(kind);
        let (scene, curve) = self.scene(kind);
        let draws = &mut self.draws;
        let operators: Vec<u32> = (0..self.plan.make_up.operators).map(|rank| 1_000 / (rank + 1)).collect();
        let skewed = draws.chance_permille(self.plan.transmission.skewed_permille);
        let skew_ms_max = i64::from(self.plan.transmission.skew_ms_max);
        let skew_ms = draws.between(-skew_ms_max, skew_ms_max + 1);
        let index = self.built.stations.len() as u32;
        let first = self.built.connectors.len() as u32;
        self.built.stations.push(Station {
            id: format!("S{:07}", index + 1),
            operator: draws.weighted(&operators) as u32,
            county,
            area,
            access: match kind {
                Kind::Private => Access::Private,
                Kind::Dedicated => Access::Dedicated,
                Kind::Highway | Kind::Rural | Kind::Town => Access::Public,
            },
            scene,
            curve,
            place_udeg: (
                province.lng_cdeg * 10_000 + draws.between(-900_000, 900_000) as i32,
                province.lat_cdeg * 10_000 + draws.between(-700_000, 700_000) as i32,
            ),
            connectors: (first, size),
            latency_ms: draws.skewed_ms(15, 600),
            skew_ms: if skewed { skew_ms } else { 0 },
        });
        let mut left = size;
        while left > 0 {
            left -= self.equipment(kind, index, dc, left);
        }
        self.placed[kind as usize] += u64::from(size);
        if kind != Kind::Private {
            self.public_dc.0 += if dc { u64::from(size) } else { 0 };
            self.public_dc.1 += u64::from(size);
        }
    }

    fn station_is_dc(&mut self, kind: Kind) -> bool {
        match kind {
            Kind::Private => false,
            Kind::Highway => true,
            Kind::Dedicated | Kind::Rural | Kind::Town => {
                let (dc, all) = self.public_dc;
                // A draw within 20 per thousand keeps the two kinds from alternating strictly.
                let aim = u64::from(self.plan.make_up.dc_permille) * (all + 1);
                dc * 1_000 + u64::from(self.draws.below(20)) * all / 10 < aim + all
            }
        }
    }

    fn station_size(&mut self, kind: Kind, dc: bool) -> u32 {
        let (low, high) = match (kind, dc) {
            (Kind::Private, _) => return 1 + u32::from(self.draws.chance_permille(30)),
            (Kind::Dedicated, _) => (6, STATION_CONNECTORS_MAX),
            (Kind::Highway, _) => (4, 12),
            (Kind::Rural, _) => (2, 8),
            (Kind::Town, true) => (4, STATION_CONNECTORS_MAX),
            (Kind::Town, false) => (2, 14),
        };
        self.draws.between(i64::from(low), i64::from(high) + 1) as u32
    }

    /// A province, a county and the code on the wire.
    fn ground(&mut self, kind: Kind) -> (Province, CountyArea, String) {
        let draws = &mut self.draws;
        let province = PROVINCES[draws.weighted(&PROVINCES.map(|province| province.weight))];
        let from = self.counties.partition_point(|county| county.code / 10_000 < province.code);
        let to = self.counties.partition_point(|county| county.code / 10_000 <= province.code);
        let within = if from < to { &self.counties[from..to] } else { self.counties };
        let mut county = within[draws.below(within.len() as u32) as usize];
        let [street, town, township] = county.townships;
        let setting = match kind {
            Kind::Rural => {
                // Only towns and townships make a station rural: take a county that has one.
                if town == 0 && township == 0 {
                    county = within.iter().copied().find(|c| c.townships[1..] != [0, 0]).unwrap_or(county);
                }
                let [_, town, township] = county.townships;
                if township != 0 && (town == 0 || draws.chance_permille(400)) { township } else { town }
            }
            Kind::Highway => 0,
            Kind::Private | Kind::Dedicated | Kind::Town => {
                if draws.chance_permille(500) {
                    street
                } else {
                    0
                }
            }
        };
        let area = match setting {
            0 => county.code.to_string(),
            township if draws.chance_permille(200) => format!("{}{township:03}001", county.code),
            township => format!("{}{township:03}", county.code),
        };
        (province, county, area)
    }

    fn scene(&mut self, kind: Kind) -> (&'static str, Curve) {
        match kind {
            Kind::Private => (if self.draws.chance_permille(900) { "residential" } else { "rural" }, Curve::Home),
            Kind::Dedicated => {
                (["transport_hub", "industrial_park", "other"][self.draws.below(3) as usize], Curve::Depot)
            }
            Kind::Highway => ("highway_service_area", Curve::Highway),
            Kind::Rural => ("rural", Curve::Rural),
            Kind::Town => {
                let index = self.draws.weighted(&TOWN_SCENES.map(|(_, weight)| weight));
                (TOWN_SCENES[index].0, if index < 4 { Curve::Work } else { Curve::Town })
            }
        }
    }

    /// Adds one piece of equipment with at most `left` connectors; returns how many it has.
    fn equipment(&mut self, kind: Kind, station: u32, dc: bool, left: u32) -> u32 {
        let draws = &mut self.draws;
        let pick = |draws: &mut Draws, table: &[(u32, u32)]| {
            let weights: Vec<u32> = table.iter().map(|&(_, weight)| weight).collect();
            table[draws.weighted(&weights)].0
        };
        let rated_w = match (dc, kind) {
            (true, Kind::Highway) => 1_000 * pick(draws, &HIGHWAY_KW),
            (true, _) => 1_000 * pick(draws, &DC_KW),
            (false, Kind::Private) => 100 * pick(draws, &AC_HECTO_W[..4]),
            (false, _) => 100 * pick(draws, &AC_HECTO_W),
        };
        let count = match rated_w {
            _ if !dc => 1,
            250_000.. => 4,
            100_000.. => 2,
            _ => 1,
        }
        .min(left);
        let (first, equipment) = (self.built.connectors.len() as u32, self.built.equipment.len() as u32);
        // Half of the cabinets with several connectors share less than the sum of them.
        let shared = count > 1 && draws.chance_permille(500);
        let power_w = if shared { rated_w * count.div_ceil(2) } else { rated_w * count };
        let year = 2_025 - (draws.skewed_ms(0, 100) / 10) as u16;
        let month = 1 + draws.below(12) as u8;
        self.built.equipment.push(Equipment { rated_w: power_w, produced: (year, month), connectors: (first, count) });
        let v_max = match (dc, year) {
            (false, _) => {
                if rated_w > 7_000 {
                    440
                } else {
                    250
                }
            }
            (true, ..=2_017) => 500,
            (true, 2_018..=2_020) => 750,
            (true, _) => 1_000,
        };
        let able = kind != Kind::Highway && (7_000..=120_000).contains(&rated_w);
        for _ in 0..count {
            let v2g = able && draws.chance_permille(self.plan.make_up.v2g_permille);
            let discharge_w = if v2g { rated_w.min(60_000) } else { 0 };
            self.built.connectors.push(Connector { station, equipment, rated_w, dc, v_max, discharge_w });
        }
        count
    }
}
