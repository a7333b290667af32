use std::time::Duration;

use axum::Router;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::routing::any;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::super::scripted::{YES, order_row, trade_row, venue};
use super::*;

/// Each connection: its path, and the socket.
type Arrivals = UnboundedReceiver<(&'static str, WebSocket)>;

async fn server() -> (String, Arrivals) {
    let (tell, arrivals) = unbounded_channel();
    let at = |path: &'static str, tell: UnboundedSender<(&'static str, WebSocket)>| {
        any(move |upgrade: WebSocketUpgrade| async move { upgrade.on_upgrade(async move |socket| drop(tell.send((path, socket)))) })
    };
    let router = Router::new().route("/user", at("user", tell.clone())).route("/market", at("market", tell));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("port");
    let base = format!("http://{}", listener.local_addr().expect("address"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (base, arrivals)
}

async fn heard(socket: &mut WebSocket) -> String {
    match tokio::time::timeout(Duration::from_secs(5), socket.recv()).await.expect("in time") {
        Some(Ok(Message::Text(text))) => text.as_str().to_owned(),
        other => panic!("{other:?}"),
    }
}

async fn say(socket: &mut WebSocket, text: &str) {
    socket.send(Message::Text(text.into())).await.expect("sent");
}

async fn next(events: &mut mpsc::Receiver<StreamEvent>) -> StreamEvent {
    tokio::time::timeout(Duration::from_secs(5), events.recv()).await.expect("in time").expect("event")
}

fn settings() -> StreamSettings {
    StreamSettings { back_off_ms: 2, back_off_ms_max: 4, ..StreamSettings::default() }
}

#[tokio::test]
async fn the_account_is_heard_after_the_first_answer_and_read_anew_after_a_break() {
    let (base, mut arrivals) = server().await;
    let (venue, _hand) = venue(&base);
    venue.client().standing().reconciled(0);
    let (sender, mut events) = mpsc::channel(64);
    let handle = start(Arc::clone(&venue), settings(), sender);
    let (path, mut socket) = arrivals.recv().await.expect("connection");
    let hello: serde_json::Value = serde_json::from_str(&heard(&mut socket).await).expect("JSON");
    assert_eq!((path, &hello["type"], hello["auth"]["passphrase"].as_str()), ("user", &"user".into(), Some("pass'phrase")));
    assert_eq!(heard(&mut socket).await, "PING");
    say(&mut socket, "PONG").await;
    assert_eq!(next(&mut events).await, StreamEvent::Up);
    let order = order_row("0xab", "LIVE", "0").replacen('{', r#"{"event_type":"order","type":"PLACEMENT","#, 1);
    let trade = trade_row("t-1", "0xab", "4", "MATCHED").replace("TRADE_STATUS_", "").replacen('{', r#"{"event_type":"trade","#, 1);
    say(&mut socket, &format!("[{order},{trade}]")).await;
    assert!(matches!(next(&mut events).await, StreamEvent::News(VenueNews::Listed(_))));
    assert!(matches!(next(&mut events).await, StreamEvent::News(VenueNews::Traded(fill)) if fill.fee.is_none()), "no schedule is known");
    say(&mut socket, &order.replace(r#""price":"0.52","#, "")).await;
    assert!(matches!(next(&mut events).await, StreamEvent::Silent { .. }), "what can't be read has to be asked for");
    drop(socket);
    assert!(matches!(next(&mut events).await, StreamEvent::Down { .. }));
    assert_eq!(venue.state().borrow().mode, crate::domain::report::VenueMode::Reconciling);
    let (_, mut again) = arrivals.recv().await.expect("it comes back");
    assert!(heard(&mut again).await.contains("\"auth\""));
    handle.renew_account();
    assert!(matches!(next(&mut events).await, StreamEvent::Down { .. }));
}

#[tokio::test]
async fn books_have_a_stream_of_their_own_and_void_with_it() {
    let (base, mut arrivals) = server().await;
    let (venue, _hand) = venue(&base);
    let (sender, mut events) = mpsc::channel(64);
    let handle = start(venue, StreamSettings { account: false, ..settings() }, sender);
    handle.watch(&TokenId::new(YES).expect("token"));
    let (path, mut socket) = arrivals.recv().await.expect("connection");
    assert_eq!(path, "market");
    assert!(heard(&mut socket).await.contains(YES));
    let book = format!(r#"{{"event_type":"book","asset_id":"{YES}","bids":[{{"price":"0.4","size":"1"}}],"asks":[],"timestamp":"1"}}"#);
    say(&mut socket, &book).await;
    assert!(matches!(next(&mut events).await, StreamEvent::Touch { top, .. } if top.quote.bid == Some(Price::from_micros(400_000))));
    drop(socket);
    assert!(matches!(next(&mut events).await, StreamEvent::Touch { top, .. } if top == TopOfBook::default()));
    assert!(matches!(next(&mut events).await, StreamEvent::BooksDown { .. }));
    let (_, mut again) = arrivals.recv().await.expect("it comes back");
    assert!(heard(&mut again).await.contains(YES));
    say(&mut again, &book.replace(r#""price":"0.4""#, r#""price":"x""#)).await;
    assert!(matches!(next(&mut events).await, StreamEvent::BooksDown { .. }), "a book that can't be read is not kept");
    drop(handle);
    assert!(tokio::time::timeout(Duration::from_secs(5), async { while events.recv().await.is_some() {} }).await.is_ok());
}
