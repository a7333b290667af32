//! The way of an order to Kalshi, and of its news back: signatures, bytes on a socket, frames.

/// Frames of the stream.
mod decode;
/// An order's request, built and signed.
mod headers;
/// An approved order until its bytes are at the other end of a socket.
mod socket;

use anyhow::Context;
use rsa::pkcs8::{EncodePrivateKey as _, LineEnding};

use super::report::{Figure, Goal, Measure};
use super::stage::Stage;
use crate::domain::fees::KALSHI;
use crate::domain::ids::{GameId, Instance, MarketId, Mode, OrderId, SignalId};
use crate::domain::market::{Instrument, Outcome, Venue};
use crate::domain::money::{Price, Quantity};
use crate::domain::order::{Action, Groups, Order, Stance, TimeInForce};
use crate::venues::kalshi::SigningKey;

pub const TICKER: &str = "KXBENCH-26NOV22-A";
const RSA_BITS: usize = 2_048;
/// The age at which a resting order is cancelled by the venue itself.
const LIFE_MS: i64 = 60_000;

pub async fn run(stage: &Stage) -> anyhow::Result<Vec<Figure>> {
    let keys = stage.on_a_thread(|_| Keys::new()).await?;
    let mut figures = headers::run(stage, &keys).await?;
    stage.say("kalshi: requests are built and signed");
    figures.extend(socket::run(stage, keys.rsa()?).await?);
    stage.say("kalshi: requests are at the socket");
    figures.extend(stage.on_a_thread(decode::run).await?);
    Ok(figures)
}

/// Throw-away keys of both kinds, made anew in each run.
#[derive(Clone)]
pub struct Keys {
    rsa: String,
    ed25519: Vec<u8>,
}

impl Keys {
    fn new() -> anyhow::Result<Self> {
        let rsa = rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, RSA_BITS)?.to_pkcs8_pem(LineEnding::LF)?.to_string();
        let ed25519 = ring::signature::Ed25519KeyPair::generate_pkcs8(&ring::rand::SystemRandom::new());
        let ed25519 = ed25519.map_err(|_| anyhow::anyhow!("no randomness for a key"))?.as_ref().to_vec();
        Ok(Self { rsa, ed25519 })
    }

    pub fn rsa(&self) -> anyhow::Result<SigningKey> {
        SigningKey::from_pem(self.rsa.as_bytes()).context("an RSA key")
    }

    pub fn ed25519(&self) -> anyhow::Result<SigningKey> {
        let pair = ring::signature::Ed25519KeyPair::from_pkcs8(&self.ed25519).map_err(|error| anyhow::anyhow!("{error}"))?;
        Ok(SigningKey::Ed25519(Box::new(pair)))
    }
}

/// A resting order for ten contracts.
pub fn order(stage: &Stage, number: u64) -> anyhow::Result<Order> {
    let signal_id = SignalId::new(&format!("bench-{number}"))?;
    let expires_at = stage.wall().plus_ms(LIFE_MS);
    Ok(Order {
        order_id: OrderId::of(&Instance::new("bench")?, Mode::Live, &signal_id, 0, 0),
        signal_id,
        revision: 0,
        instrument: Instrument { venue: Venue::Kalshi, market: MarketId::new(TICKER)?, token: None, outcome: Outcome::Yes },
        action: Action::Buy,
        quantity: Quantity::whole(10),
        limit: Price::from_micros(560_000),
        tif: TimeInForce::Gtd,
        expires_at,
        venue_expires_at: expires_at,
        created_at: None,
        fee: KALSHI,
        groups: Groups {
            game: GameId::new("bench")?,
            sport: "bench".into(),
            stance: Stance { subject: "bench".into(), wins: true, contest: false },
        },
    })
}

fn figure(what: impl Into<String>, measured: Measure, baseline: Option<(&'static str, Measure)>, goal: Goal) -> Figure {
    Figure { bench: "kalshi", what: what.into(), measured, baseline, goal }
}
