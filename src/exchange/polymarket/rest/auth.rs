//! API keys: made by a wallet's signature, listed and deleted by their own.

use serde_json::json;

use super::super::auth::ApiKey;
use super::super::eip712::keccak;
use super::super::refusal::Refusal;
use super::{Answer, Caller, Cx};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;

fn key_json(key: &ApiKey) -> Answer {
    Ok((200, json!({ "apiKey": key.id, "secret": key.secret, "passphrase": key.passphrase })))
}

impl Cx<'_> {
    fn signing_wallet(&self) -> Result<(super::super::eip712::Address, u64), Refusal> {
        match &self.caller {
            Caller::Wallet(address, nonce) => Ok((*address, *nonce)),
            _ => Err(Refusal::l1()),
        }
    }

    /// Fails where there is one of this address and nonce: it is to be derived.
    pub fn create_key(&mut self) -> Answer {
        let (address, nonce) = self.signing_wallet()?;
        if self.shared.keys().of(address, nonce).is_some() {
            return Err(Refusal::bad("Could not create api key"));
        }
        let id = self.core.new_id().to_string();
        let secret = keccak(format!("{id} secret").as_bytes());
        let passphrase = keccak(format!("{id} passphrase").as_bytes());
        let key = ApiKey {
            id: id.clone(),
            secret: URL_SAFE.encode(secret),
            passphrase: super::super::eip712::hex(&passphrase)[2..].to_owned(),
            address,
            nonce,
        };
        self.shared.change_keys(|keys| keys.keys.insert(id, key.clone()));
        key_json(&key)
    }

    pub fn derive_key(&mut self) -> Answer {
        let (address, nonce) = self.signing_wallet()?;
        let keys = self.shared.keys();
        key_json(keys.of(address, nonce).ok_or_else(|| Refusal::bad("Could not derive api key!"))?)
    }

    pub fn list_keys(&mut self) -> Answer {
        let address = self.key()?.address;
        let keys = self.shared.keys();
        let ids: Vec<&str> = keys.keys.values().filter(|key| key.address == address).map(|key| key.id.as_str()).collect();
        Ok((200, json!({ "apiKeys": ids })))
    }

    pub fn delete_key(&mut self) -> Answer {
        let id = self.key()?.id.clone();
        self.shared.change_keys(|keys| keys.keys.remove(&id));
        Ok((200, "OK".into()))
    }
}
