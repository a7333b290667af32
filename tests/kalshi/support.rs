//! Kalshi's double and an engine that trades there.

use arbees::app::rehearsal::Kalshi;

pub use crate::scene::{Folder, PATIENCE, Scene, fresh_folder, until};

pub type World = Scene<Kalshi>;
