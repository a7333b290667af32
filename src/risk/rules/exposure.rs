//! Worst cases and conflicting intents.

use super::Case;
use crate::domain::money::Usd;
use crate::domain::order::{Action, Order, OrderState, Stance};
use crate::domain::verdict::{Check, Reason};

fn within(reason: Reason, worst: Usd, limit: Usd) -> Option<Check> {
    Some(Check::new(reason, worst <= limit, format!("${worst} with this order"), format!("at most ${limit}")))
}

pub fn game(case: &Case<'_>) -> Option<Check> {
    within(Reason::GameExposure, case.worst?.game, case.limits.game_exposure_max)
}

pub fn sport(case: &Case<'_>) -> Option<Check> {
    within(Reason::SportExposure, case.worst?.sport, case.limits.sport_exposure_max)
}

pub fn venue(case: &Case<'_>) -> Option<Check> {
    within(Reason::VenueExposure, case.worst?.venue, case.limits.venue_exposure_max)
}

pub fn total(case: &Case<'_>) -> Option<Check> {
    within(Reason::TotalExposure, case.worst?.total, case.limits.total_exposure_max)
}

/// Held, working and granted stances of the order's game.
pub fn opposite_side(case: &Case<'_>) -> Option<Check> {
    let order = case.order?;
    let (book, game) = (case.projections, &order.groups.game);
    let working = book.orders.live_of_game(game).map(|record| &record.order);
    let granted = case.others.iter().copied().filter(|other| other.groups.game == *game);
    let buys = working.chain(granted).filter(|other| other.action == Action::Buy).map(|other| other.groups.stance.clone());
    let positions = book.exposure.books_of(game).filter_map(|key| book.positions.get(key));
    let held = positions.filter(|position| !position.quantity.is_zero()).map(|p| Stance { wins: p.wins(), ..p.groups.stance.clone() });
    let opposite = buys.chain(held).find(|stance| stance.opposes(&order.groups.stance));
    let observed =
        opposite.as_ref().map_or("nothing opposite".to_owned(), |s| format!("{} {}", if s.wins { "for" } else { "against" }, s.subject));
    let passed = opposite.is_none() || case.limits.allow_hedging;
    let limit = if case.limits.allow_hedging { "hedging allowed" } else { "one side per game" };
    Some(Check::new(Reason::OppositeSide, passed, observed, limit))
}

pub fn duplicate_intent(case: &Case<'_>) -> Option<Check> {
    let order = case.order?;
    let window_ms = case.limits.duplicate_intent_ms;
    let same = |other: &Order| other.action == order.action && other.instrument == order.instrument && other.order_id != order.order_id;
    let came_to_nothing = |state| matches!(state, OrderState::NotPlaced | OrderState::Rejected);
    let key = order.instrument.book_key();
    let recent = case.projections.orders.of_book(&key).take_while(|r| case.now.ms_since(r.requested_at) < window_ms);
    let logged = recent.filter(|r| !came_to_nothing(r.state)).any(|r| same(&r.order));
    // Off means off: what is granted beside it is no repeat either.
    let granted = window_ms > 0 && case.others.iter().any(|other| same(other));
    let observed = if logged || granted { "the same side of this market" } else { "nothing alike" };
    Some(Check::new(Reason::DuplicateIntent, !(logged || granted), observed, format!("none within {window_ms} ms")))
}

pub fn cool_down(case: &Case<'_>) -> Option<Check> {
    let order = case.order?;
    let Some((at, realized)) = case.projections.activity.last_closed(&order.groups.game) else {
        return Some(Check::new(Reason::CoolDown, true, "no round trip closed", "cool-down over"));
    };
    let lost = realized < Usd::ZERO;
    let wait_ms = if lost { case.limits.cool_down_loss_ms } else { case.limits.cool_down_win_ms };
    let past_ms = case.now.ms_since(at);
    let word = if lost { "loss" } else { "win" };
    Some(Check::new(Reason::CoolDown, past_ms >= wait_ms, format!("{past_ms} ms after a {word}"), format!("at least {wait_ms} ms")))
}
