use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::accept_async;

use super::super::address::ApiAddress;
use super::super::auth::KeyId;
use super::super::client::ClientSettings;
use super::super::key::SigningKey;
use super::super::key::tests::ED25519;
use super::*;
use crate::clock::Clock;
use crate::domain::report::VenueMode;

struct Rig {
    listener: TcpListener,
    client: Arc<Client>,
    handle: Option<StreamHandle>,
    events: mpsc::Receiver<StreamEvent>,
}

impl Rig {
    async fn new(change: impl FnOnce(&mut StreamSettings)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("port");
        let at: SocketAddr = listener.local_addr().expect("address");
        let api = ApiAddress::new(&format!("http://{at}/trade-api/v2")).expect("api");
        let key = SigningKey::from_pem(ED25519.as_bytes()).expect("key");
        let client = Client::new(ClientSettings::new(api), KeyId::new("k").expect("id"), key, Clock::system()).expect("client");
        let client = Arc::new(client);
        let mut settings = StreamSettings::new(WsAddress::new(&format!("ws://{at}/trade-api/ws/v2")).expect("ws"));
        (settings.back_off_ms, settings.back_off_ms_max) = (2, 10);
        change(&mut settings);
        let (sender, events) = mpsc::channel(64);
        let handle = start(Arc::clone(&client), settings, sender);
        Self { listener, client, handle: Some(handle), events }
    }

    async fn accept(&self) -> WebSocketStream<TcpStream> {
        let (socket, _) = self.listener.accept().await.expect("connection");
        accept_async(socket).await.expect("handshake")
    }

    async fn next(&mut self) -> StreamEvent {
        self.events.recv().await.expect("event")
    }
}

/// The next command of the client, whatever lies between.
async fn command(socket: &mut WebSocketStream<TcpStream>) -> serde_json::Value {
    loop {
        if let Message::Text(text) = socket.next().await.expect("open").expect("frame") {
            return serde_json::from_str(text.as_str()).expect("command");
        }
    }
}

async fn tell(socket: &mut WebSocketStream<TcpStream>, text: &str) {
    socket.send(Message::text(format!("{text}\n"))).await.expect("sent");
}

async fn confirm_all(socket: &mut WebSocketStream<TcpStream>) {
    for sid in 1..=5 {
        let asked = command(socket).await;
        let channel = asked["params"]["channels"][0].as_str().expect("channel").to_owned();
        tell(socket, &format!(r#"{{"type":"subscribed","id":{},"msg":{{"channel":"{channel}","sid":{sid}}}}}"#, asked["id"])).await;
    }
}

#[tokio::test]
async fn fills_are_told_damage_is_skipped_and_a_break_is_mended() {
    let mut rig = Rig::new(|_| {}).await;
    let mut socket = rig.accept().await;
    confirm_all(&mut socket).await;
    assert_eq!(rig.next().await, StreamEvent::Up);
    rig.client.standing().reconciled(0);
    tell(&mut socket, "{damaged").await;
    let fill = r#"{"type":"fill","sid":1,"msg":{"trade_id":"f-1","order_id":"o-1","market_ticker":"T-1","is_taker":true,"book_side":"bid",
        "yes_price_dollars":"0.75","count_fp":"2.00","fee_cost":"0.01","ts_ms":1671899397000}}"#;
    tell(&mut socket, fill).await;
    let StreamEvent::News(VenueNews::Traded(fill)) = rig.next().await else { panic!("fill") };
    assert_eq!(fill.trade_id.as_str(), "f-1");
    assert_eq!(rig.handle.as_ref().expect("handle").counters().unreadable.load(Ordering::Relaxed), 1);
    drop(socket);
    assert!(matches!(rig.next().await, StreamEvent::Down { .. }));
    assert_eq!(rig.client.standing().watch().borrow().mode, VenueMode::Reconciling);
    let mut socket = rig.accept().await;
    confirm_all(&mut socket).await;
    assert_eq!(rig.next().await, StreamEvent::Up);
}

#[tokio::test]
async fn markets_are_watched_while_it_runs() {
    let mut rig = Rig::new(|_| {}).await;
    let mut socket = rig.accept().await;
    confirm_all(&mut socket).await;
    assert_eq!(rig.next().await, StreamEvent::Up);
    rig.handle.as_ref().expect("handle").watch(&MarketId::new("A").expect("ticker"));
    let asked = command(&mut socket).await;
    assert_eq!(asked["params"]["market_tickers"][0], "A");
    tell(&mut socket, &format!(r#"{{"type":"subscribed","id":{},"msg":{{"channel":"orderbook_delta","sid":9}}}}"#, asked["id"])).await;
    let snapshot = r#"{"type":"orderbook_snapshot","sid":9,"seq":1,"msg":{"market_ticker":"A","yes_dollars_fp":[["0.47","3.00"]]}}"#;
    tell(&mut socket, snapshot).await;
    assert!(matches!(rig.next().await, StreamEvent::News(VenueNews::Quote { quote, .. }) if quote.bid.is_some() && quote.ask.is_none()));
    assert!(matches!(rig.next().await, StreamEvent::Touch { .. }));
}

#[tokio::test]
async fn a_silent_connection_is_given_up() {
    let mut rig = Rig::new(|settings| (settings.ping_every_ms, settings.silence_ms_max) = (5, 20)).await;
    // Accepted by the kernel alone after the handshake: nobody answers the pings.
    let socket = rig.accept().await;
    let StreamEvent::Down { why } = rig.next().await else { panic!("down") };
    assert!(why.contains("not one frame"), "{why}");
    drop(socket);
}

#[tokio::test]
async fn a_refused_key_halts_the_venue() {
    let mut rig = Rig::new(|_| {}).await;
    let (mut socket, _) = rig.listener.accept().await.expect("connection");
    let body = r#"{"error":{"code":"authentication_error","message":"authentication_error","details":"NOT_FOUND"}}"#;
    let answer = format!("HTTP/1.1 401 Unauthorized\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    // The whole request is read first: closing over unread bytes would reset the connection under the answer.
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(tokio::io::AsyncReadExt::read_u8(&mut socket).await.expect("request"));
    }
    let request = String::from_utf8_lossy(&request).to_lowercase();
    for header in ["kalshi-access-key: k", "kalshi-access-timestamp: ", "kalshi-access-signature: "] {
        assert!(request.contains(header), "{request}");
    }
    tokio::io::AsyncWriteExt::write_all(&mut socket, answer.as_bytes()).await.expect("answer");
    assert!(matches!(rig.next().await, StreamEvent::Down { .. }));
    assert_eq!(rig.client.standing().watch().borrow().mode, VenueMode::Halted);
}

#[tokio::test]
async fn the_stream_ends_with_its_handle() {
    let mut rig = Rig::new(|_| {}).await;
    let mut socket = rig.accept().await;
    confirm_all(&mut socket).await;
    assert_eq!(rig.next().await, StreamEvent::Up);
    rig.handle = None;
    assert_eq!(rig.events.recv().await, None);
}
