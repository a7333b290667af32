use std::hint::black_box;

use anyhow::ensure;

use super::super::report::{Figure, Goal, Measure};
use super::super::stage::{Stage, quantile};
use super::{Keys, figure, order};
use crate::domain::order::Order;
use crate::venues::kalshi::address::ApiAddress;
use crate::venues::kalshi::translate::Route;
use crate::venues::kalshi::{Client, ClientSettings, KeyId, SigningKey};

const WARM_UP: usize = 20;
const SAMPLES: usize = 500;
/// Long enough for the signature of a real request.
const TEXT: &[u8] = b"1795385295258POST/trade-api/v2/portfolio/events/orders";

/// What was measured of one way to sign.
struct Round {
    nanos: Vec<i64>,
    /// RSA operations that a request waited for.
    rsa_waited_for: u64,
}

pub async fn run(stage: &Stage, keys: &Keys) -> anyhow::Result<Vec<Figure>> {
    let (stage, keys) = (stage.clone(), keys.clone());
    stage.clone().on_a_thread(move |_| measure(&stage, &keys)).await
}

fn measure(stage: &Stage, keys: &Keys) -> anyhow::Result<Vec<Figure>> {
    let (mut pooled, mut inline) = (on_one_thread(stage, keys.rsa()?, true)?, on_one_thread(stage, keys.rsa()?, false)?);
    let mut ed25519 = on_one_thread(stage, keys.ed25519()?, false)?;
    ensure!(inline.rsa_waited_for as usize == WARM_UP + SAMPLES, "a request signed inline found headers ready");
    let (rsa_alone, ed25519_alone) = (alone(stage, &keys.rsa()?)?, alone(stage, &keys.ed25519()?)?);
    let inline_median = quantile(&mut inline.nanos, 500);
    let built = |round: &mut Round, per_mille: usize| Measure::Nanos(quantile(&mut round.nanos, per_mille));
    Ok(vec![
        figure(
            "order + headers, RSA from the ready pool, p50",
            built(&mut pooled, 500),
            Some(("the same signed inline", Measure::Nanos(inline_median))),
            Goal::None,
        ),
        figure("order + headers, RSA from the ready pool, p99", built(&mut pooled, 990), None, Goal::None),
        figure(
            format!("RSA operations that {} of these waited for", WARM_UP + SAMPLES),
            Measure::Count(pooled.rsa_waited_for as i64),
            None,
            Goal::Below(Measure::Count(1)),
        ),
        figure(
            "order + headers, RSA signed inline, p50",
            Measure::Nanos(inline_median),
            Some(("RSA signature alone", Measure::Nanos(rsa_alone))),
            Goal::None,
        ),
        figure(
            "order + headers, Ed25519, p50",
            built(&mut ed25519, 500),
            Some(("Ed25519 signature alone", Measure::Nanos(ed25519_alone))),
            Goal::None,
        ),
    ])
}

/// On one thread the task that fills the pool runs only while this one waits: `pooled` waits for it before each
/// request, and otherwise never does.
fn on_one_thread(stage: &Stage, key: SigningKey, pooled: bool) -> anyhow::Result<Round> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let settings = ClientSettings::new(ApiAddress::new("http://127.0.0.1:9/trade-api/v2")?);
        let client = Client::new(settings, KeyId::new("bench")?, key, stage.clock().clone())?;
        let mut nanos = Vec::with_capacity(SAMPLES);
        for number in 0..WARM_UP + SAMPLES {
            let order = order(stage, number as u64)?;
            while pooled && client.signer().ready() == 0 {
                tokio::task::yield_now().await;
            }
            let begun = stage.nanos();
            black_box(build(&client, &order)?);
            let taken = stage.nanos() - begun;
            if number >= WARM_UP {
                nanos.push(taken);
            }
        }
        Ok(Round { nanos, rsa_waited_for: client.signer().rsa_on_hot_path() })
    })
}

fn build(client: &Client, order: &Order) -> anyhow::Result<reqwest::Request> {
    let route = Route { exchange_index: Some(0), order_group: Some("11111111-2222-3333-4444-555555555555".to_owned()), subaccount: None };
    Ok(client.request(&Client::create_ask(order, &route)?)?)
}

fn alone(stage: &Stage, key: &SigningKey) -> anyhow::Result<i64> {
    let mut nanos = Vec::with_capacity(SAMPLES);
    for _ in 0..SAMPLES {
        let begun = stage.nanos();
        black_box(key.sign(TEXT)?);
        nanos.push(stage.nanos() - begun);
    }
    Ok(quantile(&mut nanos, 500))
}
