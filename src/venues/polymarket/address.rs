//! An account or contract of the chain: 20 bytes, written as `0x` and 40 hex digits whose case is a checksum (EIP-55).

use std::fmt;

use alloy_primitives::{Address, hex};
use thiserror::Error;

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AddressError {
    #[error("an address is 0x and 40 hex digits")]
    NotAnAddress,
    #[error("the address has a wrong checksum: a digit is mistyped, or the case of a letter (in lower case throughout, it is not checked)")]
    Checksum,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EvmAddress(Address);

impl EvmAddress {
    /// Case says nothing when it is one case throughout; mixed, it is a checksum and must be right.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let digits = text.strip_prefix("0x").or(text.strip_prefix("0X")).ok_or(AddressError::NotAnAddress)?;
        if digits.len() != 40 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(AddressError::NotAnAddress);
        }
        let mut bytes = [0; 20];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| AddressError::NotAnAddress)?;
        let address = Self(Address::new(bytes));
        let has = |case: fn(&u8) -> bool| digits.bytes().any(|byte| case(&byte));
        let mixed = has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase);
        if mixed && address.checksum()[2..] != *digits { Err(AddressError::Checksum) } else { Ok(address) }
    }

    pub const fn from_alloy(address: Address) -> Self {
        Self(address)
    }

    pub const fn alloy(self) -> Address {
        self.0
    }

    pub fn is_zero(self) -> bool {
        self.0.is_zero()
    }

    /// As sent in bodies and headers.
    pub fn checksum(self) -> String {
        self.0.to_checksum(None)
    }

    /// `0x` and 40 lower-case hex digits.
    pub fn lower(self) -> String {
        hex::encode_prefixed(self.0)
    }
}

impl fmt::Display for EvmAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.checksum())
    }
}

impl fmt::Debug for EvmAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EOA: &str = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";

    #[test]
    fn every_case_that_is_no_checksum_names_the_same_address() {
        let address = EvmAddress::parse(EOA).expect("checksum");
        assert_eq!(EvmAddress::parse(&EOA.to_lowercase()), Ok(address));
        assert_eq!(EvmAddress::parse(&EOA.to_uppercase()), Ok(address));
        assert_eq!((address.checksum().as_str(), address.lower()), (EOA, EOA.to_lowercase()));
    }

    #[test]
    fn a_mistyped_digit_or_letter_is_refused() {
        assert_eq!(EvmAddress::parse(&EOA.replace("Fd6", "fd6")), Err(AddressError::Checksum));
        assert_eq!(EvmAddress::parse(&EOA.replace("92266", "92267")), Err(AddressError::Checksum));
        for text in ["", "0x", &EOA[2..], &EOA[..41], &format!("{EOA}0"), &EOA.replace('x', ""), &EOA.replace("f39", "g39")] {
            assert_eq!(EvmAddress::parse(text), Err(AddressError::NotAnAddress), "{text}");
        }
    }
}
