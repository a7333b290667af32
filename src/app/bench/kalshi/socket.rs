use std::sync::Arc;

use anyhow::ensure;

use super::super::report::{Figure, Goal, Measure};
use super::super::sink::{SAMPLES, Sink, WARM_UP, raw};
use super::super::stage::{Stage, quantile};
use super::{figure, order};
use crate::domain::report::SubmitOutcome;
use crate::domain::verdict::ApprovedOrder;
use crate::venues::kalshi::address::ApiAddress;
use crate::venues::kalshi::rate::{Limit, Limits};
use crate::venues::kalshi::{Client, ClientSettings, KalshiVenue, KeyId, SigningKey};

/// Not what is measured here.
const LIMITLESS: Limit = Limit { per_second: 1_000_000, capacity: 1_000_000 };
const REPLY: &str =
    r#"{"order_id":"ee587a1c-8b87-4dcf-b721-9f6f790619fa","fill_count":"0.00","remaining_count":"10.00","ts_ms":1795385295258}"#;

/// From `submit` being called with an approved order until a thread at the other end of the socket has read the last
/// byte of its request. That thread's waking is in the figure, and in the baseline: the same bytes, ready made, written
/// to the same place.
pub async fn run(stage: &Stage, key: SigningKey) -> anyhow::Result<Vec<Figure>> {
    let mut sink = Sink::open(stage.clock().clone(), "201 Created")?;
    sink.answer(REPLY);
    let client = ClientSettings::new(ApiAddress::new(&format!("http://{}/trade-api/v2", sink.address))?);
    let client = Arc::new(Client::new(client, KeyId::new("bench")?, key, stage.clock().clone())?);
    client.budget().set_limits(Limits { read: LIMITLESS, write: LIMITLESS });
    let venue = KalshiVenue::new(Arc::clone(&client));
    let (mut ours, mut bytes) = (Vec::new(), Vec::new());
    for number in 0..WARM_UP + SAMPLES {
        let approved = ApprovedOrder::after_durable_approval(order(stage, number as u64)?);
        // Orders seldom come faster than their headers are signed.
        while client.signer().ready() == 0 {
            tokio::task::yield_now().await;
        }
        let begun = stage.nanos();
        let (outcome, _) = venue.submit(&approved).await;
        ensure!(matches!(outcome, SubmitOutcome::Acked { .. }), "the sink's answer is not taken: {outcome:?}");
        let arrived = sink.next().await?;
        bytes = arrived.bytes;
        if number >= WARM_UP {
            ours.push(arrived.at - begun);
        }
    }
    let waited_for = client.signer().rsa_on_hot_path();
    let mut plain = raw(stage, &mut sink, &bytes, std::time::Duration::ZERO).await?;
    let whole = |what: &str, ours: i64, plain: i64| {
        let baseline = Some(("the same bytes, ready made", Measure::Nanos(plain)));
        figure(what, Measure::Nanos(ours), baseline, Goal::None)
    };
    stage.say(&format!("kalshi: {waited_for} of {} submits waited for an RSA signature", WARM_UP + SAMPLES));
    Ok(vec![
        whole("approved to request at the socket's other end, p50", quantile(&mut ours, 500), quantile(&mut plain, 500)),
        whole("approved to request at the socket's other end, p99", quantile(&mut ours, 990), quantile(&mut plain, 990)),
    ])
}
