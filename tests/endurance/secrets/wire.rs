//! Between the program and a venue: hears every byte that the program sends, which the doubles themselves keep no values of.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use super::scan::Secret;

const CHUNK: usize = 16 * 1024;
/// Headers whose values let somebody act for us, though for a short while.
const SIGNATURES: [&str; 2] = ["poly_signature", "kalshi-access-signature"];

type Heard = Arc<Mutex<Vec<Vec<u8>>>>;

pub struct Wire(Heard);

impl Wire {
    /// Stands before this URL from now on; the URL to use instead.
    pub async fn before(url: &str) -> (Self, String) {
        let (_, rest) = url.split_once("://").expect("an address on loopback, in plain text");
        let venue: SocketAddr = rest.split('/').next().and_then(|host| host.parse().ok()).expect("an address");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let ours = listener.local_addr().expect("its address");
        let heard = Heard::default();
        tokio::spawn(accept(listener, venue, Arc::clone(&heard)));
        (Self(heard), url.replacen(&venue.to_string(), &ours.to_string(), 1))
    }

    /// Signatures that went over it, of requests and of orders.
    pub fn signatures(&self) -> Vec<Secret> {
        let heard = self.0.lock().expect("lock");
        let mut all: Vec<String> = heard.iter().flat_map(|bytes| signatures_of(&String::from_utf8_lossy(bytes))).collect();
        all.sort();
        all.dedup();
        all.iter()
            .flat_map(|text| [Secret::new("a signature", text.as_bytes()), Secret::new("a signature's bytes", decoded(text))])
            .collect()
    }
}

/// Of what has been sent whole: the last line or body may still be on its way.
fn signatures_of(sent: &str) -> Vec<String> {
    let whole = sent.rfind('\n').map_or("", |end| &sent[..end]);
    let of_header = |line: &str| {
        let (name, value) = line.split_once(": ")?;
        SIGNATURES.contains(&name.to_ascii_lowercase().as_str()).then(|| value.trim().to_owned())
    };
    let of_order = sent.split("\"signature\":\"").skip(1).filter_map(|rest| Some(rest.split_once('"')?.0));
    whole.lines().filter_map(of_header).chain(of_order.map(str::to_owned)).collect()
}

fn decoded(text: &str) -> Vec<u8> {
    // Base64 may begin with 0x, too.
    match text.strip_prefix("0x").filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit())) {
        Some(digits) => from_hex(digits),
        None => STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text)).expect("base64"),
    }
}

pub fn from_hex(digits: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).expect("hex");
    (0..digits.len()).step_by(2).map(byte).collect()
}

async fn accept(listener: TcpListener, venue: SocketAddr, heard: Heard) {
    while let Ok((program, _)) = listener.accept().await {
        let Ok(venue) = TcpStream::connect(venue).await else { return };
        let number = {
            let mut heard = heard.lock().expect("lock");
            heard.push(Vec::new());
            heard.len() - 1
        };
        let ((from_program, to_program), (from_venue, to_venue)) = (program.into_split(), venue.into_split());
        tokio::spawn(pump(from_program, to_venue, Some((Arc::clone(&heard), number))));
        tokio::spawn(pump(from_venue, to_program, None));
    }
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, heard: Option<(Heard, usize)>) {
    let mut bytes = vec![0; CHUNK];
    while let Ok(length @ 1..) = from.read(&mut bytes).await {
        if let Some((heard, number)) = &heard {
            heard.lock().expect("lock")[*number].extend_from_slice(&bytes[..length]);
        }
        if to.write_all(&bytes[..length]).await.is_err() {
            return;
        }
    }
}
