//! A strategy as others would write it: a NATS client that publishes JSON and reads the answers.

use std::sync::{Arc, Mutex};

use async_nats::Client;
use bytes::Bytes;
use futures::StreamExt;
use serde_json::{Value, json};

use crate::support::until;

pub const ANSWERS: &str = "answers.paper.main";

pub struct Strategy {
    pub client: Client,
    answers: Arc<Mutex<Vec<Value>>>,
}

impl Strategy {
    /// Connects and listens to the answers from now on.
    pub async fn connect(url: &str) -> Self {
        // In tests the server may be away for longer than the client likes to wait.
        let options = async_nats::ConnectOptions::new().retry_on_initial_connect().max_reconnects(None);
        Self::over(options.connect(url).await.expect("connection to nats-server")).await
    }

    /// The same over a connection that is there.
    pub async fn over(client: Client) -> Self {
        let mut subscription = client.subscribe(ANSWERS).await.expect("subscribe");
        client.flush().await.expect("flush");
        let answers: Arc<Mutex<Vec<Value>>> = Arc::default();
        let heard = Arc::clone(&answers);
        tokio::spawn(async move {
            while let Some(message) = subscription.next().await {
                let answer = serde_json::from_slice(&message.payload).expect("an answer is JSON");
                heard.lock().expect("lock").push(answer);
            }
        });
        Self { client, answers }
    }

    pub async fn send_raw(&self, subject: &str, payload: impl Into<Bytes>) {
        self.client.publish(subject.to_owned(), payload.into()).await.expect("publish");
        self.client.flush().await.expect("flush");
    }

    pub async fn send(&self, signal: &Value) {
        self.send_raw("signals.kalshi", signal.to_string()).await;
    }

    /// Sends and waits for the first answer.
    pub async fn ask(&self, signal: &Value) -> Value {
        self.send(signal).await;
        self.answer(signal["signal_id"].as_str().expect("an id")).await
    }

    /// The first answer to a signal.
    pub async fn answer(&self, id: &str) -> Value {
        self.answer_number(id, 1).await
    }

    /// The answer with this number, from 1, to a signal.
    pub async fn answer_number(&self, id: &str, number: usize) -> Value {
        let found = |answers: &[Value]| answers.iter().filter(|answer| answer["signal_id"] == id).nth(number - 1).cloned();
        until(&format!("answer {number} to {id}"), async || found(&self.heard())).await
    }

    /// Everything heard so far.
    pub fn heard(&self) -> Vec<Value> {
        self.answers.lock().expect("lock").clone()
    }

    pub fn heard_count(&self) -> usize {
        self.answers.lock().expect("lock").len()
    }

    /// The first answer after the first `heard` ones.
    pub async fn next_after(&self, heard: usize) -> Value {
        until("another answer", async || self.heard().into_iter().nth(heard)).await
    }
}

/// Buys ten contracts at 50 c that are shown at 50 c, with an edge; game by market.
pub fn open(id: &str, market: &str) -> Value {
    json!({
        "signal_id": id, "market_id": market, "side": "yes", "limit_price": "0.50", "size": "10", "size_unit": "contracts",
        "model_prob": "0.60", "yes_bid": "0.48", "yes_ask": "0.50", "tif": "ioc",
    })
}

/// Sells ten contracts at 48 c or better.
pub fn close(id: &str, market: &str) -> Value {
    with(open(id, market), json!({ "action": "close", "limit_price": "0.48" }))
}

/// With some fields replaced or added.
pub fn with(mut signal: Value, fields: Value) -> Value {
    for (name, value) in fields.as_object().expect("fields") {
        signal[name] = value.clone();
    }
    signal
}

/// The reasons of an answer or of `explain`, by name.
pub fn reasons(answer: &Value) -> Vec<String> {
    let list = answer["reasons"].as_array().expect("reasons");
    list.iter().map(|failure| failure["reason"].as_str().expect("a reason").to_owned()).collect()
}
