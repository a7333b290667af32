//! What risk said, checked against what was asked; then one batch for the log.

use serde_bytes::ByteBuf;

use super::lookup::SOCKET_WITHIN_MS;
use super::{Answered, Asked, Deferred, Effect, Engine, SignalQuote, Timer};
use crate::domain::answer::AnswerKind;
use crate::domain::event::Event;
use crate::domain::ids::OrderId;
use crate::domain::market::{Market, MarketSource, MarketStatus, PriceGrid};
use crate::domain::money::Quantity;
use crate::domain::order::{Action, Order};
use crate::domain::planted::{self, Bug};
use crate::domain::signed::SignedOrder;
use crate::domain::time::{Mono, Now};
use crate::domain::verdict::{Approver, Check, Failure, Reason, SignedVerdict, Verdict, request_hash};
use crate::projections::{is_minimal, reduce_checks, venue_ready};

/// Wait this long after giving up on an answer before risk is told.
const HEARTBEAT_AFTER_MS: i64 = 100;

/// A verdict that counts, or why there is none.
enum Said {
    Approved(Box<Verdict>),
    Vetoed(Vec<Failure>),
    Silent(Failure),
}

/// Permission to send, while it lives.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    by: Approver,
    signed: SignedVerdict,
    risk_epoch: u64,
    until: Mono,
}

impl Engine {
    pub(super) fn verdict(&mut self, now: Now, order_id: OrderId, signed: Option<SignedVerdict>, out: &mut Vec<Effect>) {
        if self.halted.is_some() {
            return;
        }
        // One that was granted waits for its signed order only; one that isn't put yet can have no answer.
        if self.asked.get(&order_id).is_some_and(|asked| asked.grant.is_some() || asked.bytes.is_empty()) {
            return;
        }
        let Some(asked) = self.asked.remove(&order_id) else { return };
        self.timers.remove(&(asked.asked_at.plus_ms(self.settings.risk_timeout_ms), Timer::VerdictDue(order_id)));
        let said = self.heard(now, &asked, signed.as_ref());
        let closes = asked.request.order.as_ref().is_some_and(|order| order.action == Action::Sell) && asked.request.missing.is_empty();
        match said {
            Said::Approved(verdict) => {
                let until = asked.asked_at.plus_ms(i64::from(verdict.lives_ms).min(SOCKET_WITHIN_MS));
                let signed = signed.unwrap_or(SignedVerdict { verdict: ByteBuf::new(), signature: ByteBuf::new() });
                self.grant(now, asked, Grant { by: Approver::Risk, signed, risk_epoch: verdict.risk_epoch, until }, out);
            }
            Said::Vetoed(failures) if closes && only_silence(&failures) => self.by_reduce_rule(now, asked, failures, out),
            Said::Vetoed(failures) => self.veto(now, asked, failures, signed, out),
            Said::Silent(failure) => {
                self.gave_up = true;
                self.set_timer(now.mono.plus_ms(HEARTBEAT_AFTER_MS), Timer::Heartbeat);
                if closes {
                    self.by_reduce_rule(now, asked, vec![failure], out);
                } else {
                    let mut failures: Vec<Failure> = asked.request.missing.clone();
                    failures.push(failure);
                    self.veto(now, asked, failures, None, out);
                }
            }
        }
    }

    fn heard(&mut self, now: Now, asked: &Asked, signed: Option<&SignedVerdict>) -> Said {
        let limit = format!("a valid verdict within {} ms", self.settings.risk_timeout_ms);
        let silent =
            |observed: String| Said::Silent(Failure { reason: Reason::RiskSilent, observed: observed.into(), limit: limit.into() });
        let Some(signed) = signed else { return silent(format!("no verdict after {} ms", (now.mono.0 - asked.asked_at.0) / 1_000_000)) };
        let verdict = match signed.verify(&self.settings.risk_public_key) {
            Ok(verdict) => verdict,
            Err(error) => return silent(error.to_string()),
        };
        let another = verdict.request_hash != request_hash(&asked.bytes) || verdict.order_id != asked.request.order_id;
        if another && !planted::has(Bug::ApprovalReused) {
            return silent("a verdict for another request".to_owned());
        }
        if verdict.at.epoch != self.epoch || verdict.at.log_id != self.settings.log_id || verdict.at.mode != self.settings.mode {
            return silent("a verdict for another session".to_owned());
        }
        // One that was stopped and goes on doesn't know what the one in its place has granted since.
        if self.settings.mode.is_leased() && verdict.risk_epoch < self.risk_epoch {
            return silent(format!("a verdict of the risk consumer of epoch {} after one of {}", verdict.risk_epoch, self.risk_epoch));
        }
        self.risk_epoch = verdict.risk_epoch;
        if !verdict.approved {
            return Said::Vetoed(Failure::among(&verdict.checks));
        }
        if asked.request.order.is_none() || now.mono >= asked.asked_at.plus_ms(i64::from(verdict.lives_ms)) {
            return silent("an approval past its life".to_owned());
        }
        Said::Approved(Box::new(verdict))
    }

    /// What has changed since risk looked: kill, breakers, time; for a close the whole rule again.
    fn objections(&self, now: Now, asked: &Asked) -> Vec<Failure> {
        let Some(order) = &asked.request.order else { return Vec::new() };
        if order.action == Action::Sell {
            return Failure::among(&self.reduce_rule(now, asked, order));
        }
        // Risk judges by what was durable when it was asked; since then the venue may have closed.
        let mut checks = vec![venue_ready(&self.book, order.instrument.venue, order.action)];
        if self.killed {
            checks.push(Check::failed(Reason::Killed, "on", "off"));
        }
        for (scope, trip) in self.book.breakers.stopping(order, is_minimal(&self.book, order)) {
            checks.push(Check::failed(Reason::BreakerOpen, format!("{scope}: {}", trip.reason), "closed"));
        }
        if now.wall >= order.expires_at {
            checks.push(Check::failed(Reason::Expired, format!("now {}", now.wall), format!("before {}", order.expires_at)));
        }
        Failure::among(&checks)
    }

    fn reduce_rule(&self, now: Now, asked: &Asked, order: &Order) -> Vec<Check> {
        reduce_checks(&self.book, order, asked.request.signal.created_at, Quantity::ZERO, now.wall)
    }

    fn by_reduce_rule(&mut self, now: Now, asked: Asked, silence: Vec<Failure>, out: &mut Vec<Effect>) {
        let Some(order) = &asked.request.order else { return self.veto(now, asked, silence, None, out) };
        let checks = self.reduce_rule(now, &asked, order);
        let failures = Failure::among(&checks);
        if !failures.is_empty() {
            return self.veto(now, asked, failures, None, out);
        }
        let bytes = rmp_serde::to_vec_named(&checks).expect("Invariant: checks always encode");
        let by_rule = SignedVerdict { verdict: ByteBuf::from(bytes), signature: ByteBuf::new() };
        let until = now.mono.plus_ms(SOCKET_WITHIN_MS);
        self.grant(now, asked, Grant { by: Approver::ReduceRule, signed: by_rule, risk_epoch: 0, until }, out);
    }

    /// Granted, and nothing has changed since; where orders are signed ahead, signed as well, whichever comes last.
    fn grant(&mut self, now: Now, mut asked: Asked, grant: Grant, out: &mut Vec<Effect>) {
        let objections = self.objections(now, &asked);
        if !objections.is_empty() {
            return self.veto(now, asked, objections, Some(grant.signed), out);
        }
        let order = asked.request.order.as_ref().expect("Invariant: only complete orders are granted");
        if !self.preparing.contains(&order.instrument.venue) {
            return self.approve(now, asked, grant, None, out);
        }
        let order_id = order.order_id;
        match asked.prepared.take() {
            None => {
                self.set_timer(grant.until, Timer::PrepareDue(order_id));
                asked.grant = Some(grant);
                self.asked.insert(order_id, asked);
            }
            Some(_) if now.mono >= grant.until => self.not_signed(now, asked, grant, "the approval is past its life", out),
            Some(Ok(signed)) => match signed.objection(order) {
                None => self.approve(now, asked, grant, Some(signed), out),
                Some(why) => self.not_signed(now, asked, grant, &why, out),
            },
            Some(Err(why)) => self.not_signed(now, asked, grant, &why, out),
        }
    }

    /// The order as signed has come, or the word that it can't be.
    pub(super) fn prepared(&mut self, now: Now, order_id: OrderId, signed: Result<Box<SignedOrder>, String>, out: &mut Vec<Effect>) {
        let Some(asked) = self.asked.get_mut(&order_id).filter(|_| self.halted.is_none()) else { return };
        asked.prepared.get_or_insert(signed);
        let Some(grant) = asked.grant.take() else { return };
        let Some(asked) = self.asked.remove(&order_id) else { return };
        self.timers.remove(&(grant.until, Timer::PrepareDue(order_id)));
        self.grant(now, asked, grant, out);
    }

    pub(super) fn not_prepared(&mut self, now: Now, order_id: OrderId, out: &mut Vec<Effect>) {
        let Some(grant) = self.asked.get_mut(&order_id).and_then(|asked| asked.grant.take()) else { return };
        let Some(asked) = self.asked.remove(&order_id) else { return };
        self.not_signed(now, asked, grant, "no answer within the approval's life", out);
    }

    fn not_signed(&mut self, now: Now, asked: Asked, grant: Grant, why: &str, out: &mut Vec<Effect>) {
        let why: String = why.chars().take(256).collect();
        let failure = Failure {
            reason: Reason::VenueNotReady,
            observed: format!("not signed: {why}").into(),
            limit: "signed within the approval's life".into(),
        };
        self.veto(now, asked, vec![failure], Some(grant.signed), out);
    }

    /// Nothing more is awaited for this question.
    fn conclude(&mut self, asked: &Asked) {
        if !asked.deliveries.is_empty() {
            self.asked_signals.remove(&asked.request.signal.signal_id);
        }
    }

    fn approve(&mut self, now: Now, asked: Asked, grant: Grant, signed: Option<Box<SignedOrder>>, out: &mut Vec<Effect>) {
        self.conclude(&asked);
        let Grant { by, signed: verdict, risk_epoch, until } = grant;
        let order = asked.request.order.clone().expect("Invariant: only complete orders are approved");
        let order_id = order.order_id;
        let mut events = self.market_facts(now, &asked, &order);
        events.push(requested(&asked));
        events.push(Event::OrderApproved { order_id, by, verdict: verdict.verdict, signature: verdict.signature, risk_epoch });
        events.push(Event::SubmitStarted { order_id, attempt: 1, signed });
        let seq = self.append(now, events, out);
        self.expiries.insert((order.expires_at, order_id));
        let signal = &asked.request.signal;
        self.work(&order_id).quote = Some(SignalQuote { quote: signal.quote, liquidity: signal.liquidity });
        if planted::has(Bug::SendBeforeSync) {
            self.send(now, order_id, 1, until, out);
        } else {
            self.after(seq, Deferred::Send { order_id, attempt: 1, until });
        }
        self.remember_close(&asked, &order);
        self.answer_all(now, seq, &asked, AnswerKind::Requested, Vec::new(), Some(order_id));
    }

    fn veto(&mut self, now: Now, asked: Asked, failures: Vec<Failure>, signed: Option<SignedVerdict>, out: &mut Vec<Effect>) {
        self.conclude(&asked);
        let signed = signed.unwrap_or(SignedVerdict { verdict: ByteBuf::new(), signature: ByteBuf::new() });
        let order_id = asked.request.order_id;
        let vetoed = Event::OrderVetoed { order_id, failures: failures.clone(), verdict: signed.verdict, signature: signed.signature };
        let seq = self.append(now, vec![requested(&asked), vetoed], out);
        self.answer_all(now, seq, &asked, AnswerKind::Vetoed, failures, Some(order_id));
    }

    /// The first delivery hears the answer, those that came meanwhile that they are repeats.
    fn answer_all(&mut self, now: Now, seq: u64, asked: &Asked, kind: AnswerKind, failures: Vec<Failure>, order_id: Option<OrderId>) {
        let signal_id = asked.request.signal.signal_id.clone();
        let Some((first, repeats)) = asked.deliveries.split_first() else { return };
        self.remember(signal_id.clone(), Answered { content_hash: asked.content_hash, kind, order_id });
        let mut answer = self.answer(now, Some(signal_id.clone()), kind, failures);
        answer.order_id = order_id;
        let seq = if planted::has(Bug::AnswerBeforeSync) { 0 } else { seq };
        self.after(seq, Deferred::Effect(Effect::Answer { answer: Box::new(answer), deliveries: vec![*first] }));
        for delivery in repeats {
            let mut answer = self.answer(now, Some(signal_id.clone()), AnswerKind::Duplicate, Vec::new());
            (answer.first_answer, answer.order_id) = (Some(kind), order_id);
            self.after(seq, Deferred::Effect(Effect::Answer { answer: Box::new(answer), deliveries: vec![*delivery] }));
        }
    }

    /// On paper a market that nobody has described is taken as the signal names it, and marked by the signal's own book.
    fn market_facts(&self, now: Now, asked: &Asked, order: &Order) -> Vec<Event> {
        let key = order.instrument.book_key();
        let mut events = Vec::new();
        if self.book.markets.get(&key).is_none() {
            let market = Market {
                key: key.clone(),
                status: MarketStatus::Open,
                grid: PriceGrid::cents(),
                fee: order.fee,
                source: MarketSource::Signal,
                close_time: None,
                condition: None,
                outcome: None,
                quantity_min: Default::default(),
                notional_min: Default::default(),
            };
            events.push(Event::MarketSeen { market: Box::new(market) });
        }
        events.extend(self.signal_mark(now, asked.request.signal.quote, &order.instrument));
        events
    }
}

fn requested(asked: &Asked) -> Event {
    Event::OrderRequested {
        order_id: asked.request.order_id,
        signal_id: asked.request.signal.signal_id.clone(),
        content_hash: asked.content_hash,
        request: ByteBuf::from(asked.bytes.clone()),
        order: asked.request.order.clone().map(Box::new),
    }
}

/// Risk could not judge: for a close that is silence.
fn only_silence(failures: &[Failure]) -> bool {
    let silence = |failure: &Failure| matches!(failure.reason, Reason::RiskSilent | Reason::HistoryDiverged | Reason::RiskStarting);
    !failures.is_empty() && failures.iter().all(silence)
}
