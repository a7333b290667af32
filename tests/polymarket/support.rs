//! Polymarket's double and an engine that trades there.

use ::arbees::app::rehearsal::Polymarket;

pub use crate::scene::{Folder, PATIENCE, Scene, fresh_folder, until};

pub type World = Scene<Polymarket>;
