use std::hint::black_box;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::str::FromStr as _;

use alloy_primitives::{B256, U256};
use anyhow::{Context, ensure};
use polymarket_client_sdk_v2::POLYGON;
use polymarket_client_sdk_v2::auth::state::Authenticated;
use polymarket_client_sdk_v2::auth::{Credentials, LocalSigner, Normal, Signer, Uuid};
use polymarket_client_sdk_v2::clob::types::{OrderType, Side, SignedOrder, TickSize};
use polymarket_client_sdk_v2::clob::{Client, Config};
use polymarket_client_sdk_v2::types::{DateTime, Decimal, Utc};
use serde_json::Value;

use super::super::stage::Stage;
use super::sign::{OWNER, TOKEN};
use crate::domain::order::Action;
use crate::venues::polymarket::OrderSigner;
use crate::venues::polymarket::eip712::OrderFields;

const LIFE_S: i64 = 240;

/// The client as its own benchmark sets it up: what it would ask the venue for is in its caches.
pub struct Official<S> {
    client: Client<Authenticated<Normal>>,
    wallet: S,
    token: U256,
    expiration: DateTime<Utc>,
}

impl Official<()> {
    /// Errors: it doesn't sign what `ours` signs, and so wouldn't be a baseline.
    pub async fn new(stage: &Stage, key: &str, ours: &OrderSigner) -> anyhow::Result<Official<impl Signer + Sync>> {
        let wallet = LocalSigner::from_str(key)?.with_chain_id(Some(POLYGON));
        let host = version_server()?;
        let credentials = Credentials::new(Uuid::from_str(OWNER)?, "AAECAwQFBgcICQoLDA0ODw==".to_owned(), "bench".to_owned());
        let client = Client::new(&host, Config::default())?.authentication_builder(&wallet).credentials(credentials).authenticate().await?;
        let token = U256::from_str(TOKEN)?;
        client.set_tick_size(token, TickSize::Hundredth);
        client.set_neg_risk(token, false);
        ensure!(client.version().await? == 2, "the official client didn't read the version");
        let expiration = DateTime::from_timestamp(stage.wall().ms() / 1_000 + LIFE_S, 0).context("a time that is none")?;
        let official = Official { client, wallet, token, expiration };
        official.check(ours).await?;
        Ok(official)
    }
}

impl<S: Signer + Sync> Official<S> {
    /// The nanoseconds that one order takes.
    pub async fn timed(&self, stage: &Stage) -> anyhow::Result<i64> {
        let begun = stage.nanos();
        black_box(serde_json::to_vec(&self.signed().await?)?);
        Ok(stage.nanos() - begun)
    }

    async fn signed(&self) -> anyhow::Result<SignedOrder> {
        let order = self.client.limit_order().token_id(self.token).side(Side::Buy).order_type(OrderType::GTD);
        let order = order.price(Decimal::new(52, 2)).size(Decimal::new(10, 0)).expiration(self.expiration).build().await?;
        Ok(self.client.sign(&self.wallet, order).await?)
    }

    async fn check(&self, ours: &OrderSigner) -> anyhow::Result<()> {
        let body: Value = serde_json::to_value(&self.signed().await?)?;
        let order = &body["order"];
        let number = |name: &str| {
            let value = order[name].as_u64().or(order[name].as_str().and_then(|text| text.parse().ok()));
            value.with_context(|| format!("the official client's order has no {name}"))
        };
        let fields = OrderFields {
            salt: number("salt")?,
            maker: ours.wallet().maker(),
            signer: ours.wallet().signer(),
            token: self.token,
            maker_amount: number("makerAmount")?,
            taker_amount: number("takerAmount")?,
            action: Action::Buy,
            signature_type: 0,
            timestamp_ms: number("timestamp")?,
            metadata: B256::ZERO,
            builder: B256::ZERO,
        };
        let (_, signature) = ours.sign_fields(ours.domain(false), &fields);
        ensure!(order["signature"] == signature.text(), "the official client signs another order than ours");
        Ok(())
    }
}

/// Answers the one thing that can't be put into the client's caches, once.
fn version_server() -> anyhow::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let host = format!("http://{}", listener.local_addr()?);
    std::thread::spawn(move || -> std::io::Result<()> {
        let (mut stream, _) = listener.accept()?;
        let mut asked = Vec::new();
        let mut part = [0; 1024];
        while !asked.windows(4).any(|end| end == b"\r\n\r\n") {
            match stream.read(&mut part)? {
                0 => break,
                length => asked.extend_from_slice(&part[..length]),
            }
        }
        stream.write_all(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 13\r\nconnection: close\r\n\r\n{\"version\":2}",
        )
    });
    Ok(host)
}
