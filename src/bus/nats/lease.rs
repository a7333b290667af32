//! Leases in a key-value bucket: compare-and-swap on the revision; the server forgets what nobody renews.

use std::time::Duration;

use async_nats::jetstream::kv::{Config, CreateErrorKind, Store, UpdateErrorKind};
use async_nats::jetstream::stream::StorageType;
use bytes::Bytes;

use super::{NatsLink, failed};
use crate::bus::{BusError, LEASE_TTL_MS, LeaseError};

const BUCKET: &str = "ARBEES_LEASES";

async fn bucket(link: &NatsLink) -> Result<Store, LeaseError> {
    if !link.is_connected() {
        return Err(LeaseError::Bus(link.disconnected()));
    }
    if let Ok(store) = link.jetstream.get_key_value(BUCKET).await {
        return Ok(store);
    }
    make(link).await.map_err(LeaseError::Bus)
}

/// Makes sure of the bucket.
pub(super) async fn provision(link: &NatsLink) -> Result<(), BusError> {
    match link.jetstream.get_key_value(BUCKET).await {
        Ok(_) => Ok(()),
        Err(_) => make(link).await.map(drop),
    }
}

async fn make(link: &NatsLink) -> Result<Store, BusError> {
    let config = Config {
        bucket: BUCKET.to_owned(),
        description: "who owns which engine and which account".to_owned(),
        max_age: Duration::from_millis(LEASE_TTL_MS as u64),
        history: 1,
        storage: StorageType::File,
        num_replicas: 1,
        ..Config::default()
    };
    let store = link.jetstream.create_key_value(config).await;
    let why = format!("bucket {BUCKET} can't be opened (is JetStream on? `arbees bus provision` makes it, as admin)");
    store.map_err(|error| failed(&why, &error))
}

/// Takes or renews; returns the new revision.
pub(super) async fn take(link: &NatsLink, key: &str, holder: Bytes, revision: Option<u64>) -> Result<u64, LeaseError> {
    let store = bucket(link).await?;
    let lost = |error: &dyn std::error::Error| LeaseError::Bus(failed(&format!("lease {key}"), error));
    match revision {
        None => match store.create(key, holder).await {
            Ok(revision) => Ok(revision),
            Err(error) if error.kind() == CreateErrorKind::AlreadyExists => Err(held(&store, key).await),
            Err(error) => Err(lost(&error)),
        },
        Some(revision) => match store.update(key, holder, revision).await {
            Ok(revision) => Ok(revision),
            Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => Err(held(&store, key).await),
            Err(error) => Err(lost(&error)),
        },
    }
}

async fn held(store: &Store, key: &str) -> LeaseError {
    let value = store.get(key).await.ok().flatten();
    LeaseError::Held { by: value.map_or_else(|| "nobody any more".to_owned(), |value| String::from_utf8_lossy(&value).into_owned()) }
}

/// Gives a lease back, if it is still ours.
pub(super) async fn give_back(link: &NatsLink, key: &str, revision: u64) -> Result<(), BusError> {
    let store = bucket(link).await.map_err(|error| BusError::Failed { what: format!("lease {key}"), why: error.to_string() })?;
    store.delete_expect_revision(key, Some(revision)).await.map_err(|error| failed(&format!("lease {key}"), &error))
}
