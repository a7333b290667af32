//! A data folder that is full or read-only: a small file system of its own, which only root can mount.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::arbees::Place;
use crate::run::log_failures::{nothing_is_beside_the_log, trades_again, until_halted};
use crate::strategy::{Strategy, open};
use crate::support::NatsServer;

/// More than a new log takes (8 MiB of journal and a small database), small enough to be filled at once.
const SIZE: &str = "size=24m";

/// A mounted file system in memory; unmounted on drop. Declare it before the processes that use it.
struct Mounted(PathBuf);

impl Mounted {
    /// `None`, and it is said, where that isn't allowed.
    fn at(dir: PathBuf) -> Option<Self> {
        fs::create_dir_all(&dir).expect("folder");
        if mount(&["-t", "tmpfs", "-o", SIZE, "tmpfs"], &dir) {
            return Some(Self(dir));
        }
        eprintln!("SKIPPED: no file system can be mounted here (not root?); a full or read-only data folder is not tried");
        None
    }

    /// Takes all the room that is left; removing the file gives it back.
    fn fill(&self) -> PathBuf {
        let path = self.0.join("filler");
        let mut file = fs::File::create(&path).expect("a file");
        let zeros = vec![0; 4096];
        while file.write_all(&zeros).is_ok() {}
        path
    }

    fn remount(&self, how: &str) {
        assert!(mount(&["-o", &format!("remount,{how}")], &self.0), "remount,{how}");
    }
}

fn mount(args: &[&str], dir: &Path) -> bool {
    let done = Command::new("mount").args(args).arg(dir).stdout(Stdio::null()).stderr(Stdio::null()).status();
    done.is_ok_and(|status| status.success())
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Lazily: a process that a failed test left behind must not keep it mounted.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// With log lines outside of the mounted folder.
fn place_in(nats_url: &str) -> Option<(Place, Mounted)> {
    let place = Place::new(nats_url).with("MAX_ORDERS_PER_MINUTE", "1000").with("MAX_ORDERS_PER_HOUR", "1000");
    let data = place.dir.join("data");
    let place = place.with("DATA_DIR", &data.display().to_string());
    Some((place, Mounted::at(data)?))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s98_a_full_folder_halts_the_engine_at_once_and_with_room_again_the_log_goes_on() {
    let server = NatsServer::start();
    let Some((place, mounted)) = place_in(&server.url()) else { return };
    let strategy = Strategy::connect(&server.url()).await;
    let mut engine = place.start(&["run"]);
    place.ready().await;
    assert_eq!(strategy.ask(&open("with room", "KXFULL-1-A")).await["answer"], "requested");
    let filler = mounted.fill();
    let lines = until_halted(&mut engine, &strategy).await;
    assert!(lines.contains("No space left"), "{lines}");

    fs::remove_file(filler).expect("the filler");
    nothing_is_beside_the_log(&place, &strategy, &lines);
    let before = place.events();
    trades_again(&place, &strategy).await;
    assert_eq!(place.events()[..before.len()], before, "nothing of it has changed");
    assert_eq!(place.json(&["verify", "--json"])["good"], true);
}

#[test]
fn s98_a_new_log_without_room_is_refused_with_its_folder_and_leaves_nothing_in_the_way() {
    let Some((place, mounted)) = place_in("embedded") else { return };
    let filler = mounted.fill();
    let said = place.say(&["run"]);
    refused(&place, (said.code, &said.err), "No space left");
    fs::remove_file(filler).expect("the filler");
    let mut engine = place.start(&["run"]);
    tokio::runtime::Runtime::new().expect("runtime").block_on(place.ready());
    assert_eq!(engine.stop(), 0, "{}", engine.lines());
}

#[test]
fn s98_a_read_only_folder_is_refused_with_its_name_whether_it_holds_a_log_or_not() {
    let Some((place, mounted)) = place_in("embedded") else { return };
    mounted.remount("ro");
    let said = place.say(&["run"]);
    refused(&place, (said.code, &said.err), "Read-only file system");
    mounted.remount("rw");
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    let mut engine = place.start(&["run"]);
    runtime.block_on(place.ready());
    assert_eq!(engine.stop(), 0, "{}", engine.lines());
    mounted.remount("ro");
    let said = place.say(&["run"]);
    refused(&place, (said.code, &said.err), "Read-only file system");
    mounted.remount("rw");
    let mut engine = place.start(&["run"]);
    runtime.block_on(place.ready());
    assert_eq!(engine.stop(), 0, "{}", engine.lines());
}

/// One clear line. The settings are right, and nothing was trading: neither 2 nor 3.
fn refused(place: &Place, (code, err): (i32, &str), why: &str) {
    assert_eq!((code, err.lines().count()), (1, 1), "{err}");
    assert!(err.contains(&place.mode_dir().display().to_string()) && err.contains(why), "{err}");
}
