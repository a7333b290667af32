//! The engine's own loop: one task owns the engine; inputs come in over one queue, effects are carried out in order.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use super::desks::Desks;
use super::outbox::Outgoing;
use super::risk_gate::RiskGate;
use crate::clock::Clock;
use crate::crash_points::{Point, reach};
use crate::engine::{Command, Effect, Engine, Input, Ticket};
use crate::event_log::EventStore;
use crate::metrics::Timer;

/// What the loop takes.
enum Message {
    Input(Box<Input>),
    /// Runs on the engine's task; must be quick.
    Query(Box<dyn FnOnce(&Engine) + Send>),
    Operator {
        by: String,
        command: Command,
        answer: oneshot::Sender<Result<String, String>>,
    },
}

/// The way into the loop. The queue has no limit of its own: what fills it is bounded where it starts (256 signals
/// in flight, one request per order and kind, one feed row at a time).
#[derive(Clone)]
pub struct EngineHandle {
    queue: mpsc::UnboundedSender<Message>,
    /// Of operators: a kill or a cancel waits for no signal that came before it.
    urgent: mpsc::UnboundedSender<Message>,
    halted: watch::Receiver<Option<String>>,
}

impl EngineHandle {
    pub fn input(&self, input: Input) {
        // The loop ends only with the process.
        let _ = self.queue.send(Message::Input(Box::new(input)));
    }

    /// Reads the engine's state; `None` once the loop has ended.
    pub async fn query<T: Send + 'static>(&self, read: impl FnOnce(&Engine) -> T + Send + 'static) -> Option<T> {
        let (answer, wait) = oneshot::channel();
        let run = move |engine: &Engine| {
            let _ = answer.send(read(engine));
        };
        self.queue.send(Message::Query(Box::new(run))).ok()?;
        wait.await.ok()
    }

    /// Carries out a command; answered once it is durable.
    pub async fn operator(&self, by: &str, command: Command) -> Result<String, String> {
        let gone = || "the engine has ended".to_owned();
        let (answer, wait) = oneshot::channel();
        let message = Message::Operator { by: by.to_owned(), command, answer };
        self.urgent.send(message).map_err(|_| gone())?;
        wait.await.map_err(|_| gone())?
    }

    /// Why the engine has halted, once it has.
    pub fn halted(&self) -> watch::Receiver<Option<String>> {
        self.halted.clone()
    }
}

/// What carries out the effects.
pub struct Hands {
    pub clock: Clock,
    pub log: Arc<dyn EventStore>,
    pub gate: RiskGate,
    pub desks: Desks,
    pub outbox: mpsc::UnboundedSender<Outgoing>,
    /// The last durable record, for the publisher.
    pub durable: watch::Sender<u64>,
    /// From a decision to its being on disk.
    pub appends: [Timer; 2],
}

/// The queue, before there is an engine to read it.
pub struct Inbox {
    queue: mpsc::UnboundedReceiver<Message>,
    urgent: mpsc::UnboundedReceiver<Message>,
    handle: EngineHandle,
    halted: watch::Sender<Option<String>>,
}

pub fn inbox() -> (EngineHandle, Inbox) {
    let ((sender, queue), (urgent_sender, urgent)) = (mpsc::unbounded_channel(), mpsc::unbounded_channel());
    let (halted, halted_rx) = watch::channel(None);
    let handle = EngineHandle { queue: sender, urgent: urgent_sender, halted: halted_rx };
    (handle.clone(), Inbox { queue, urgent, handle, halted })
}

impl Inbox {
    async fn next(&mut self) -> Option<Message> {
        tokio::select! {
            biased;
            urgent = self.urgent.recv() => urgent,
            message = self.queue.recv() => message,
        }
    }
}

/// Runs until the process ends or `Input::Stop` has been carried out.
pub async fn run(mut engine: Engine, hands: Hands, mut inbox: Inbox) {
    let mut tickets = Tickets::default();
    loop {
        let wake_ms = engine.next_wake_ms(hands.clock.now()).unwrap_or(1_000).clamp(0, 1_000);
        let message = tokio::time::timeout(Duration::from_millis(wake_ms as u64), inbox.next()).await;
        let input = match message {
            Err(_) => Input::Tick,
            Ok(None) => return,
            Ok(Some(Message::Input(input))) => *input,
            Ok(Some(Message::Query(read))) => {
                read(&engine);
                continue;
            }
            Ok(Some(Message::Operator { by, command, answer })) => Input::Operator { ticket: tickets.open(answer), by, command },
        };
        let stops = matches!(input, Input::Stop);
        let effects = engine.step(hands.clock.now(), input);
        if !effects.is_empty() {
            reach(Point::EffectsBefore);
            for effect in effects {
                carry_out(effect, &hands, &inbox, &mut tickets);
            }
            reach(Point::EffectsAfter);
        }
        if stops {
            return;
        }
    }
}

#[derive(Default)]
struct Tickets {
    last: Ticket,
    open: std::collections::BTreeMap<Ticket, oneshot::Sender<Result<String, String>>>,
}

impl Tickets {
    fn open(&mut self, answer: oneshot::Sender<Result<String, String>>) -> Ticket {
        self.last += 1;
        self.open.insert(self.last, answer);
        self.last
    }
}

fn carry_out(effect: Effect, hands: &Hands, inbox: &Inbox, tickets: &mut Tickets) {
    let Some(effect) = hands.desks.carry_out(effect, &inbox.handle) else { return };
    match effect {
        Effect::Append(records) => append(records, hands, &inbox.handle),
        Effect::AskRisk { order_id, bytes, timeout_ms } => hands.gate.ask(order_id, bytes, timeout_ms, &inbox.handle),
        Effect::Answer { answer, deliveries } => out(hands, Outgoing::Answer { answer, deliveries }),
        Effect::DeadLetter { delivery, signal_id, error } => out(hands, Outgoing::DeadLetter { delivery, signal_id, error }),
        Effect::GiveBack { delivery } => out(hands, Outgoing::GiveBack { delivery }),
        Effect::OperatorAnswer { ticket, result } => {
            if let Some(answer) = tickets.open.remove(&ticket) {
                let _ = answer.send(result);
            }
        }
        Effect::Halt { why } => {
            tracing::error!("trading has halted: {why}. Cancels were attempted; nothing is sent any more");
            let _ = inbox.halted.send(Some(why));
        }
        _ => unreachable!("Invariant: desks carry out every effect for a venue"),
    }
}

fn out(hands: &Hands, outgoing: Outgoing) {
    let _ = hands.outbox.send(outgoing);
}

fn append(records: Vec<crate::domain::event::Recorded>, hands: &Hands, handle: &EngineHandle) {
    let (handle, durable) = (handle.clone(), hands.durable.clone());
    let (clock, appends, handed_at) = (hands.clock.clone(), hands.appends.clone(), hands.clock.now().mono);
    hands.log.append(
        records,
        Box::new(move |result| match result {
            Ok(head) => {
                // The engine first: orders wait for it.
                handle.input(Input::Durable { seq: head.seq, hash: head.hash });
                let took = clock.now().mono.0 - handed_at.0;
                appends.iter().for_each(|timer| timer.took(took));
                durable.send_if_modified(|seq| {
                    let newer = head.seq > *seq;
                    *seq = head.seq.max(*seq);
                    newer
                });
            }
            Err(error) => handle.input(Input::LogFailed { why: error.to_string() }),
        }),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn s52_an_operators_command_waits_for_nothing_that_came_before_it() {
        let (handle, mut inbox) = inbox();
        handle.input(Input::Tick);
        let mut asked = Box::pin(handle.operator("test", Command::CancelAll));
        assert!(futures::poll!(asked.as_mut()).is_pending(), "asked, and nobody has answered");
        assert!(matches!(inbox.next().await, Some(Message::Operator { command: Command::CancelAll, .. })));
        assert!(matches!(inbox.next().await, Some(Message::Input(_))));
    }
}
