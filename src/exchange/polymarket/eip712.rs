//! What a wallet signs, hashed by hand: EIP-712 over Keccak-256, signers recovered with `k256`. The client uses other libraries
//! for the same, so that a mistake of the one isn't repeated by the other.

use std::fmt;

use k256::ecdsa::{RecoveryId, Signature, VerifyingKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha3::{Digest, Keccak256};

pub type Word = [u8; 32];

pub const ORDER_TYPE: &str = "Order(uint256 salt,address maker,address signer,uint256 tokenId,uint256 makerAmount,uint256 takerAmount,\
uint8 side,uint8 signatureType,uint256 timestamp,bytes32 metadata,bytes32 builder)";
/// ERC-7739: what a deposit wallet's owner signs in place of the order; the order's type follows.
const WRAPPED_TYPE: &str =
    "TypedDataSign(Order contents,string name,string version,uint256 chainId,address verifyingContract,bytes32 salt)";
const CLOB_AUTH_TYPE: &str = "ClobAuth(address address,string timestamp,uint256 nonce,string message)";
const CLOB_AUTH_MESSAGE: &str = "This message attests that I control the given wallet";
const DOMAIN_TYPE: &str = "EIP712Domain(string name,string version,uint256 chainId)";
const DOMAIN_TYPE_WITH_CONTRACT: &str = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)";
const SIGNATURE_BYTES: usize = 65;

/// The contracts that orders are signed for (`polymarket.md` §2).
pub const EXCHANGE: Address = Address(hex_20(b"E111180000d2663C0091e4f400237545B87B996B"));
pub const NEG_RISK_EXCHANGE: Address = Address(hex_20(b"e2222d279d744050d28e00520010520000310F59"));

pub fn keccak(bytes: &[u8]) -> Word {
    Keccak256::digest(bytes).into()
}

const fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit - b'A' + 10,
    }
}

const fn hex_20(text: &[u8; 40]) -> [u8; 20] {
    let (mut bytes, mut at) = ([0; 20], 0);
    while at < 20 {
        bytes[at] = nibble(text[2 * at]) << 4 | nibble(text[2 * at + 1]);
        at += 1;
    }
    bytes
}

/// `0x` and hex digits of any case.
pub fn bytes_of(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("0x")?.as_bytes();
    let whole = digits.len().is_multiple_of(2) && digits.iter().all(u8::is_ascii_hexdigit);
    whole.then(|| digits.chunks_exact(2).map(|pair| nibble(pair[0]) << 4 | nibble(pair[1])).collect())
}

pub fn word_of(text: &str) -> Option<Word> {
    bytes_of(text)?.try_into().ok()
}

/// Lower-case digits after `0x`.
pub fn hex(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("0x{digits}")
}

pub fn number(value: u128) -> Word {
    let mut word = [0; 32];
    word[16..].copy_from_slice(&value.to_be_bytes());
    word
}

/// A uint256 as decimal text without a sign.
pub fn decimal_word(text: &str) -> Option<Word> {
    if text.is_empty() || text.len() > 78 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mut word = [0_u8; 32];
    for digit in text.bytes() {
        let mut carry = u16::from(digit - b'0');
        for byte in word.iter_mut().rev() {
            let value = u16::from(*byte) * 10 + carry;
            *byte = (value & 0xff) as u8;
            carry = value >> 8;
        }
        if carry != 0 {
            return None;
        }
    }
    Some(word)
}

/// A word as decimal text.
pub fn decimal_text(word: &Word) -> String {
    let (mut word, mut digits) = (*word, Vec::new());
    while word.iter().any(|byte| *byte != 0) {
        let mut rest = 0_u16;
        for byte in &mut word {
            let value = rest << 8 | u16::from(*byte);
            *byte = (value / 10) as u8;
            rest = value % 10;
        }
        digits.push(b'0' + rest as u8);
    }
    digits.reverse();
    if digits.is_empty() { "0".to_owned() } else { String::from_utf8_lossy(&digits).into_owned() }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address([u8; 20]);

impl Address {
    pub fn parse(text: &str) -> Option<Self> {
        bytes_of(text)?.try_into().ok().map(Self)
    }

    fn word(&self) -> Word {
        let mut word = [0; 32];
        word[12..].copy_from_slice(&self.0);
        word
    }

    /// Made up: the same name gives the same address.
    pub fn named(name: &str) -> Self {
        let mut bytes = [0; 20];
        bytes.copy_from_slice(&keccak(name.as_bytes())[12..]);
        Self(bytes)
    }

    pub fn lower(&self) -> String {
        hex(&self.0)
    }
}

/// With EIP-55's checksum.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lower = self.lower();
        let hash = keccak(&lower.as_bytes()[2..]);
        f.write_str("0x")?;
        for (at, digit) in lower[2..].char_indices() {
            let high = hash[at / 2] >> (4 * (1 - at % 2)) & 0x8 != 0;
            write!(f, "{}", if high { digit.to_ascii_uppercase() } else { digit })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(d)?).ok_or_else(|| serde::de::Error::custom("not an address"))
    }
}

fn struct_hash(kind: &str, words: &[Word]) -> Word {
    let mut bytes = keccak(kind.as_bytes()).to_vec();
    words.iter().for_each(|word| bytes.extend_from_slice(word));
    keccak(&bytes)
}

fn digest(separator: &Word, contents: &Word) -> Word {
    keccak(&[&[0x19, 0x01], separator.as_slice(), contents.as_slice()].concat())
}

/// Where a signature holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Domain {
    /// 2, and 3 for combos' position ids.
    pub version: u8,
    pub chain_id: u64,
    pub exchange: Address,
}

impl Domain {
    pub fn separator(&self) -> Word {
        let version = self.version.to_string();
        let (name, version) = (keccak(b"Polymarket CTF Exchange"), keccak(version.as_bytes()));
        struct_hash(DOMAIN_TYPE_WITH_CONTRACT, &[name, version, number(self.chain_id.into()), self.exchange.word()])
    }
}

/// The signed fields of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderFields {
    pub salt: u64,
    pub maker: Address,
    pub signer: Address,
    pub token: Word,
    pub maker_amount: u64,
    pub taker_amount: u64,
    /// 0 buys, 1 sells.
    pub side: u8,
    pub signature_type: u8,
    pub timestamp: u64,
    pub metadata: Word,
    pub builder: Word,
}

impl OrderFields {
    /// The struct hash.
    pub fn contents(&self) -> Word {
        let small = |value: u8| number(value.into());
        let big = |value: u64| number(value.into());
        struct_hash(
            ORDER_TYPE,
            &[
                big(self.salt),
                self.maker.word(),
                self.signer.word(),
                self.token,
                big(self.maker_amount),
                big(self.taker_amount),
                small(self.side),
                small(self.signature_type),
                big(self.timestamp),
                self.metadata,
                self.builder,
            ],
        )
    }

    /// The venue's name for it, whatever the signature type.
    pub fn order_id(&self, domain: &Domain) -> Word {
        digest(&domain.separator(), &self.contents())
    }

    /// Who signed it so that it needs no wrapping: a wallet's owner.
    pub fn plain_signer(&self, domain: &Domain, signature: &[u8]) -> Option<Address> {
        recovered(&self.order_id(domain), signature)
    }

    /// Who signed it for this deposit wallet, wrapped after ERC-7739 (`polymarket.md` §2).
    pub fn wrapped_signer(&self, domain: &Domain, signature: &[u8]) -> Option<Address> {
        let (inner, rest) = signature.split_at_checked(SIGNATURE_BYTES)?;
        let (separator, contents) = (domain.separator(), self.contents());
        let length = u16::try_from(ORDER_TYPE.len()).ok()?.to_be_bytes();
        if rest != [separator.as_slice(), &contents, ORDER_TYPE.as_bytes(), &length].concat() {
            return None;
        }
        let (name, version) = (keccak(b"DepositWallet"), keccak(b"1"));
        let words = [contents, name, version, number(domain.chain_id.into()), self.signer.word(), [0; 32]];
        recovered(&digest(&separator, &struct_hash(&[WRAPPED_TYPE, ORDER_TYPE].concat(), &words)), inner)
    }
}

/// Who signed that the wallet is theirs (L1).
pub fn clob_auth_signer(chain_id: u64, address: Address, timestamp: &str, nonce: u64, signature: &[u8]) -> Option<Address> {
    let separator = struct_hash(DOMAIN_TYPE, &[keccak(b"ClobAuthDomain"), keccak(b"1"), number(chain_id.into())]);
    let words = [address.word(), keccak(timestamp.as_bytes()), number(nonce.into()), keccak(CLOB_AUTH_MESSAGE.as_bytes())];
    recovered(&digest(&separator, &struct_hash(CLOB_AUTH_TYPE, &words)), signature)
}

/// Whose key made this signature: r, s, and v as 27 or 28 (0 or 1). A high s is refused, as the contracts do.
fn recovered(digest: &Word, signature: &[u8]) -> Option<Address> {
    if signature.len() != SIGNATURE_BYTES {
        return None;
    }
    let (scalars, v) = (Signature::from_slice(&signature[..64]).ok()?, signature[64]);
    let id = RecoveryId::from_byte(if v >= 27 { v - 27 } else { v }).filter(|id| !id.is_x_reduced())?;
    if scalars.normalize_s().is_some() {
        return None;
    }
    let key = VerifyingKey::recover_from_prehash(digest, &scalars, id).ok()?;
    let point = key.to_encoded_point(false);
    let mut bytes = [0; 20];
    bytes.copy_from_slice(&keccak(&point.as_bytes()[1..])[12..]);
    Some(Address(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_any_size_keep_their_digits() {
        let token = "71321045679252212594626385532706912750332728571942532289631379312455583992563";
        for text in ["0", "1", "255", "256", token] {
            assert_eq!(decimal_text(&decimal_word(text).expect(text)), text);
        }
        assert_eq!(decimal_word(&"9".repeat(78)), None);
        assert_eq!(decimal_word("1e3"), None);
    }

    #[test]
    fn addresses_are_written_with_their_checksum() {
        let text = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";
        assert_eq!(Address::parse(&text.to_lowercase()).expect("address").to_string(), text);
        assert_eq!(EXCHANGE.to_string(), "0xE111180000d2663C0091e4f400237545B87B996B");
        assert_eq!(NEG_RISK_EXCHANGE.to_string(), "0xe2222d279d744050d28e00520010520000310F59");
    }

    #[test]
    fn the_type_hash_is_the_documented_one() {
        let documented = "0xbb86318a2138f5fa8ae32fbe8e659f8fcf13cc6ae4014a707893055433818589";
        assert_eq!(hex(&keccak(ORDER_TYPE.as_bytes())), documented);
    }
}
