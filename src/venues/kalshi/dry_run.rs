//! A dry run: the request is built and signed as it would be sent, and then it isn't.

use super::client::{CallError, Client};
use super::venue::KalshiVenue;
use crate::domain::order::Order;

impl KalshiVenue {
    /// Errors: this order could not have been sent.
    pub fn sign_only(&self, order: &Order) -> Result<(), CallError> {
        let ask = Client::create_ask(order, &self.route(order))?;
        self.client().request(&ask).map(drop)
    }
}
