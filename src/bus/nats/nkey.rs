//! Nkeys: Ed25519 keys in NATS' writing. A seed (`SU...`) stays with its role; the server knows the public half (`U...`).

use nkeys::{KeyPair, KeyPairType};
use secrecy::{ExposeSecret, SecretString};

/// The public half, as it stands in the server's configuration. Errors: no seed of a user; never repeats it.
pub fn public(seed: &SecretString) -> Result<String, String> {
    let text = seed.expose_secret();
    let pair = KeyPair::from_seed(text).map_err(|_| WRONG.to_owned())?;
    if text.starts_with("SU") { Ok(pair.public_key()) } else { Err(WRONG.to_owned()) }
}

const WRONG: &str = "not the seed of a NATS user: needed is one line that begins with SU (`arbees bus keys` makes one)";

/// A new seed and its public half. Errors: the system has no randomness.
pub fn generate() -> Result<(SecretString, String), String> {
    let pair = KeyPair::new(KeyPairType::User);
    let seed = pair.seed().map_err(|error| format!("no key could be made: {error}"))?;
    Ok((seed.into(), pair.public_key()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_has_one_public_half_and_what_is_none_is_not_repeated() {
        let (seed, shown) = generate().expect("a key");
        assert!(seed.expose_secret().starts_with("SU") && shown.starts_with('U') && shown.len() == 56);
        assert_eq!(public(&seed), Ok(shown.clone()));
        assert_ne!(generate().expect("another").1, shown);
        let account = KeyPair::new(KeyPairType::Account).seed().expect("a seed");
        for wrong in ["", "hunter2", &shown, &seed.expose_secret()[..57], &account] {
            let error = public(&wrong.to_owned().into()).expect_err("no seed");
            assert!(error.contains("begins with SU") && (wrong.is_empty() || !error.contains(wrong)), "{error}");
        }
    }
}
