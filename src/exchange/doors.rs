//! The two listeners of a double, the venue's own and the admin port, and the tick that carries out what is due.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::line::{Line, Lines};

/// How often what is due (expiries, closes, timed fills) is looked for when nobody calls.
const TICK: Duration = Duration::from_millis(5);

/// Says when the venue ends.
#[derive(Clone)]
pub struct Stopped(watch::Receiver<bool>);

impl Stopped {
    pub async fn wait(&self) {
        // A sender that is gone has ended, too.
        let _ = self.0.clone().wait_for(|stopped| *stopped).await;
    }
}

/// Ends the venue.
pub struct Stop(watch::Sender<bool>);

pub fn stop() -> (Stop, Stopped) {
    let (stop, stopped) = watch::channel(false);
    (Stop(stop), Stopped(stopped))
}

/// Both listeners, open.
pub struct Doors {
    pub rest_addr: SocketAddr,
    pub admin_addr: SocketAddr,
    stop: Stop,
    tasks: Vec<JoinHandle<()>>,
}

/// A port that can't be had.
#[derive(Debug, thiserror::Error)]
#[error("port {0}: {1}")]
pub struct NoPort(u16, io::Error);

impl Doors {
    /// Port 0 takes a free one.
    pub async fn open(
        (stop, stopped): (Stop, Stopped),
        (port, venue): (u16, Router),
        (admin_port, admin): (u16, Router),
        tick: impl Fn() + Send + 'static,
    ) -> Result<Self, NoPort> {
        let (rest_addr, rest_task) = listen(port, venue, stopped.clone()).await?;
        let (admin_addr, admin_task) = listen(admin_port, admin, stopped.clone()).await?;
        let ticking = tokio::spawn(ticking(tick, stopped));
        Ok(Self { rest_addr, admin_addr, stop, tasks: vec![rest_task, admin_task, ticking] })
    }

    /// Ends sessions, hanging calls and listeners.
    pub async fn close(self) {
        // Nobody hears it when everything has ended by itself.
        let _ = self.stop.0.send(true);
        for task in self.tasks {
            let abort = task.abort_handle();
            if tokio::time::timeout(Duration::from_secs(1), task).await.is_err() {
                abort.abort();
            }
        }
    }
}

async fn listen(port: u16, router: Router, stopped: Stopped) -> Result<(SocketAddr, JoinHandle<()>), NoPort> {
    let failed = |error| NoPort(port, error);
    let listener = TcpListener::bind(("127.0.0.1", port)).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let service = router.into_make_service_with_connect_info::<Line>();
    let task = tokio::spawn(async move {
        let stopped = async move { stopped.wait().await };
        // It ends with the venue; a broken listener ends it, too, and every call then says so.
        let _ = axum::serve(Lines(listener), service).with_graceful_shutdown(stopped).await;
    });
    Ok((address, task))
}

async fn ticking(tick: impl Fn() + Send, stopped: Stopped) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            _ = ticks.tick() => tick(),
            () = stopped.wait() => return,
        }
    }
}
