//! What the tools of others say. Where one is missing the test says so and proves nothing; `./run test` fetches them.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::files::{COMPOSE, OURS, UNITS, lines, root, text};
use crate::support::fresh_folder;

/// The exposure that a unit may have at most, in tenths.
const EXPOSURE_MAX: u32 = 20;

/// A program on the PATH, or fetched into target/tools.
fn tool(name: &str) -> Option<PathBuf> {
    let fetched = root().join("target/tools/checkers/bin").join(name);
    let named = if fetched.exists() { fetched } else { PathBuf::from(name) };
    let runs = Command::new(&named).arg("--version").output().is_ok_and(|output| output.status.success());
    if !runs {
        eprintln!("SKIPPED: no {name}, so nothing was proven with it; ./run test fetches it");
    }
    runs.then_some(named)
}

/// Exit status and everything it said.
fn said(command: &mut Command) -> (bool, String) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout) + &text(&output.stderr))
}

#[test]
fn the_compose_file_is_one_by_the_schema_and_a_slip_is_found() {
    let Some(checker) = tool("check-jsonschema") else { return };
    let check = |path: &Path| said(Command::new(&checker).args(["--builtin-schema", "vendor.compose-spec"]).arg(path));
    let (good, told) = check(&root().join(COMPOSE));
    assert!(good, "{told}");
    let folder = fresh_folder("compose");
    let slip = folder.join("docker-compose.yml");
    std::fs::write(&slip, text(COMPOSE).replace("restart: unless-stopped", "restarts: unless-stopped")).expect("written");
    let (good, told) = check(&slip);
    assert!(!good && told.contains("restarts"), "{told}");
    std::fs::remove_dir_all(folder).expect("removed");
}

#[test]
fn hadolint_finds_nothing_in_the_dockerfile() {
    let Some(hadolint) = tool("hadolint") else { return };
    let (good, told) = said(Command::new(&hadolint).arg(root().join("Dockerfile")));
    assert!(good, "{told}");
    let stages: Vec<String> = lines("Dockerfile").into_iter().filter(|line| line.starts_with("FROM ")).collect();
    for from in stages {
        let image = from.split(' ').nth(1).expect("an image");
        assert!(image == "scratch" || image.contains(':') && !image.ends_with(":latest"), "{image} is not pinned");
    }
}

#[test]
fn every_unit_is_hardened_and_read_by_systemd() {
    let Some(analyze) = tool("systemd-analyze") else { return };
    let folder = fresh_folder("units");
    for unit in UNITS {
        let threshold = format!("--threshold={EXPOSURE_MAX}");
        let (good, told) =
            said(Command::new(&analyze).args(["security", "--no-pager", "--offline=true", &threshold]).arg(root().join(unit)));
        assert!(good, "{unit}: {told}");
        // Everything but the program, which is not installed here.
        let copy = folder.join(Path::new(unit).file_name().expect("a name"));
        let installed = |line: &str| if line.starts_with("ExecStart=") { "ExecStart=/bin/true".to_owned() } else { line.to_owned() };
        let lines: Vec<String> = text(unit).lines().map(installed).collect();
        std::fs::write(&copy, lines.join("\n") + "\n").expect("written");
        let (good, told) = said(Command::new(&analyze).args(["verify", "--man=no", "--recursive-errors=no"]).arg(&copy));
        assert!(good && !told.contains(".service:"), "{unit}: {told}");
    }
    std::fs::remove_dir_all(folder).expect("removed");
}

/// Every call of a real session is one that the units' filter lets through.
#[test]
fn a_session_makes_no_system_call_that_its_unit_forbids() {
    let (Some(analyze), Some(strace)) = (tool("systemd-analyze"), tool("strace")) else { return };
    let set = |name: &str| calls_of(&analyze, name);
    let (mut allowed, forbidden) = (set("@system-service"), [set("@privileged"), set("@resources")].concat());
    allowed.retain(|call| !forbidden.contains(call));
    for unit in OURS {
        assert_eq!(super::files::values(unit, "SystemCallFilter"), ["@system-service", "~@privileged @resources"]);
    }
    let place = crate::arbees::Place::new("embedded");
    let trace = place.dir.join("calls");
    let mut engine = place.start_under(&[strace.to_str().expect("text"), "-f", "-qq", "-c", "-o", trace.to_str().expect("text")], &["run"]);
    let started = std::time::Instant::now();
    while place.address().is_none() && started.elapsed() < crate::support::PATIENCE {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    // strace hands the signal on to the program it runs.
    let (_, child) = said(Command::new("sh").args(["-c", &format!("cat /proc/{0}/task/{0}/children", engine.id())]));
    said(Command::new("sh").args(["-c", &format!("kill -TERM {}", child.trim())]));
    assert_eq!(engine.exit_code(), 0);
    let table = std::fs::read_to_string(&trace).expect("the calls");
    let made: Vec<&str> = table.lines().skip(2).filter_map(|line| line.split_whitespace().last()).filter(|call| *call != "total").collect();
    let made: Vec<&str> = made.into_iter().filter(|call| !call.starts_with("---")).collect();
    assert!(made.len() > 20, "{table}");
    let refused: Vec<&&str> = made.iter().filter(|call| !allowed.iter().any(|known| known == *call)).collect();
    assert!(refused.is_empty(), "the unit would forbid {refused:?}");
}

/// The calls of a set, with those of the sets in it.
fn calls_of(analyze: &Path, name: &str) -> Vec<String> {
    let (good, told) = said(Command::new(analyze).args(["--no-pager", "syscall-filter", name]));
    assert!(good, "{told}");
    let words = told.lines().skip(1).map(str::trim).filter(|word| !word.is_empty() && !word.starts_with('#'));
    words.flat_map(|word| if word.starts_with('@') { calls_of(analyze, word) } else { vec![word.to_owned()] }).collect()
}

/// The files of the image alone are enough to run on: a folder of them as the root of the file system, as the image's user.
#[test]
fn the_program_runs_in_nothing_but_its_image() {
    let (folder, root_of_image) = (fresh_folder("image"), fresh_folder("image").join("root"));
    let (good, told) = said(Command::new(root().join("ops/image.sh")).arg(env!("CARGO_BIN_EXE_arbees")).arg(&root_of_image));
    if !good && told.contains("Operation not permitted") {
        eprintln!("SKIPPED: not root, so the image's files can't get their owner");
        return;
    }
    assert!(good, "{told}");
    let inside = |args: &[&str]| {
        let chroot = ["chroot", "--userspec=65532:65532"];
        said(
            Command::new(chroot[0])
                .arg(chroot[1])
                .arg(&root_of_image)
                .arg("/usr/bin/arbees")
                .args(args)
                .env_clear()
                .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
        )
    };
    let (good, told) = inside(&["--version"]);
    assert!(good && told.starts_with("arbees "), "{told}");
    let (good, told) = inside(&["config", "check"]);
    assert!(good && told.contains("settings are good; mode paper"), "{told}");
    assert!(root_of_image.join("etc/ssl/certs/ca-certificates.crt").metadata().expect("roots").len() > 10_000);
    std::fs::remove_dir_all(folder).expect("removed");
    std::fs::remove_dir_all(root_of_image.parent().expect("its folder")).expect("removed");
}
