//! The log of the program itself fails while an order of its rests at the venue.

use std::process::{Command, Stdio};

use ::arbees::app::rehearsal::{Kalshi, Setup, Wish};

use crate::support::until;

type Killed = crate::killed::Killed<Kalshi>;

/// What the venue says of the one order.
async fn status(killed: &Killed) -> Option<String> {
    killed.there().await?.1["status"].as_str().map(str::to_owned)
}

#[tokio::test(flavor = "multi_thread")]
async fn s98_when_a_sync_fails_what_rests_is_cancelled_before_the_end() {
    let (killed, mut process) = Killed::new(Setup::default(), ("KALSHI_REQUEST_TIMEOUT_MS", "5000")).await;
    let (id, _) = killed.send(&Wish::open("yes", "0.45", "3", "gtd")).await;
    killed.state(&id, "working").await;
    let pid = process.id().to_string();
    let mut strace = Command::new("strace");
    strace.args(["-f", "-o", "/dev/null", "-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO", "-p", &pid]);
    let Ok(mut strace) = strace.stderr(Stdio::null()).spawn() else {
        eprintln!("SKIPPED: no strace; a failing sync beside a resting order is not tried");
        return;
    };
    // Whatever it writes next can't be synced: a veto, so that nothing else is on its way to the venue.
    let sends = async || {
        killed.send(&Wish::open("yes", "0.45", "1000", "gtd")).await;
        (!process.lives()).then_some(())
    };
    until("the engine to end", sends).await;
    assert_eq!(process.exit_code(), 3, "{}", process.lines());
    let _ = strace.wait();
    assert_eq!(status(&killed).await.as_deref(), Some("canceled"), "{}", process.lines());
}
