//! The contracts of both chains (`polymarket.md` §2). An order signed for another contract is refused by the venue.

use alloy_primitives::address;
use thiserror::Error;

use super::address::EvmAddress;

/// Token ids, today's orders.
pub const VERSION_TOKENS: u8 = 2;
/// Position ids (combos); of no use for token ids.
pub const VERSION_POSITIONS: u8 = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chain {
    Polygon,
    /// The test network; no public CLOB host is documented for it.
    Amoy,
}

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ContractError {
    #[error("chain {0} is not known: 137 is Polygon, 80002 is Amoy")]
    Chain(u64),
    #[error("order version {0} is not known: orders are signed for version 2 (token ids) or 3 (position ids)")]
    Version(u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contracts {
    pub exchange: EvmAddress,
    pub neg_risk_exchange: EvmAddress,
    /// Version 3, for position ids.
    pub position_exchange: EvmAddress,
    /// pUSD, six decimals.
    pub collateral: EvmAddress,
    /// Outcome tokens (ERC-1155).
    pub conditional_tokens: EvmAddress,
}

const POLYGON: Contracts = Contracts {
    exchange: EvmAddress::from_alloy(address!("E111180000d2663C0091e4f400237545B87B996B")),
    neg_risk_exchange: EvmAddress::from_alloy(address!("e2222d279d744050d28e00520010520000310F59")),
    position_exchange: EvmAddress::from_alloy(address!("e3333700cA9d93003F00f0F71f8515005F6c00Aa")),
    collateral: EvmAddress::from_alloy(address!("C011a7E12a19f7B1f670d46F03B03f3342E82DFB")),
    conditional_tokens: EvmAddress::from_alloy(address!("4D97DCd97eC945f40cF65F87097ACe5EA0476045")),
};

const AMOY: Contracts = Contracts {
    position_exchange: EvmAddress::from_alloy(address!("9fE6e61422AdB6F610d8597F9684b16912D50C3D")),
    conditional_tokens: EvmAddress::from_alloy(address!("69308FB512518e39F9b16112fA8d994F4e2Bf8bB")),
    ..POLYGON
};

impl Chain {
    pub fn from_id(id: u64) -> Result<Self, ContractError> {
        match id {
            137 => Ok(Self::Polygon),
            80_002 => Ok(Self::Amoy),
            other => Err(ContractError::Chain(other)),
        }
    }

    pub fn id(self) -> u64 {
        match self {
            Self::Polygon => 137,
            Self::Amoy => 80_002,
        }
    }

    pub fn contracts(self) -> &'static Contracts {
        match self {
            Self::Polygon => &POLYGON,
            Self::Amoy => &AMOY,
        }
    }

    /// The contract that an order of this version is signed for.
    pub fn exchange(self, version: u8, neg_risk: bool) -> Result<EvmAddress, ContractError> {
        let contracts = self.contracts();
        match (version, neg_risk) {
            (VERSION_TOKENS, false) => Ok(contracts.exchange),
            (VERSION_TOKENS, true) => Ok(contracts.neg_risk_exchange),
            (VERSION_POSITIONS, _) => Ok(contracts.position_exchange),
            (other, _) => Err(ContractError::Version(other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_of_another_version_has_no_contract() {
        assert_eq!(Chain::Polygon.exchange(1, false), Err(ContractError::Version(1)));
        assert_eq!(Chain::from_id(1), Err(ContractError::Chain(1)));
        for chain in [Chain::Polygon, Chain::Amoy] {
            assert_eq!(Chain::from_id(chain.id()), Ok(chain));
            assert_ne!(chain.exchange(2, false), chain.exchange(2, true));
            assert_eq!(chain.exchange(3, false), chain.exchange(3, true));
        }
    }
}
