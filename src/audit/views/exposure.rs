//! Worst cases, outstanding orders included, against what is allowed.

use serde::Serialize;

use crate::domain::money::Usd;
use crate::projections::Projections;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GroupExposure {
    pub name: String,
    /// The most that can be lost, over all outcomes, with every outstanding order filled where that hurts.
    pub worst: Usd,
    pub limit: Option<Usd>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExposureView {
    pub games: Vec<GroupExposure>,
    pub sports: Vec<GroupExposure>,
    pub venues: Vec<GroupExposure>,
    pub total: GroupExposure,
    /// Cash that outstanding orders may still take: part of the figures above.
    pub in_flight: Usd,
    /// Orders of which something may still come.
    pub orders_in_flight: usize,
}

pub fn exposure(book: &Projections) -> ExposureView {
    let limits = book.limits.as_ref();
    let group = |name: String, worst: Usd, limit: Option<Usd>| GroupExposure { name, worst, limit };
    let game = limits.map(|limits| limits.game_exposure_max);
    let sport = limits.map(|limits| limits.sport_exposure_max);
    let venue = limits.map(|limits| limits.venue_exposure_max);
    ExposureView {
        games: book.exposure.games().map(|(name, worst)| group(name.to_string(), worst, game)).collect(),
        sports: book.exposure.by_sport.iter().map(|(name, worst)| group(name.to_string(), *worst, sport)).collect(),
        venues: book.exposure.by_venue.iter().map(|(name, worst)| group(name.to_string(), *worst, venue)).collect(),
        total: group("total".to_owned(), book.exposure.total, limits.map(|limits| limits.total_exposure_max)),
        in_flight: book.cash.reserved,
        orders_in_flight: book.orders.live().count(),
    }
}
