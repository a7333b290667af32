//! Polymarket's double and an engine that trades there.

pub use arbees::app::rehearsal::{Polymarket, SLUG};

pub use crate::scene::{Folder, PATIENCE, Scene, fresh_folder, until};

pub type World = Scene<Polymarket>;
