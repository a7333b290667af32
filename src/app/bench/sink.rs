//! A venue that takes every order, and tells when the last byte of its request was there.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::stage::Stage;
use crate::clock::Clock;

pub const WARM_UP: usize = 50;
pub const SAMPLES: usize = 500;
/// Nothing on loopback takes so long.
const WAIT: Duration = Duration::from_secs(5);

/// The same bytes, ready made, to the same place, as far apart: the baseline.
pub async fn raw(stage: &Stage, sink: &mut Sink, bytes: &[u8], pause: Duration) -> anyhow::Result<Vec<i64>> {
    let mut socket = tokio::net::TcpStream::connect(sink.address).await?;
    socket.set_nodelay(true)?;
    let mut samples = Vec::new();
    let mut reply = [0; 4_096];
    for number in 0..WARM_UP + SAMPLES {
        tokio::time::sleep(pause).await;
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

pub struct Arrived {
    /// Monotonic, when the last byte had been read.
    pub at: i64,
    pub bytes: Vec<u8>,
}

/// It reads on threads of its own.
pub struct Sink {
    pub address: SocketAddr,
    arrivals: UnboundedReceiver<Arrived>,
    answer: Arc<Mutex<String>>,
}

impl Sink {
    /// `status`: of every answer, with its reason.
    pub fn open(clock: Clock, status: &'static str) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let (tell, arrivals) = unbounded_channel();
        let answer = Arc::new(Mutex::new(String::new()));
        let sink = Self { address: listener.local_addr()?, arrivals, answer: Arc::clone(&answer) };
        // Ends with the process: the thread waits for connections only.
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let (tell, clock, answer) = (tell.clone(), clock.clone(), Arc::clone(&answer));
                std::thread::spawn(move || take(socket, status, &answer, &clock, &tell));
            }
        });
        Ok(sink)
    }

    /// What it says from now on.
    pub fn answer(&self, body: &str) {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = body.to_owned();
    }

    pub async fn next(&mut self) -> anyhow::Result<Arrived> {
        let arrived = tokio::time::timeout(WAIT, self.arrivals.recv()).await.context("no request arrived")?;
        arrived.context("the sink has ended")
    }
}

/// Requests of one connection, one after the other, until it ends.
fn take(mut socket: TcpStream, status: &str, answer: &Mutex<String>, clock: &Clock, tell: &UnboundedSender<Arrived>) -> anyhow::Result<()> {
    socket.set_nodelay(true)?;
    let (mut bytes, mut part) = (Vec::new(), [0; 16_384]);
    loop {
        while !is_whole(&bytes)? {
            match socket.read(&mut part)? {
                0 => return Ok(()),
                read => bytes.extend_from_slice(&part[..read]),
            }
        }
        tell.send(Arrived { at: clock.now().mono.0, bytes: std::mem::take(&mut bytes) })?;
        let body = answer.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let reply = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len());
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
