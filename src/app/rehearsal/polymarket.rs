//! Polymarket's double on the stage.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use anyhow::Context;
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::{Value, json};

use super::truth::{money, rows, text};
use super::{Book, Double};
use crate::app::keys::write_private;
use crate::domain::ids::MarketId;
use crate::domain::market::{BookKey, Venue};
use crate::domain::money::{Quantity, Usd};
use crate::domain::time::Time;
use crate::exchange::polymarket::{MarketSpec, Options, PolymarketExchange, Running, WalletOptions};
use crate::projections::{OrderRecord, Projections};
use crate::venues::polymarket::WalletKey;

pub const SLUG: &str = "rehearsal-26nov24-a";

/// The double, the wallet that may trade there, and its markets by slug.
pub struct Polymarket {
    running: Running,
    key_path: PathBuf,
    /// The key's own address.
    pub owner: String,
    pub markets: BTreeMap<String, MarketSpec>,
}

impl Deref for Polymarket {
    type Target = Running;

    fn deref(&self) -> &Running {
        &self.running
    }
}

impl Polymarket {
    /// The book of an outcome of one of its markets.
    pub fn book_key(&self, market: &str, side: &str) -> BookKey {
        let token = &self.markets[market].tokens[usize::from(side == "no")];
        BookKey { venue: Venue::Polymarket, id: MarketId::new(token).expect("Invariant: a token id is a valid market id") }
    }
}

impl Double for Polymarket {
    const VENUE: Venue = Venue::Polymarket;
    type Options = Options;

    fn options() -> Options {
        Options::default()
    }

    fn usual_market() -> &'static str {
        SLUG
    }

    async fn open(folder: &Path, mut options: Options, markets: &[Book], now: Time) -> anyhow::Result<Self> {
        let mut secret = [0_u8; 32];
        SystemRandom::new().fill(&mut secret).map_err(|_| anyhow::anyhow!("no randomness for a key"))?;
        let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        let key_path = folder.join("polymarket.key");
        write_private(&key_path, hex.as_bytes())?;
        let owner = WalletKey::from_text(&hex)?.address().checksum();
        if options.wallets.is_empty() {
            options.wallets.push(WalletOptions::eoa(&owner));
        }
        let specs: Vec<MarketSpec> = markets.iter().map(|book| MarketSpec::open(&book.ticker, now)).collect();
        options.markets.extend(specs.iter().cloned());
        let markets = options.markets.iter().map(|spec| (spec.slug.clone(), spec.clone())).collect();
        Ok(Self { running: PolymarketExchange::start(options).await?, key_path, owner, markets })
    }

    fn admin_url(&self) -> String {
        self.running.admin_url()
    }

    fn api_url(&self) -> String {
        self.running.api_url()
    }

    fn settings(&self, stream: bool) -> Vec<(&'static str, String)> {
        let mut set = vec![
            ("POLY_PRIVATE_KEY_PATH", self.key_path.display().to_string()),
            ("POLY_CLOB_URL", self.running.api_url()),
            ("POLY_GAMMA_URL", self.running.gamma_url()),
            ("POLY_REQUEST_TIMEOUT_MS", "1000".to_owned()),
            ("POLY_RECONCILE_EVERY_MS", "1000".to_owned()),
        ];
        if stream {
            set.push(("POLY_WS_URL", self.running.ws_url()));
        }
        set
    }

    fn named(&self, market: &str, side: &str) -> Value {
        let spec = &self.markets[market];
        json!({ "market_id": spec.condition, "token_id": spec.tokens[usize::from(side == "no")] })
    }

    fn name_of(record: &OrderRecord) -> String {
        record.known_as.as_ref().or(record.venue_order_id.as_ref()).map(ToString::to_string).unwrap_or_default()
    }

    fn differences(truth: &Value, book: &Projections) -> Vec<String> {
        compared(truth, book).unwrap_or_else(|error| vec![format!("the venue's own books can't be read: {error}")])
    }

    async fn stop(self) {
        self.running.stop().await;
    }
}

/// What an order of the venue's own books has filled: trades that failed are as if they had never been.
pub fn filled(row: &Value) -> anyhow::Result<Quantity> {
    let fills = row["fills"].as_array().with_context(|| format!("no fills in {row}"))?;
    let counted = fills.iter().filter(|fill| fill["status"] != "FAILED");
    counted.map(|fill| Ok(Quantity::parse(text(fill, "quantity")?)?)).sum()
}

fn compared(truth: &Value, book: &Projections) -> anyhow::Result<Vec<String>> {
    let mut found = orders(truth, book)?;
    found.extend(positions(truth, book)?);
    found.extend(cash(truth, book)?);
    Ok(found)
}

fn orders(truth: &Value, book: &Projections) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    let ours: BTreeMap<String, &OrderRecord> = book.orders.iter().filter(|r| !r.external).map(|r| (Polymarket::name_of(r), r)).collect();
    for (hash, row) in rows(truth, "orders")? {
        let (source, status, filled) = (text(row, "source")?, text(row, "status")?, filled(row)?);
        match ours.get(hash) {
            _ if source == "website" => {}
            None => found.push(format!("the venue has order {hash}, which no intent asked for")),
            Some(record) if record.filled != filled => {
                found.push(format!("order {} ({}): {} filled here, {filled} there", record.order.order_id, record.state, record.filled));
            }
            Some(record) if record.is_done() == (status == "LIVE") => {
                found.push(format!("order {} is {} here and {status} there", record.order.order_id, record.state));
            }
            Some(_) => {}
        }
    }
    found.extend(book.orders.unknown().map(|record| format!("order {} is unknown", record.order.order_id)));
    Ok(found)
}

/// What is held, and what of it is settled.
fn positions(truth: &Value, book: &Projections) -> anyhow::Result<Vec<String>> {
    let mut theirs = BTreeMap::new();
    for (token, row) in rows(truth, "positions")? {
        theirs.insert(token.clone(), (Quantity::parse(text(row, "settled")?)?, Quantity::parse(text(row, "matched")?)?));
    }
    let known = book.positions.iter().filter(|(key, _)| key.venue == Venue::Polymarket);
    let ours: BTreeMap<String, (Quantity, Quantity)> = known
        .map(|(key, position)| {
            // Without what was bought and isn't final, and with what was sold and isn't.
            let (held, (least, most)) = (position.held(), position.may_be_shown_as());
            (key.id.to_string(), (least + most - held, held))
        })
        .collect();
    let tokens: std::collections::BTreeSet<&String> = theirs.keys().chain(ours.keys()).collect();
    let of = |side: &BTreeMap<String, (Quantity, Quantity)>, token: &String| side.get(token).copied().unwrap_or_default();
    let differ = tokens.into_iter().filter(|token| of(&theirs, token) != of(&ours, token));
    Ok(differ.map(|token| format!("{token}: settled and held {:?} here, {:?} there", of(&ours, token), of(&theirs, token))).collect())
}

fn cash(truth: &Value, book: &Projections) -> anyhow::Result<Option<String>> {
    let theirs: Usd = money(&truth["cash"], "matched")?;
    let Some(account) = book.cash.account(Venue::Polymarket) else { return Ok(Some(format!("no account here, ${theirs} there"))) };
    Ok((account.cash != theirs).then(|| format!("cash ${} here, ${theirs} there", account.cash)))
}
