//! Scopes by names that hold from run to run, for the store: numbers are given anew by every process.

use super::Names;
use crate::region::Setting;
use crate::registration::{Access, Current, Scene};
use crate::scope::{Named, Part, PowerClass, Scope};

const NATION: &str = "nation";
const PROVINCE: &str = "province";
const CITY: &str = "city";
const COUNTY: &str = "county";
const OPERATOR: &str = "operator";
const STATION: &str = "station";
const PART: &str = "part";

/// A scope by name: its kind (`nation`, `province`, `city`, `county`, `operator`, `station` or `part`) and which one.
///
/// The code is empty for the nation, the digits of a region (all zero where it is not known), the operator's id, or
/// `OPERATOR/STATION` with `%` and `/` in the operator's id written `%25` and `%2F`. A part is
/// `PROVINCE/BREAKDOWN/VALUE`, or `nation/BREAKDOWN/VALUE`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "described above")]
pub struct ScopeCode {
    pub kind: &'static str,
    pub code: String,
}

/// The code of a station, as in [`ScopeCode`].
#[must_use]
pub fn station_code(operator: &str, station: &str) -> String {
    format!("{}/{station}", operator.replace('%', "%25").replace('/', "%2F"))
}

/// Operator and id of the station with a code.
#[must_use]
pub fn station_of_code(code: &str) -> Option<(String, &str)> {
    let (operator, station) = code.split_once('/')?;
    Some((operator.replace("%2F", "/").replace("%25", "%"), station))
}

impl Names {
    /// The name of a scope; `None` for an operator or station that nobody knows.
    #[must_use]
    pub fn scope_code(&self, scope: Scope) -> Option<ScopeCode> {
        let (kind, code) = match scope {
            Scope::Nation => (NATION, String::new()),
            Scope::Province(province) => (PROVINCE, format!("{province:02}")),
            Scope::City(city) => (CITY, format!("{city:04}")),
            Scope::County(county) => (COUNTY, format!("{county:06}")),
            Scope::Operator(operator) => (OPERATOR, self.operators.get(operator.0 as usize)?.to_string()),
            Scope::Station(station) => {
                let facts = self.stations.get(station.0 as usize)?;
                (STATION, station_code(&facts.operator, &facts.id))
            }
            Scope::Part { province, part } => {
                let within = province.map_or_else(|| NATION.to_owned(), |province| format!("{province:02}"));
                (PART, format!("{within}/{}/{}", part.breakdown(), part.value()))
            }
        };
        Some(ScopeCode { kind, code })
    }

    /// The scope with this name. Operators are made known where they are not; `None` for a station that no shard has
    /// reported yet, and for what is no name of a scope.
    pub fn scope_of(&mut self, kind: &str, code: &str) -> Option<Scope> {
        Some(match kind {
            NATION => code.is_empty().then_some(Scope::Nation)?,
            PROVINCE => Scope::Province(digits(code, 2)?),
            CITY => Scope::City(digits(code, 4)?),
            COUNTY => Scope::County(digits(code, 6)?),
            OPERATOR => self.operator_scope(code),
            STATION => {
                let (operator, station) = station_of_code(code)?;
                self.station_scope(&operator, station)?
            }
            PART => {
                let mut pieces = code.splitn(3, '/');
                let within = pieces.next()?;
                let province = if within == NATION { None } else { Some(digits(within, 2)?) };
                Scope::Part { province, part: part(pieces.next()?, pieces.next()?)? }
            }
            _ => return None,
        })
    }
}

/// A code of so many digits.
fn digits<T: std::str::FromStr>(code: &str, count: usize) -> Option<T> {
    let sound = code.len() == count && code.bytes().all(|byte| byte.is_ascii_digit());
    if sound { code.parse().ok() } else { None }
}

/// The value of a breakdown with these names.
fn part(breakdown: &str, value: &str) -> Option<Part> {
    const SETTINGS: [Setting; 2] = [Setting::Urban, Setting::Rural];
    const CURRENTS: [Current; 2] = [Current::Ac, Current::Dc];
    const POWER_CLASSES: [PowerClass; 7] = [
        PowerClass::UpTo7Kw,
        PowerClass::UpTo30Kw,
        PowerClass::UpTo60Kw,
        PowerClass::UpTo120Kw,
        PowerClass::UpTo250Kw,
        PowerClass::UpTo480Kw,
        PowerClass::Above480Kw,
    ];
    all(Scene::ALL, Part::Scene)
        .chain(all(Access::ALL, Part::Access))
        .chain(all(SETTINGS, Part::Setting))
        .chain(all(POWER_CLASSES, Part::PowerClass))
        .chain(all(CURRENTS, Part::Current))
        .find(|part| part.breakdown() == breakdown && part.value() == value)
}

fn all<T, const N: usize>(values: [T; N], part: fn(Named<T>) -> Part) -> impl Iterator<Item = Part> {
    values.into_iter().map(Named::Known).chain([Named::Unknown, Named::Unregistered]).map(part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scope::{OperatorIndex, StationIndex};
    use crate::shard::StationFacts;

    fn names() -> Names {
        let facts = |number, operator: &str, id: &str| StationFacts {
            station: StationIndex(number),
            operator: operator.into(),
            id: id.into(),
            name: "".into(),
            area: None,
            scene: None,
        };
        let mut names = Names::new(1);
        let stations = vec![facts(0, "OPER", "ST1"), facts(1, "a/b%2F", "c/d"), facts(2, "a", "b%2F/c/d")];
        names.learn(0, &["OPER".into(), "a/b%2F".into(), "a".into()], stations);
        names
    }

    fn check(scope: Scope, kind: &str, code: &str) {
        let mut names = names();
        let named = names.scope_code(scope).unwrap();
        assert_eq!((named.kind, named.code.as_str()), (kind, code));
        assert_eq!(names.scope_of(kind, code), Some(scope));
    }

    #[test]
    fn every_scope_has_a_name_that_leads_back_to_it() {
        check(Scope::Nation, "nation", "");
        check(Scope::Province(0), "province", "00");
        check(Scope::City(5301), "city", "5301");
        check(Scope::County(530_102), "county", "530102");
        check(Scope::Operator(OperatorIndex(1)), "operator", "a/b%2F");
        check(Scope::Station(StationIndex(0)), "station", "OPER/ST1");
        check(Scope::Station(StationIndex(1)), "station", "a%2Fb%252F/c/d");
        check(Scope::Station(StationIndex(2)), "station", "a/b%2F/c/d");
        let residential = Part::Scene(Named::Known(Scene::Residential));
        check(Scope::Part { province: Some(53), part: residential }, "part", "53/scene/residential");
        check(
            Scope::Part { province: None, part: Part::Current(Named::Unregistered) },
            "part",
            "nation/current/unregistered",
        );
    }

    #[test]
    fn all_values_of_all_breakdowns_are_found_by_name() {
        let mut names = names();
        let mut found = 0;
        for part in all(Scene::ALL, Part::Scene).chain(all(Access::ALL, Part::Access)) {
            let scope = Scope::Part { province: Some(1), part };
            let named = names.scope_code(scope).unwrap();
            assert_eq!(names.scope_of(named.kind, &named.code), Some(scope));
            found += 1;
        }
        assert_eq!(found, 20);
    }

    #[test]
    fn what_is_no_name_leads_nowhere_but_operators_become_known() {
        let mut names = names();
        for (kind, code) in [
            ("nation", "x"),
            ("province", "5"),
            ("province", "+5"),
            ("county", "5301020"),
            ("station", "OPER/none"),
            ("station", "OPER"),
            ("part", "53/scene/none"),
            ("part", "53/none/residential"),
            ("planet", ""),
        ] {
            assert_eq!(names.scope_of(kind, code), None, "{kind} {code}");
        }
        assert_eq!(names.scope_of("operator", "new"), Some(Scope::Operator(OperatorIndex(3))));
        assert_eq!(names.scope_code(Scope::Operator(OperatorIndex(4))), None);
    }
}
