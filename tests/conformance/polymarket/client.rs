//! The whole client against the double, which shares no code with it: from a key to a settled, resolved holding.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use arbees::clock::Clock;
use arbees::domain::ids::{GameId, Instance, MarketId, Mode, OrderId, SignalId, TokenId};
use arbees::domain::market::{BookKey, FeeRate, Instrument, MarketStatus, Outcome, Settlement, Venue};
use arbees::domain::money::{Price, Quantity, Usd};
use arbees::domain::order::{Action, Groups, Order, Stance, TimeInForce};
use arbees::domain::report::{CancelOutcome, FillSettlement, Liquidity, LookUp, SubmitOutcome, VenueMode, VenueNews, VenueState};
use arbees::domain::time::Time;
use arbees::domain::verdict::ApprovedOrder;
use arbees::exchange::polymarket::{MarketSpec, Options, PolymarketExchange, Running, WalletOptions};
use arbees::venues::polymarket::contracts::Chain;
use arbees::venues::polymarket::heartbeat::{self, HeartbeatSettings};
use arbees::venues::polymarket::hosts::{HttpBase, WsBase};
use arbees::venues::polymarket::stream::{StreamEvent, StreamSettings, start};
use arbees::venues::polymarket::{Client, ClientSettings, OrderSigner, PolymarketVenue, SignatureType, Wallet, WalletKey};
use serde_json::{Value, json};
use tokio::sync::mpsc;

const KEY: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
const SLUG: &str = "will-it-rain";
const PATIENCE: Duration = Duration::from_secs(10);

struct Table {
    running: Running,
    venue: Arc<PolymarketVenue>,
    spec: MarketSpec,
    http: reqwest::Client,
}

impl Table {
    /// The crowd bids 100 at 0.47 and asks 100 at 0.52; the venue is connected.
    async fn set() -> Self {
        // A second installation keeps the first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let clock = Clock::system();
        let key = Arc::new(WalletKey::from_text(KEY).expect("key"));
        let spec = MarketSpec::open(SLUG, clock.now().wall);
        let wallets = vec![WalletOptions::eoa(&key.address().checksum())];
        let running =
            PolymarketExchange::start(Options { wallets, markets: vec![spec.clone()], ..Options::default() }).await.expect("double");
        let wallet = Wallet::new(key, SignatureType::Eoa, None).expect("wallet");
        let signer = OrderSigner::new(wallet, Chain::Polygon, 2).expect("signer");
        let base = HttpBase::new("POLY_CLOB_URL", &running.api_url()).expect("address");
        let ws = WsBase::new("POLY_WS_URL", &running.ws_url()).expect("address");
        let settings = ClientSettings {
            gamma: Some(HttpBase::new("POLY_GAMMA_URL", &running.gamma_url()).expect("address")),
            geoblock: Some(HttpBase::new("POLY_GEOBLOCK_URL", &format!("{}/api/geoblock", running.api_url())).expect("address")),
            ..ClientSettings::new(base, ws)
        };
        let client = Client::new(settings, Some(signer), clock).expect("client");
        let venue = Arc::new(PolymarketVenue::new(Arc::new(client)));
        venue.connect(None).await.expect("a key is created");
        let http = reqwest::Client::builder().no_proxy().build().expect("client");
        let table = Self { running, venue, spec, http };
        table.admin(&format!("/markets/{SLUG}/book"), json!({"bids": [["0.47", "100"]], "asks": [["0.52", "100"]]})).await;
        table
    }

    async fn admin(&self, path: &str, body: Value) -> Value {
        let answer = self.http.post(format!("{}{path}", self.running.admin_url())).json(&body).send().await.expect("admin");
        let status = answer.status();
        let text = answer.text().await.expect("admin");
        assert!(status.is_success(), "{path}: {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    fn token(&self, index: usize) -> TokenId {
        TokenId::new(&self.spec.tokens[index]).expect("token")
    }

    fn order(&self, name: &str, limit: &str, quantity: i64, tif: TimeInForce) -> Order {
        let signal_id = SignalId::new(name).expect("id");
        let now = self.venue.client().clock().now().wall;
        Order {
            order_id: OrderId::of(&Instance::new("main").expect("name"), Mode::Live, &signal_id, 0, 0),
            signal_id,
            revision: 0,
            instrument: Instrument {
                venue: Venue::Polymarket,
                market: MarketId::new(&self.spec.condition).expect("id"),
                token: Some(self.token(0)),
                outcome: Outcome::Yes,
            },
            action: Action::Buy,
            quantity: Quantity::whole(quantity),
            limit: Price::parse(limit).expect("price"),
            tif,
            expires_at: now.plus_ms(60_000),
            venue_expires_at: now.plus_ms(200_000),
            fee: FeeRate::new(50_000, 0),
            groups: Groups {
                game: GameId::new("g").expect("id"),
                sport: "s".into(),
                stance: Stance { subject: "m".into(), wins: true, contest: false },
            },
            created_at: Some(now),
        }
    }

    async fn submit(&self, order: &Order) -> (SubmitOutcome, Option<VenueState>) {
        let signed = self.venue.prepare(order).await.expect("signed");
        let (outcome, row) = self.venue.submit(&ApprovedOrder::after_durable_approval(order.clone()), &signed).await;
        (outcome, row.map(|row| row.state))
    }
}

fn key(id: &str) -> BookKey {
    BookKey { venue: Venue::Polymarket, id: MarketId::new(id).expect("id") }
}

#[tokio::test]
async fn a_resting_order_is_found_by_its_hash_and_cancelled() {
    let table = Table::set().await;
    table.venue.read_status().await.expect("status");
    let described = table.venue.describe(&key(&table.spec.condition)).await.expect("described");
    assert_eq!(described.markets.iter().map(|market| market.status).collect::<Vec<_>>(), [MarketStatus::Open; 2]);
    assert_eq!(described, table.venue.describe(&key(&table.spec.tokens[1])).await.expect("by token"));
    let order = table.order("s-1", "0.4", 10, TimeInForce::Gtd);
    let hash = table.venue.prepare(&order).await.expect("signed").venue_order_id;
    let now = Time::from_ms(table.venue.client().clock().now().wall.ms());
    let (before, _) = table.venue.look_up(&order, &hash, now).await;
    assert!(matches!(before, LookUp::Absent { .. }), "{before:?}");
    let (outcome, state) = table.submit(&order).await;
    assert!(matches!(&outcome, SubmitOutcome::Acked { venue_order_id, .. } if *venue_order_id == hash), "{outcome:?}");
    assert_eq!(state, Some(VenueState::Resting));
    let (again, _) = table.submit(&order).await;
    assert!(matches!(again, SubmitOutcome::Seen { .. }), "{again:?}");
    let (found, _) = table.venue.look_up(&order, &hash, now).await;
    let expected = |state| LookUp::Found { venue_order_id: hash.clone(), state, filled: Quantity::ZERO, matches: true };
    assert_eq!(found, expected(VenueState::Resting));
    let reading = table.venue.read_account(now, &BTreeSet::from([table.token(0)])).await.expect("account");
    let row = reading.open_orders.first().expect("it rests");
    assert!(row.has_terms_of(&order), "{row:?}");
    assert_eq!(table.venue.cancel(&order, &hash).await, CancelOutcome::Canceled { filled: Quantity::ZERO });
    assert_eq!(table.venue.cancel(&order, &hash).await, CancelOutcome::NotWorking);
    assert_eq!(table.venue.look_up(&order, &hash, now).await.0, expected(VenueState::Canceled));
}

#[tokio::test]
async fn a_crossing_order_is_filled_settled_and_paid_out() {
    let table = Table::set().await;
    let (sender, mut events) = mpsc::channel(1_024);
    let stream = start(Arc::clone(&table.venue), StreamSettings::default(), sender);
    let mut told = async |what: &str, mut fits: Box<dyn FnMut(&StreamEvent) -> bool>| {
        let found = tokio::time::timeout(PATIENCE, async {
            loop {
                let event = events.recv().await.expect("event");
                if fits(&event) {
                    return event;
                }
            }
        });
        found.await.unwrap_or_else(|_| panic!("the stream never tells of {what}"))
    };
    told("its rise", Box::new(|event| *event == StreamEvent::Up)).await;
    stream.watch(&table.token(0));
    let best = Some(Price::from_micros(520_000));
    told("the book", Box::new(move |event| matches!(event, StreamEvent::Touch { top, .. } if top.quote.ask == best))).await;
    let order = table.order("s-2", "0.53", 10, TimeInForce::Gtd);
    let (outcome, state) = table.submit(&order).await;
    assert!(matches!(outcome, SubmitOutcome::Acked { .. }), "{outcome:?}");
    assert_eq!(state, Some(VenueState::Executed));
    let settled = |wanted: FillSettlement| move |event: &StreamEvent| matches!(event, StreamEvent::News(VenueNews::Traded(fill)) if fill.settlement == wanted);
    let event = told("the match", Box::new(settled(FillSettlement::Provisional))).await;
    let StreamEvent::News(VenueNews::Traded(fill)) = event else { panic!("{event:?}") };
    assert_eq!((fill.quantity, fill.liquidity), (Quantity::whole(10), Liquidity::Taker));
    assert_eq!((fill.price, fill.fee), (Price::from_micros(520_000), Usd::parse("0.1248").ok()));
    told("the settlement", Box::new(settled(FillSettlement::Settled))).await;
    let none = BTreeSet::new();
    let reading = table.venue.read_account(Time::default(), &none).await.expect("account");
    assert_eq!(reading.positions.iter().map(|held| held.signed).collect::<Vec<_>>(), [Quantity::whole(10)]);
    assert_eq!((reading.cash, reading.settlements.len()), (Usd::parse("994.6752").expect("usd"), 0));
    table.admin(&format!("/markets/{SLUG}/settle"), json!({"result": "void", "redeem": false})).await;
    let reading = table.venue.read_account(Time::default(), &none).await.expect("account");
    let ended: Vec<_> = reading.settlements.iter().map(|one| (one.settlement, one.revenue)).collect();
    assert_eq!(ended, [(Settlement::Scalar(Price::from_micros(500_000)), Usd::whole(5))], "still held: to be redeemed");
    drop(stream);
}

#[tokio::test]
async fn the_dead_mans_switch_is_held_and_the_doctor_finds_what_is_wrong() {
    let table = Table::set().await;
    let beats = heartbeat::start(Arc::clone(table.venue.client()), HeartbeatSettings { every_ms: 20, ..HeartbeatSettings::default() });
    tokio::time::sleep(Duration::from_millis(200)).await;
    drop(beats);
    assert_eq!(table.venue.state().borrow().mode, VenueMode::Reconciling, "every beat was accepted");
    let well = table.venue.doctor().await;
    assert_eq!(well.problems, [""; 0]);
    assert_eq!((well.version, well.closed_only, well.cash), (Some(2), Some(false), Some(Usd::whole(1_000))));
    table.admin("/allowance", json!({"amount": "0"})).await;
    table.admin("/cash", json!({"amount": "-1000"})).await;
    table.admin("/closed_only", json!({"closed_only": true})).await;
    let ill = table.venue.doctor().await;
    for word in ["no allowance", "no balance", "closed only"] {
        assert!(ill.problems.iter().any(|problem| problem.starts_with(word)), "{word}: {:?}", ill.problems);
    }
}
