use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;

use super::super::report::{Figure, Goal, Measure};
use super::super::sink::{SAMPLES, Sink, WARM_UP, raw};
use super::super::stage::{Stage, quantile};
use super::figure;
use super::sign::{OWNER, TICK, key, order, signer};
use crate::domain::report::SubmitOutcome;
use crate::domain::verdict::ApprovedOrder;
use crate::venues::polymarket::hosts::{HttpBase, WS, WsBase};
use crate::venues::polymarket::{ApiCredentials, Client, ClientSettings, PolymarketVenue};

/// Our own budget of 40 orders a second is not what is measured here.
const PAUSE: Duration = Duration::from_millis(26);
/// Thirty-two bytes, as the venue writes them.
const SECRET: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// From `submit` being called with an approved order and its signed bytes until a thread at the other end of the socket has
/// read the last byte of its request: unsealing, body, HMAC, HTTP. The order was signed beside its verdict.
pub async fn run(stage: &Stage) -> anyhow::Result<Vec<Figure>> {
    let mut sink = Sink::open(stage.clock().clone(), "200 OK")?;
    let settings = ClientSettings::new(HttpBase::new("the sink", &format!("http://{}", sink.address))?, WsBase::new("no stream", WS)?);
    let key = key()?;
    let signer = signer(&key)?;
    let client = Client::new(settings, Some(super::sign::signer(&key)?), stage.clock().clone())?;
    let venue = PolymarketVenue::new(Arc::new(client));
    venue.connect(Some(ApiCredentials::new(OWNER, SECRET, "passphrase")?)).await?;
    let (mut ours, mut bytes) = (Vec::new(), Vec::new());
    for number in 0..WARM_UP + SAMPLES {
        let order = order(stage, number)?;
        let signed = signer.sign(&order, TICK, false)?;
        sink.answer(&format!(
            r#"{{"success":true,"errorMsg":"","orderID":"{}","status":"live","makingAmount":"","takingAmount":""}}"#,
            signed.venue_order_id
        ));
        let approved = ApprovedOrder::after_durable_approval(order);
        tokio::time::sleep(PAUSE).await;
        let begun = stage.nanos();
        let (outcome, _) = venue.submit(&approved, &signed).await;
        ensure!(matches!(outcome, SubmitOutcome::Acked { .. }), "the sink's answer is not taken: {outcome:?}");
        let arrived = sink.next().await?;
        bytes = arrived.bytes;
        if number >= WARM_UP {
            ours.push(arrived.at - begun);
        }
    }
    let mut plain = raw(stage, &mut sink, &bytes, PAUSE).await?;
    let whole = |what: &str, ours: i64, plain: i64| {
        let baseline = Some(("the same bytes, ready made", Measure::Nanos(plain)));
        figure(what, Measure::Nanos(ours), baseline, Goal::None)
    };
    Ok(vec![
        whole("approved to request at the socket's other end, p50", quantile(&mut ours, 500), quantile(&mut plain, 500)),
        whole("approved to request at the socket's other end, p99", quantile(&mut ours, 990), quantile(&mut plain, 990)),
    ])
}
