//! A stage and an engine for each test.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use arbees::app::Running;
use arbees::app::rehearsal::{Setup, Stage};

/// A fresh folder, removed with the world.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("arbees-kalshi-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("data is left in {}", self.0.display());
        } else {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

/// A double and an engine that trades there.
pub struct World {
    pub stage: Stage,
    pub engine: Running,
    pub _folder: Folder,
}

impl World {
    pub async fn new() -> Self {
        Self::with(Setup::default()).await
    }

    pub async fn with(setup: Setup) -> Self {
        if std::env::var_os("SHOW_LOG").is_some() {
            let _ = tracing_subscriber::fmt().with_target(false).try_init();
        }
        let folder = Folder::new();
        let stage = Stage::open(&folder.0, setup).await.expect("a stage");
        let engine = stage.engine().await.expect("an engine");
        Self { stage, engine, _folder: folder }
    }

    /// The log and the venue agree, now or soon.
    pub async fn agrees(&self) {
        self.stage.agree(&self.engine).await.expect("agreement");
    }
}
