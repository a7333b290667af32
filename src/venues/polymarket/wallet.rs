//! Whose money an order moves, and who signs for it (`polymarket.md` §2, signatureType).

use std::sync::Arc;

use thiserror::Error;

use super::address::EvmAddress;
use super::key::WalletKey;

/// How the owner's signature of a deposit wallet's order is written. The official clients and the documents wrap it; wallets
/// were seen that accept the plain one only (`polymarket.md` §2), so it can be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Poly1271Encoding {
    Wrapped,
    Plain,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureType {
    /// The key's own account holds the money.
    Eoa,
    /// A proxy wallet of an e-mail account.
    Proxy,
    /// A Safe.
    Safe,
    /// A deposit wallet (EIP-1271): the only kind that new accounts may use.
    Deposit(Poly1271Encoding),
}

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WalletError {
    #[error("POLY_SIGNATURE_TYPE must be 0 (the key's own account), 1 (proxy), 2 (Safe), 3 (deposit wallet) or 3-plain")]
    SignatureType,
    #[error("signature type {0} needs POLY_FUNDER: the address of the wallet that holds the money")]
    NoFunder(u8),
    #[error("signature type 0 trades with the key's own account, {key}, but POLY_FUNDER names {funder}")]
    OtherFunder { key: EvmAddress, funder: EvmAddress },
    #[error("signature type {0} trades with a wallet of its own, but POLY_FUNDER names the key's own account")]
    FunderIsKey(u8),
    #[error("POLY_FUNDER is the zero address")]
    ZeroFunder,
}

impl SignatureType {
    /// The text of the setting.
    pub fn parse(text: &str) -> Result<Self, WalletError> {
        match text.trim() {
            "0" => Ok(Self::Eoa),
            "1" => Ok(Self::Proxy),
            "2" => Ok(Self::Safe),
            "3" => Ok(Self::Deposit(Poly1271Encoding::Wrapped)),
            "3-plain" => Ok(Self::Deposit(Poly1271Encoding::Plain)),
            _ => Err(WalletError::SignatureType),
        }
    }

    /// As signed and sent.
    pub fn number(self) -> u8 {
        match self {
            Self::Eoa => 0,
            Self::Proxy => 1,
            Self::Safe => 2,
            Self::Deposit(_) => 3,
        }
    }
}

/// The key, and the wallet it trades with.
#[derive(Clone, Debug)]
pub struct Wallet {
    key: Arc<WalletKey>,
    kind: SignatureType,
    maker: EvmAddress,
}

impl Wallet {
    pub fn new(key: Arc<WalletKey>, kind: SignatureType, funder: Option<EvmAddress>) -> Result<Self, WalletError> {
        let own = key.address();
        let maker = match (kind, funder) {
            (_, Some(funder)) if funder.is_zero() => return Err(WalletError::ZeroFunder),
            (SignatureType::Eoa, Some(funder)) if funder != own => return Err(WalletError::OtherFunder { key: own, funder }),
            (SignatureType::Eoa, _) => own,
            (kind, None) => return Err(WalletError::NoFunder(kind.number())),
            (kind, Some(funder)) if funder == own => return Err(WalletError::FunderIsKey(kind.number())),
            (_, Some(funder)) => funder,
        };
        Ok(Self { key, kind, maker })
    }

    pub fn key(&self) -> &WalletKey {
        &self.key
    }

    pub fn kind(&self) -> SignatureType {
        self.kind
    }

    /// What requests are authenticated as: the key's own account, for every kind of wallet (`polymarket.md` §1).
    pub fn owner(&self) -> EvmAddress {
        self.key.address()
    }

    /// Whose money and shares an order moves.
    pub fn maker(&self) -> EvmAddress {
        self.maker
    }

    /// Who the contract asks whether the signature is good.
    pub fn signer(&self) -> EvmAddress {
        match self.kind {
            SignatureType::Deposit(_) => self.maker,
            SignatureType::Eoa | SignatureType::Proxy | SignatureType::Safe => self.owner(),
        }
    }
}

#[cfg(test)]
pub mod tests {
    use super::super::key::tests::TEST_KEY;
    use super::*;

    const FUNDER: &str = "0x1111111111111111111111111111111111111111";

    pub fn wallet(kind: &str) -> Wallet {
        let key = Arc::new(WalletKey::from_text(TEST_KEY).expect("key"));
        let kind = SignatureType::parse(kind).expect("kind");
        let funder = (kind != SignatureType::Eoa).then(|| EvmAddress::parse(FUNDER).expect("address"));
        Wallet::new(key, kind, funder).expect("wallet")
    }

    #[test]
    fn only_a_deposit_wallet_signs_for_itself() {
        let key = wallet("0").owner();
        let funder = EvmAddress::parse(FUNDER).expect("address");
        for (kind, number, maker, signer) in
            [("0", 0, key, key), ("1", 1, funder, key), ("2", 2, funder, key), ("3", 3, funder, funder), ("3-plain", 3, funder, funder)]
        {
            let wallet = wallet(kind);
            assert_eq!((wallet.kind().number(), wallet.maker(), wallet.signer()), (number, maker, signer), "{kind}");
            assert_eq!(wallet.owner(), key);
        }
        for text in ["", "4", "EOA", "03", "3-wrapped"] {
            assert_eq!(SignatureType::parse(text), Err(WalletError::SignatureType), "{text}");
        }
    }

    #[test]
    fn a_wallet_that_cannot_be_meant_is_refused() {
        let key = Arc::new(WalletKey::from_text(TEST_KEY).expect("key"));
        let own = key.address();
        let funder = EvmAddress::parse(FUNDER).expect("address");
        let made = |kind, funder| Wallet::new(Arc::clone(&key), kind, funder).map(|wallet| wallet.maker());
        assert_eq!(made(SignatureType::Eoa, None), Ok(own));
        assert_eq!(made(SignatureType::Eoa, Some(own)), Ok(own));
        assert_eq!(made(SignatureType::Eoa, Some(funder)), Err(WalletError::OtherFunder { key: own, funder }));
        assert_eq!(made(SignatureType::Safe, None), Err(WalletError::NoFunder(2)));
        assert_eq!(made(SignatureType::Proxy, Some(own)), Err(WalletError::FunderIsKey(1)));
        let zero = EvmAddress::parse(&format!("0x{}", "0".repeat(40))).expect("address");
        assert_eq!(made(SignatureType::Proxy, Some(zero)), Err(WalletError::ZeroFunder));
    }
}
