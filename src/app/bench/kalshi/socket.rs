use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::super::report::{Figure, Goal, Measure};
use super::super::stage::{Stage, quantile};
use super::{figure, order};
use crate::clock::Clock;
use crate::domain::report::SubmitOutcome;
use crate::domain::verdict::ApprovedOrder;
use crate::venues::kalshi::address::ApiAddress;
use crate::venues::kalshi::rate::{Limit, Limits};
use crate::venues::kalshi::{Client, ClientSettings, KalshiVenue, KeyId, SigningKey};

const WARM_UP: usize = 50;
const SAMPLES: usize = 500;
/// Nothing on loopback takes so long.
const WAIT: Duration = Duration::from_secs(5);
/// Not what is measured here.
const LIMITLESS: Limit = Limit { per_second: 1_000_000, capacity: 1_000_000 };
const REPLY: &str =
    r#"{"order_id":"ee587a1c-8b87-4dcf-b721-9f6f790619fa","fill_count":"0.00","remaining_count":"10.00","ts_ms":1795385295258}"#;

/// From `submit` being called with an approved order until a thread at the other end of the socket has read the last
/// byte of its request. That thread's waking is in the figure, and in the baseline: the same bytes, ready made, written
/// to the same place.
pub async fn run(stage: &Stage, key: SigningKey) -> anyhow::Result<Vec<Figure>> {
    let mut sink = Sink::open(stage.clock().clone())?;
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
    let mut plain = raw(stage, &mut sink, &bytes).await?;
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

async fn raw(stage: &Stage, sink: &mut Sink, bytes: &[u8]) -> anyhow::Result<Vec<i64>> {
    let mut socket = tokio::net::TcpStream::connect(sink.address).await?;
    socket.set_nodelay(true)?;
    let mut samples = Vec::new();
    let mut reply = [0; 4_096];
    for number in 0..WARM_UP + SAMPLES {
        let begun = stage.nanos();
        socket.write_all(bytes).await?;
        ensure!(socket.read(&mut reply).await? > 0, "the sink has closed");
        let arrived = sink.next().await?;
        if number >= WARM_UP {
            samples.push(arrived.at - begun);
        }
    }
    Ok(samples)
}

struct Arrived {
    /// Monotonic, when the last byte had been read.
    at: i64,
    bytes: Vec<u8>,
}

/// A venue that takes every order; it reads on threads of its own.
struct Sink {
    address: SocketAddr,
    arrivals: UnboundedReceiver<Arrived>,
}

impl Sink {
    fn open(clock: Clock) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let (tell, arrivals) = unbounded_channel();
        let sink = Self { address: listener.local_addr()?, arrivals };
        // Ends with the process: the thread waits for connections only.
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let (tell, clock) = (tell.clone(), clock.clone());
                std::thread::spawn(move || take(socket, &clock, &tell));
            }
        });
        Ok(sink)
    }

    async fn next(&mut self) -> anyhow::Result<Arrived> {
        let arrived = tokio::time::timeout(WAIT, self.arrivals.recv()).await.context("no request arrived")?;
        arrived.context("the sink has ended")
    }
}

/// Requests of one connection, one after the other, until it ends.
fn take(mut socket: TcpStream, clock: &Clock, tell: &UnboundedSender<Arrived>) -> anyhow::Result<()> {
    socket.set_nodelay(true)?;
    let reply = format!("HTTP/1.1 201 Created\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{REPLY}", REPLY.len());
    let (mut bytes, mut part) = (Vec::new(), [0; 16_384]);
    loop {
        while !is_whole(&bytes)? {
            match socket.read(&mut part)? {
                0 => return Ok(()),
                read => bytes.extend_from_slice(&part[..read]),
            }
        }
        tell.send(Arrived { at: clock.now().mono.0, bytes: std::mem::take(&mut bytes) })?;
        socket.write_all(reply.as_bytes())?;
    }
}

fn is_whole(bytes: &[u8]) -> anyhow::Result<bool> {
    let Some(head) = bytes.windows(4).position(|end| end == b"\r\n\r\n") else { return Ok(false) };
    let text = std::str::from_utf8(&bytes[..head])?.to_ascii_lowercase();
    let Some(length) = text.lines().find_map(|line| line.strip_prefix("content-length:")) else { bail!("a request without a length") };
    Ok(bytes.len() >= head + 4 + length.trim().parse::<usize>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_whole_with_the_last_byte_of_its_body() {
        assert!(!is_whole(b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{").expect("request"));
        assert!(is_whole(b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}").expect("request"));
        assert!(!is_whole(b"POST / HTTP/1.1\r\nContent-Le").expect("request"));
        assert!(is_whole(b"POST / HTTP/1.1\r\n\r\n{}").is_err());
    }
}
