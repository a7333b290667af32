//! A running engine, or its log.

use serde_json::Value;

use super::{CliError, Client};
use crate::domain::market::Venue;
use crate::http::{Command, Queries, Query};

/// Where answers come from.
pub enum Source {
    /// A running engine holds the log; its API answers.
    Http(Client),
    /// No engine runs: the log itself.
    Log(Box<dyn Queries>),
}

impl Source {
    pub async fn query(&self, query: Query) -> Result<Value, CliError> {
        match self {
            Self::Http(client) => client.query(&query).await,
            Self::Log(desk) => Ok(desk.get(query).await?),
        }
    }

    pub async fn command(&self, command: Command) -> Result<String, CliError> {
        match self {
            Self::Http(client) => client.command(&command).await,
            Self::Log(desk) => Ok(desk.command(command).await?),
        }
    }

    /// Hands a signal to the engine. Returns where it went.
    pub async fn signal(&self, venue: Venue, bytes: Vec<u8>) -> Result<Value, CliError> {
        match self {
            Self::Http(client) => client.signal(venue, bytes).await,
            Self::Log(desk) => Ok(desk.signal(venue, bytes).await?),
        }
    }

    /// Something may still be appended.
    pub fn is_living(&self) -> bool {
        matches!(self, Self::Http(_))
    }
}
