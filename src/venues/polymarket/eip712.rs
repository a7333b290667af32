//! What is signed, hashed as the chain does it (EIP-712): the order under its exchange's domain, the order wrapped for a
//! deposit wallet (ERC-7739), and the words that create an API key (`polymarket.md` §1, §2).

use alloy_primitives::{B256, Keccak256, U256, b256};
use alloy_sol_types::{Eip712Domain, SolStruct};

use super::address::EvmAddress;
use crate::domain::order::Action;

/// In a room of its own: the struct's Solidity name is the domain's name for something else.
mod chain {
    alloy_sol_types::sol! {
        struct Order {
            uint256 salt;
            address maker;
            address signer;
            uint256 tokenId;
            uint256 makerAmount;
            uint256 takerAmount;
            uint8 side;
            uint8 signatureType;
            uint256 timestamp;
            bytes32 metadata;
            bytes32 builder;
        }
        struct ClobAuth {
            address address;
            string timestamp;
            uint256 nonce;
            string message;
        }
    }
}

pub const EXCHANGE_NAME: &str = "Polymarket CTF Exchange";
const AUTH_NAME: &str = "ClobAuthDomain";
const AUTH_VERSION: &str = "1";
const AUTH_MESSAGE: &str = "This message attests that I control the given wallet";

pub const ORDER_TYPE: &str = "Order(uint256 salt,address maker,address signer,uint256 tokenId,uint256 makerAmount,uint256 takerAmount,uint8 side,uint8 signatureType,uint256 timestamp,bytes32 metadata,bytes32 builder)";
pub const ORDER_TYPE_HASH: B256 = b256!("bb86318a2138f5fa8ae32fbe8e659f8fcf13cc6ae4014a707893055433818589");
/// Of `TypedDataSign(Order contents,string name,string version,uint256 chainId,address verifyingContract,bytes32 salt)` and
/// the order's type after it.
pub const TYPED_DATA_SIGN_TYPE_HASH: B256 = b256!("6ba028565cb324c2aa02bb714b9816d0bddd557a2f33bb36cf13272a4256bd42");
/// Of "DepositWallet", and of its version "1".
const DEPOSIT_WALLET_HASH: B256 = b256!("d682b529a17cda19aa275f3a050608f9e9401fadd1b0d233d81519972295828b");
const DEPOSIT_WALLET_VERSION_HASH: B256 = b256!("c89efdaa54c0f20c7adf612882df0950f5a951637e0307cdcb4c672f298b8bc6");

/// Every signed field of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderFields {
    pub salt: u64,
    pub maker: EvmAddress,
    pub signer: EvmAddress,
    pub token: U256,
    pub maker_amount: u64,
    pub taker_amount: u64,
    pub action: Action,
    pub signature_type: u8,
    pub timestamp_ms: u64,
    pub metadata: B256,
    pub builder: B256,
}

impl OrderFields {
    pub fn hash(&self) -> B256 {
        let order = chain::Order {
            salt: U256::from(self.salt),
            maker: self.maker.alloy(),
            signer: self.signer.alloy(),
            tokenId: self.token,
            makerAmount: U256::from(self.maker_amount),
            takerAmount: U256::from(self.taker_amount),
            side: match self.action {
                Action::Buy => 0,
                Action::Sell => 1,
            },
            signatureType: self.signature_type,
            timestamp: U256::from(self.timestamp_ms),
            metadata: self.metadata,
            builder: self.builder,
        };
        // `eip712_hash_struct` would hash the type's text anew for every order.
        keccak(&[ORDER_TYPE_HASH.as_slice(), &order.eip712_encode_data()])
    }
}

/// The exchange an order is signed for; its separator is computed once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExchangeDomain {
    pub contract: EvmAddress,
    pub chain_id: u64,
    pub separator: B256,
}

impl ExchangeDomain {
    pub fn new(version: u8, chain_id: u64, contract: EvmAddress) -> Self {
        let domain = Eip712Domain::new(
            Some(EXCHANGE_NAME.into()),
            Some(version.to_string().into()),
            Some(U256::from(chain_id)),
            Some(contract.alloy()),
            None,
        );
        Self { contract, chain_id, separator: domain.separator() }
    }

    /// The order's name at the venue, and what its owner signs, but for a wrapped deposit wallet.
    pub fn order_id(&self, order_hash: B256) -> B256 {
        digest(self.separator, order_hash)
    }

    /// What the owner of a deposit wallet signs: the order inside the wallet's own domain, under the exchange's separator.
    pub fn wrapped_digest(&self, order_hash: B256, wallet: EvmAddress) -> B256 {
        let wrapped = keccak(&[
            TYPED_DATA_SIGN_TYPE_HASH.as_slice(),
            order_hash.as_slice(),
            DEPOSIT_WALLET_HASH.as_slice(),
            DEPOSIT_WALLET_VERSION_HASH.as_slice(),
            &U256::from(self.chain_id).to_be_bytes::<32>(),
            wallet.alloy().into_word().as_slice(),
            B256::ZERO.as_slice(),
        ]);
        digest(self.separator, wrapped)
    }

    /// The owner's signature with all that the wallet needs to check it: 317 bytes.
    pub fn wrap(&self, order_hash: B256, owner: &[u8]) -> Vec<u8> {
        let length = u16::try_from(ORDER_TYPE.len()).expect("Invariant: the type's text is short");
        [owner, self.separator.as_slice(), order_hash.as_slice(), ORDER_TYPE.as_bytes(), &length.to_be_bytes()].concat()
    }
}

/// What creates or finds an API key: words that the wallet's owner signs.
pub fn auth_digest(chain_id: u64, address: EvmAddress, timestamp_s: i64, nonce: u64) -> B256 {
    let domain = Eip712Domain::new(Some(AUTH_NAME.into()), Some(AUTH_VERSION.into()), Some(U256::from(chain_id)), None, None);
    let words = chain::ClobAuth {
        address: address.alloy(),
        timestamp: timestamp_s.to_string(),
        nonce: U256::from(nonce),
        message: AUTH_MESSAGE.to_owned(),
    };
    digest(domain.separator(), words.eip712_hash_struct())
}

fn digest(separator: B256, hash: B256) -> B256 {
    keccak(&[&[0x19, 0x01], separator.as_slice(), hash.as_slice()])
}

fn keccak(parts: &[&[u8]]) -> B256 {
    let mut hasher = Keccak256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use alloy_primitives::keccak256;

    use super::*;

    #[test]
    fn hashes_written_down_are_those_of_their_texts() {
        assert_eq!(chain::Order::eip712_encode_type(), ORDER_TYPE);
        assert_eq!(keccak256(ORDER_TYPE), ORDER_TYPE_HASH);
        let wrapped = "TypedDataSign(Order contents,string name,string version,uint256 chainId,address verifyingContract,bytes32 salt)";
        assert_eq!(keccak256(format!("{wrapped}{ORDER_TYPE}")), TYPED_DATA_SIGN_TYPE_HASH);
        assert_eq!(keccak256("DepositWallet"), DEPOSIT_WALLET_HASH);
        assert_eq!(keccak256("1"), DEPOSIT_WALLET_VERSION_HASH);
        assert_eq!(ORDER_TYPE.len(), 0xba);
    }

    #[test]
    fn the_parts_hash_as_the_whole() {
        let order = chain::Order {
            salt: U256::from(1),
            maker: EvmAddress::parse("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266").expect("address").alloy(),
            signer: alloy_primitives::Address::ZERO,
            tokenId: U256::MAX,
            makerAmount: U256::from(2),
            takerAmount: U256::from(3),
            side: 1,
            signatureType: 3,
            timestamp: U256::from(4),
            metadata: B256::repeat_byte(5),
            builder: B256::repeat_byte(6),
        };
        let fields = OrderFields {
            salt: 1,
            maker: EvmAddress::from_alloy(order.maker),
            signer: EvmAddress::from_alloy(order.signer),
            token: U256::MAX,
            maker_amount: 2,
            taker_amount: 3,
            action: Action::Sell,
            signature_type: 3,
            timestamp_ms: 4,
            metadata: order.metadata,
            builder: order.builder,
        };
        assert_eq!(fields.hash(), order.eip712_hash_struct());
    }
}
