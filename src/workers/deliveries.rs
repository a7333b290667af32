//! Signals handed out and not yet acknowledged, by a number that the engine carries around.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::bus::{Delivery, SIGNALS_IN_FLIGHT_MAX};
use crate::engine::DeliveryId;

/// One signal in our hands; its place in the flight is free again when it is dropped.
pub struct Held {
    pub delivery: Delivery,
    _place: OwnedSemaphorePermit,
}

#[derive(Clone)]
pub struct Deliveries {
    held: Arc<Mutex<(DeliveryId, BTreeMap<DeliveryId, Held>)>>,
    places: Arc<Semaphore>,
}

impl Default for Deliveries {
    fn default() -> Self {
        Self { held: Arc::default(), places: Arc::new(Semaphore::new(SIGNALS_IN_FLIGHT_MAX)) }
    }
}

impl Deliveries {
    /// Waits until fewer signals are in flight than the bus hands out.
    pub async fn place(&self) -> OwnedSemaphorePermit {
        let places = Arc::clone(&self.places);
        places.acquire_owned().await.expect("Invariant: the semaphore is never closed")
    }

    pub fn hold(&self, delivery: Delivery, place: OwnedSemaphorePermit) -> DeliveryId {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.0 += 1;
        let id = held.0;
        held.1.insert(id, Held { delivery, _place: place });
        id
    }

    /// Subject, stream sequence and raw bytes of a signal in our hands.
    pub fn look(&self, id: DeliveryId) -> Option<(String, u64, Vec<u8>)> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let delivery = &held.1.get(&id)?.delivery;
        Some((delivery.subject.clone(), delivery.stream_seq, delivery.raw.to_vec()))
    }

    pub fn take(&self, id: DeliveryId) -> Option<Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).1.remove(&id)
    }

    pub fn len(&self) -> usize {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).1.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
