//! Looks for secrets in bytes: any window of sixteen bytes of each, in every writing that a program makes of bytes.

use std::collections::{BTreeMap, HashMap};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

pub const WINDOW: usize = 16;
const HEAD: usize = 8;
const FILTER_BITS: u32 = 22;

/// What nobody may see, and what it is called in a failure.
#[derive(Clone)]
pub struct Secret {
    pub what: String,
    pub bytes: Vec<u8>,
}

impl Secret {
    pub fn new(what: &str, bytes: impl Into<Vec<u8>>) -> Self {
        let this = Self { what: what.to_owned(), bytes: bytes.into() };
        assert!(this.bytes.len() >= WINDOW, "{what} is shorter than a window");
        this
    }
}

/// A window in one writing.
struct Needle {
    text: Vec<u8>,
    secret: usize,
    writing: &'static str,
}

/// Every window of every secret in every writing, found by its first bytes.
pub struct Needles {
    names: Vec<String>,
    needles: Vec<Needle>,
    by_head: HashMap<[u8; HEAD], Vec<usize>>,
    /// By far the most places are no beginning of anything; this says so at the price of one look.
    filter: Vec<bool>,
}

impl Needles {
    pub fn of(secrets: &[Secret]) -> Self {
        let names = secrets.iter().map(|secret| secret.what.clone()).collect();
        let mut this = Self { names, needles: Vec::new(), by_head: HashMap::new(), filter: vec![false; 1 << FILTER_BITS] };
        for (number, secret) in secrets.iter().enumerate() {
            for window in secret.bytes.windows(WINDOW) {
                writings(window).into_iter().for_each(|(writing, text)| this.add(Needle { text, secret: number, writing }));
            }
        }
        this
    }

    fn add(&mut self, needle: Needle) {
        let head = *needle.text.first_chunk().expect("longer than a head");
        self.filter[place(head)] = true;
        self.by_head.entry(head).or_default().push(self.needles.len());
        self.needles.push(needle);
    }

    /// Which secrets stand there, in which writing, and where first.
    pub fn found_in(&self, bytes: &[u8]) -> BTreeMap<(&str, &'static str), usize> {
        let mut found = BTreeMap::new();
        for (at, head) in bytes.windows(HEAD).enumerate() {
            let head: [u8; HEAD] = head.try_into().expect("as long as a head");
            if !self.filter[place(head)] {
                continue;
            }
            for needle in self.by_head.get(&head).into_iter().flatten().map(|number| &self.needles[*number]) {
                if bytes[at..].starts_with(&needle.text) {
                    found.entry((self.names[needle.secret].as_str(), needle.writing)).or_insert(at);
                }
            }
        }
        found
    }
}

fn place(head: [u8; HEAD]) -> usize {
    let mixed = u64::from_le_bytes(head).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> (u64::BITS - FILTER_BITS)) as usize
}

/// Sixteen bytes as they are, in hex, in base64 wherever they lie in what was encoded, as a list that `Debug` or JSON
/// writes, and as a list in MessagePack.
pub fn writings(window: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let hex: String = window.iter().map(|byte| format!("{byte:02x}")).collect();
    let numbers: Vec<String> = window.iter().map(u8::to_string).collect();
    let packed = window.iter().flat_map(|byte| if *byte < 128 { vec![*byte] } else { vec![0xcc, *byte] });
    let mut all = vec![
        ("raw", window.to_vec()),
        ("upper hex", hex.to_uppercase().into_bytes()),
        ("hex", hex.into_bytes()),
        ("a list", numbers.join(", ").into_bytes()),
        ("a dense list", numbers.join(",").into_bytes()),
        ("a packed list", packed.collect()),
    ];
    for before in 0..3 {
        let bytes = [&[0; 3][..before], window].concat();
        // Only characters that say nothing of the neighbours.
        let whole = (before * 8).div_ceil(6)..bytes.len() * 8 / 6;
        all.push(("base64", STANDARD_NO_PAD.encode(&bytes)[whole.clone()].into()));
        all.push(("base64 for URLs", URL_SAFE_NO_PAD.encode(&bytes)[whole].into()));
    }
    all
}

/// A scanner that finds nothing must first have found something.
#[test]
fn s108_a_planted_secret_is_found_in_every_writing() {
    let secret: Vec<u8> = (0..32_u8).map(|number| number.wrapping_mul(151).wrapping_add(200)).collect();
    let others: Vec<Secret> = (0..20_u8).map(|number| Secret::new("another", vec![number; 40])).collect();
    let all = [&others[..], &[Secret::new("canary", secret.clone())]].concat();
    let needles = Needles::of(&all);
    let part = &secret[9..9 + WINDOW];
    let line = |text: &str| format!("2026-11-24T21:00:00Z TRACE sent with {text} and more").into_bytes();
    let upper = part.iter().map(|byte| format!("{byte:02X}")).collect::<String>();
    let mut plants = vec![
        ("raw", [b"before".as_slice(), part, b"after"].concat()),
        ("hex", line(&upper.to_lowercase())),
        ("upper hex", line(&upper)),
        ("a list", line(&format!("{part:?}"))),
        ("a dense list", line(&serde_json::to_string(part).expect("a list"))),
        ("a packed list", rmp_serde::to_vec(&part.to_vec()).expect("a list")),
    ];
    for before in 0..3 {
        let bytes = [&[7; 3][..before], part, b"tail"].concat();
        plants.push(("base64", line(&STANDARD_NO_PAD.encode(&bytes))));
        plants.push(("base64 for URLs", line(&URL_SAFE_NO_PAD.encode(&bytes))));
    }
    for (writing, bytes) in &plants {
        assert!(needles.found_in(bytes).contains_key(&("canary", writing)), "{writing} was not found");
    }
    for at in 0..WINDOW {
        let mut damaged = part.to_vec();
        damaged[at] ^= 1;
        assert!(needles.found_in(&damaged).is_empty(), "a byte else");
    }
    assert!(needles.found_in(&secret[..WINDOW - 1]).is_empty());
}
