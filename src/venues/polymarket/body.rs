//! The bytes of an order as sent. They must not change between two sendings of one order, so nothing but the signed order,
//! its signature and the API key goes into them, in one order of fields: that of the official Python client.

use alloy_primitives::{B256, hex};
use serde::Serialize;

use crate::domain::order::Action;
use crate::domain::signed::{SignedOrder, VenueOrderType};

#[derive(Serialize)]
struct Envelope<'a> {
    order: Fields<'a>,
    owner: &'a str,
    #[serde(rename = "orderType")]
    order_type: VenueOrderType,
    #[serde(rename = "deferExec")]
    defer_exec: bool,
    #[serde(rename = "postOnly")]
    post_only: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Fields<'a> {
    salt: u64,
    maker: &'a str,
    signer: &'a str,
    token_id: &'a str,
    maker_amount: String,
    taker_amount: String,
    side: &'static str,
    expiration: String,
    signature_type: u8,
    timestamp: String,
    metadata: &'a str,
    builder: &'a str,
    signature: &'a str,
}

/// Signed or sent as constants by us; the venue lets each have other values (`polymarket.md` §2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extras {
    pub metadata: B256,
    pub builder: B256,
    pub defer_exec: bool,
}

/// `signature`: `0x` and hex. `owner`: the API key.
pub fn body(signed: &SignedOrder, signature: &str, owner: &str) -> Vec<u8> {
    body_with(signed, signature, owner, Extras::default())
}

pub fn body_with(signed: &SignedOrder, signature: &str, owner: &str, extras: Extras) -> Vec<u8> {
    let envelope = Envelope {
        order: Fields {
            salt: signed.salt,
            maker: &signed.maker,
            signer: &signed.signer,
            token_id: signed.token.as_str(),
            maker_amount: signed.maker_amount.to_string(),
            taker_amount: signed.taker_amount.to_string(),
            side: match signed.action {
                Action::Buy => "BUY",
                Action::Sell => "SELL",
            },
            expiration: signed.expiration.to_string(),
            signature_type: signed.signature_type,
            timestamp: signed.timestamp_ms.to_string(),
            metadata: &hex::encode_prefixed(extras.metadata),
            builder: &hex::encode_prefixed(extras.builder),
            signature,
        },
        owner,
        order_type: signed.order_type,
        defer_exec: extras.defer_exec,
        post_only: signed.post_only,
    };
    serde_json::to_vec(&envelope).expect("Invariant: texts and numbers")
}

#[cfg(test)]
mod tests {
    use super::super::order::tests::{order, signer};
    use crate::domain::money::Price;

    const CENT: Price = Price::from_micros(10_000);
    const OWNER: &str = "00000000-0000-0000-0000-000000000001";
    /// Pinned: bytes that change would make an order sent again another request than the one before.
    const GOLDEN: &str = r#"{"order":{"salt":8961576658537363,"maker":"0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266","signer":"0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266","tokenId":"71321045679252212594626385532706912750332728571942532289631379312455583992563","makerAmount":"5200000","takerAmount":"10000000","side":"BUY","expiration":"1780000181","signatureType":0,"timestamp":"1780000000123","metadata":"0x0000000000000000000000000000000000000000000000000000000000000000","builder":"0x0000000000000000000000000000000000000000000000000000000000000000","signature":"0xcdf4628bb1babca11c6a32f360a9bf8fd2df71c8ec7245b5e6ce679c655afb4e213b8dca968198b20f148f6f56db114d94c0329b88feaa6f6d8439b163b2439e1b"},"owner":"00000000-0000-0000-0000-000000000001","orderType":"GTD","deferExec":false,"postOnly":false}"#;

    #[test]
    fn the_same_order_is_sent_as_the_same_bytes() {
        let signed = signer("0").sign(&order(), CENT, false).expect("signed");
        let sent = signer("0").body(&signed, OWNER).expect("body");
        assert_eq!(std::str::from_utf8(&sent).expect("text"), GOLDEN);
        assert_eq!(signer("0").body(&signed.clone(), OWNER).expect("body"), sent);
    }

    /// Two of the official clients sign a body with an apostrophe as if it were a quote, the third and the documents don't
    /// (`polymarket.md` §1): with none in it there is nothing to disagree about.
    #[test]
    fn a_body_holds_no_apostrophe() {
        for kind in ["0", "1", "2", "3", "3-plain"] {
            let signed = signer(kind).sign(&order(), CENT, true).expect("signed");
            assert!(!signer(kind).body(&signed, OWNER).expect("body").contains(&b'\''), "{kind}");
        }
    }
}
