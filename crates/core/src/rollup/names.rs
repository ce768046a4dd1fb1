//! Who the numbers of a rollup stand for. Every shard numbers its own stations and operators; here they get numbers
//! that hold for the whole process.

use rustc_hash::FxHashMap;

use crate::scope::{Attribution, OperatorIndex, Scope, StationIndex};
use crate::shard::StationFacts;

/// Operators and stations of all shards.
#[derive(Debug, Default)]
pub struct Names {
    pub(super) operators: Vec<Box<str>>,
    operator_ids: FxHashMap<Box<str>, u32>,
    pub(super) stations: Vec<StationFacts>,
    /// By operator.
    station_ids: Vec<FxHashMap<Box<str>, u32>>,
    /// By shard: its operators' and its stations' numbers here.
    shards: Vec<(Vec<u32>, Vec<u32>)>,
}

impl Names {
    pub(super) fn new(shards: usize) -> Self {
        Self { shards: vec![(Vec::new(), Vec::new()); shards], ..Self::default() }
    }

    /// Takes in what a shard says about its operators and stations.
    pub(super) fn learn(&mut self, shard: usize, operators: &[Box<str>], stations: Vec<StationFacts>) {
        for operator in operators {
            let number = self.operator_number(operator);
            self.shards[shard].0.push(number);
        }
        for facts in stations {
            let operator = self.operator_number(&facts.operator);
            let known = self.station_ids[operator as usize].get(&facts.id).copied();
            let number = known.unwrap_or_else(|| {
                let number = self.stations.len() as u32;
                self.station_ids[operator as usize].insert(facts.id.clone(), number);
                number
            });
            let local = facts.station.0 as usize;
            let numbers = &mut self.shards[shard].1;
            if local >= numbers.len() {
                numbers.resize(local + 1, u32::MAX);
            }
            numbers[local] = number;
            let facts = StationFacts { station: StationIndex(number), ..facts };
            match self.stations.get_mut(number as usize) {
                Some(known) => *known = facts,
                None => self.stations.push(facts),
            }
        }
    }

    fn operator_number(&mut self, operator: &str) -> u32 {
        if let Some(&number) = self.operator_ids.get(operator) {
            return number;
        }
        let number = self.operators.len() as u32;
        self.operators.push(operator.into());
        self.operator_ids.insert(operator.into(), number);
        self.station_ids.push(FxHashMap::default());
        number
    }

    /// An attribution with the shard's numbers replaced by those of the whole process.
    pub(super) fn globalise(&self, shard: usize, attribution: Attribution) -> Attribution {
        let (operators, stations) = &self.shards[shard];
        let global = |numbers: &[u32], local: u32| numbers.get(local as usize).copied().unwrap_or(u32::MAX);
        Attribution {
            operator: OperatorIndex(global(operators, attribution.operator.0)),
            station: StationIndex(global(stations, attribution.station.0)),
            ..attribution
        }
    }

    /// An operator's id.
    #[must_use]
    pub fn operator(&self, operator: OperatorIndex) -> &str {
        &self.operators[operator.0 as usize]
    }

    /// A station's facts.
    #[must_use]
    pub fn station(&self, station: StationIndex) -> &StationFacts {
        &self.stations[station.0 as usize]
    }

    /// The number here of a shard's own station.
    #[must_use]
    pub fn station_of(&self, shard: usize, local: StationIndex) -> Option<StationIndex> {
        self.shards[shard].1.get(local.0 as usize).filter(|&&number| number != u32::MAX).map(|&n| StationIndex(n))
    }

    /// The scope of an operator with this id, made known where it is not yet: history outlives a registry.
    pub fn operator_scope(&mut self, operator: &str) -> Scope {
        Scope::Operator(OperatorIndex(self.operator_number(operator)))
    }

    /// The scope of a station, where it is known.
    #[must_use]
    pub fn station_scope(&self, operator: &str, station: &str) -> Option<Scope> {
        let operator = *self.operator_ids.get(operator)?;
        let number = *self.station_ids[operator as usize].get(station)?;
        Some(Scope::Station(StationIndex(number)))
    }
}
