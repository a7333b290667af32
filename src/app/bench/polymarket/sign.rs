use std::hint::black_box;
use std::sync::Arc;

use anyhow::Context;
use ring::rand::{SecureRandom, SystemRandom};

use super::super::report::{Figure, Goal, Measure};
use super::super::stage::{Stage, quantile};
use super::figure;
use crate::domain::ids::{GameId, Instance, MarketId, Mode, OrderId, SignalId, TokenId};
use crate::domain::market::{FeeRate, Instrument, Outcome, Venue};
use crate::domain::money::{Price, Quantity};
use crate::domain::order::{Action, Groups, Order, Stance, TimeInForce};
use crate::venues::polymarket::contracts::{Chain, VERSION_TOKENS};
use crate::venues::polymarket::{OrderSigner, SignatureType, Wallet, WalletKey};

pub const TOKEN: &str = "71321045679252212594626385532706912750332728571942532289631379312455583992563";
pub const OWNER: &str = "00000000-0000-0000-0000-000000000001";
pub const TICK: Price = Price::from_micros(10_000);
const WARM_UP: usize = 100;
const SAMPLES: usize = 2_000;
const LIFE_MS: i64 = 180_000;

pub async fn run(stage: &Stage) -> anyhow::Result<Vec<Figure>> {
    let key = key()?;
    let signer = signer(&key)?;
    #[cfg(feature = "official-client")]
    let official = Some(super::official::Official::new(stage, &key, &signer).await?);
    #[cfg(not(feature = "official-client"))]
    let official: Option<Never> = {
        stage.say("polymarket: built without the official client, so nothing to compare with; ./run bench builds it in, as does cargo's --features official-client");
        None
    };
    let (mut ours, mut theirs, mut alone) = (Vec::new(), Vec::new(), Vec::new());
    // One order each in turns: what else the machine does then weighs on both.
    for number in 0..WARM_UP + SAMPLES {
        let order = order(stage, number)?;
        let begun = stage.nanos();
        let signed = signer.sign(&order, TICK, false)?;
        black_box(signer.body(&signed, OWNER)?);
        let taken = stage.nanos() - begun;
        let official = match &official {
            Some(official) => Some(official.timed(stage).await?),
            None => None,
        };
        let begun = stage.nanos();
        black_box(signer.wallet().key().sign(alloy_primitives::B256::repeat_byte(number as u8)));
        let signature = stage.nanos() - begun;
        if number >= WARM_UP {
            ours.push(taken);
            theirs.extend(official);
            alone.push(signature);
        }
    }
    let median = |nanos: &mut Vec<i64>| Measure::Nanos(quantile(nanos, 500));
    let baseline = (!theirs.is_empty()).then(|| ("the official Rust client 0.9.0", median(&mut theirs)));
    let goal = if baseline.is_some() { Goal::RatioAtMost(500) } else { Goal::None };
    Ok(vec![
        figure("order built, hashed, signed, body, p50", median(&mut ours), baseline, goal),
        figure("the signature alone, p50", median(&mut alone), None, Goal::None),
        figure("order built, hashed, signed, body, p99", Measure::Nanos(quantile(&mut ours, 990)), None, Goal::None),
    ])
}

/// Stands in for the official client where it isn't built in: there never is one.
#[cfg(not(feature = "official-client"))]
enum Never {}

#[cfg(not(feature = "official-client"))]
impl Never {
    async fn timed(&self, _: &Stage) -> anyhow::Result<i64> {
        match *self {}
    }
}

/// A throw-away key, as text.
pub fn key() -> anyhow::Result<String> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).map_err(|_| anyhow::anyhow!("no randomness for a key"))?;
    Ok(alloy_primitives::hex::encode(bytes))
}

pub fn signer(key: &str) -> anyhow::Result<OrderSigner> {
    let key = Arc::new(WalletKey::from_text(key).context("a random key")?);
    Ok(OrderSigner::new(Wallet::new(key, SignatureType::Eoa, None)?, Chain::Polygon, VERSION_TOKENS)?)
}

/// A resting buy of ten shares.
pub fn order(stage: &Stage, number: usize) -> anyhow::Result<Order> {
    let signal_id = SignalId::new(&format!("bench-{number}"))?;
    let now = stage.wall();
    Ok(Order {
        order_id: OrderId::of(&Instance::new("bench")?, Mode::Live, &signal_id, 0, 0),
        signal_id,
        revision: 0,
        instrument: Instrument {
            venue: Venue::Polymarket,
            market: MarketId::new("0xbench")?,
            token: Some(TokenId::new(TOKEN)?),
            outcome: Outcome::Yes,
        },
        action: Action::Buy,
        quantity: Quantity::whole(10),
        limit: Price::from_micros(520_000),
        tif: TimeInForce::Gtd,
        expires_at: now.plus_ms(LIFE_MS),
        venue_expires_at: now.plus_ms(LIFE_MS),
        created_at: Some(now),
        fee: FeeRate { taker_micros: 0, maker_micros: 0, exponent: 1 },
        groups: Groups {
            game: GameId::new("bench")?,
            sport: "bench".into(),
            stance: Stance { subject: "bench".into(), wins: true, contest: false },
        },
    })
}
