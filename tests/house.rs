//! The house rules as tests (design §7): which room may name which, which rooms are pure, which words live in one
//! place only, how long a file may be, what lies at the top. Reads the source as text; comments, strings and test
//! modules don't count, so that a rule can be written about without being broken.

#[path = "house/scenarios.rs"]
mod scenarios;

use std::fs;
use std::path::{Path, PathBuf};

const LINES_MAX: usize = 500;

/// Room and the rooms it may name; main, cli, config and app may name every one.
const MAY_NAME: &[(&str, &[&str])] = &[
    ("workers", &["domain", "clock", "metrics", "projections", "event_log", "engine", "risk", "bus", "venues"]),
    ("audit", &["domain", "clock", "metrics", "projections", "event_log", "risk"]),
    ("http", &["domain", "clock", "metrics", "projections", "event_log"]),
    ("engine", &["domain", "projections"]),
    ("risk", &["domain", "projections"]),
    ("venues", &["domain", "clock"]),
    ("exchange", &["domain", "clock"]),
    ("projections", &["domain"]),
    ("event_log", &["domain"]),
    ("bus", &["domain"]),
    ("clock", &["domain"]),
    ("domain", &[]),
    ("crash_points", &[]),
    ("metrics", &[]),
];
/// But the pure ones, in which nothing happens between two effects.
const EVERY_ROOM_MAY_NAME: &[&str] = &["crash_points"];
const FRONT_DOOR: &[&str] = &["main", "cli", "config", "app", "lib"];

const PURE: &[&str] = &["domain", "projections", "risk", "engine"];
const IMPURE_WORDS: &[&str] = &["async", "await", "tokio", "Instant", "SystemTime", "HashMap", "HashSet", "f32", "f64", "rand", "thread"];
/// What a pure room may say after all: file, word, and what the line must contain.
const PURE_EXCEPT: &[(&str, &str, &str)] = &[
    // JSON numbers arrive as floats only to be refused or read digit by digit; serde names the methods.
    ("src/domain/signal/value.rs", "f32", "fn visit_f32"),
    ("src/domain/signal/value.rs", "f64", "fn visit_f64"),
];

/// Words and the only places for them, as beginnings of paths.
const ONE_PLACE: &[(&str, &[&str])] = &[
    ("SystemTime::now", &["src/clock.rs"]),
    ("Instant::now", &["src/clock.rs"]),
    ("Timestamp::now", &["src/clock.rs"]),
    ("Utc::now", &["src/clock.rs"]),
    ("sled::", &["src/event_log/"]),
    ("async_nats", &["src/bus/nats/"]),
    ("env::var", &["src/config", "src/cli", "src/app"]),
    ("Ed25519KeyPair", &["src/domain/verdict.rs", "src/risk/", "src/workers/risk", "src/app", "src/venues/kalshi/key.rs"]),
    ("process::exit", &["src/main.rs", "src/cli", "src/app"]),
    ("unsafe", &[]),
];

/// Everything that may lie at the top of the repository, beside dot-files.
const TOP: &[&str] =
    &["Cargo.toml", "Cargo.lock", "src", "schemas", "tests", "ops", "docker-compose.yml", "README.md", "run", "Dockerfile", "fuzz"];
/// Made by running things; never committed.
const TOP_MADE: &[&str] = &["target", "data", "secrets", "docker-compose.override.yml"];

#[test]
fn rooms_name_only_what_lies_below_them() {
    check(|file| arrows(&file.path, &file.code));
}

#[test]
fn pure_rooms_neither_wait_nor_read_clocks_nor_roll_dice() {
    check(|file| purity(&file.path, &file.code));
}

#[test]
fn some_words_live_in_one_place_only() {
    check(|file| one_place(&file.path, &file.code));
}

#[test]
fn no_file_is_longer_than_the_ceiling() {
    check(|file| ceiling(&file.path, &file.text));
    for file in sources("tests") {
        assert_eq!(ceiling(&file.path, &file.text), Vec::<String>::new());
    }
}

#[test]
fn every_room_says_what_it_is() {
    check(|file| header(&file.path, &file.text));
}

#[test]
fn the_top_of_the_repository_stays_small() {
    let entries = fs::read_dir(root()).expect("repository");
    let names: Vec<String> = entries.map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned()).collect();
    assert_eq!(strangers(&names), Vec::<String>::new(), "at the top of the repository");
}

/// The checker itself: each planted violation is found where it was planted.
#[test]
fn planted_violations_are_found() {
    let found = |check: fn(&str, &str) -> Vec<String>, path: &str, text: &str| check(path, &code_of(text));
    let arrow = "use std::fmt;\n\n\nuse crate::bus::Bus;\n";
    assert_eq!(found(arrows, "src/risk/mod.rs", arrow), ["src/risk/mod.rs:4: `risk` may not name `bus`"]);
    assert_eq!(found(arrows, "src/venues/paper/book.rs", "let x = crate::exchange::run();").len(), 1);
    assert_eq!(found(arrows, "src/exchange/kalshi.rs", "use arbees::venues::Venue;").len(), 1);
    assert_eq!(
        found(arrows, "src/clock.rs", "use crate::{\n    domain::time::Now,\n    bus::{Bus, Link},\n};"),
        ["src/clock.rs:3: `clock` may not name `bus`"]
    );
    assert_eq!(found(arrows, "src/domain/money.rs", "use super::super::risk::Verdict;").len(), 1);
    assert_eq!(found(arrows, "src/bus/mod.rs", "/* use crate::risk */ // crate::risk\nconst X: &str = \"crate::risk\";"), [""; 0]);
    assert_eq!(found(arrows, "src/app.rs", "use crate::bus::Bus; use crate::workers::intake;"), [""; 0]);
    assert_eq!(found(arrows, "src/attic/mod.rs", "fn f() {}"), ["src/attic/mod.rs:1: `attic` has no floor in tests/house.rs"]);

    for line in ["async fn f() {}", "x.await;", "use std::time::Instant;", "let x: f64 = 1;", "HashMap::new()", "rand::random()"] {
        assert_eq!(found(purity, "src/engine/step.rs", line).len(), 1, "{line}");
        assert_eq!(found(purity, "src/workers/intake.rs", line), [""; 0], "{line}");
    }
    assert_eq!(found(purity, "src/domain/money.rs", "fn awaits(brand: Instantly) {} // f64, async"), [""; 0]);
    assert_eq!(found(purity, "src/domain/signal/value.rs", "fn visit_f64<E>(self, value: f64) {}"), [""; 0]);
    assert_eq!(found(purity, "src/domain/signal/value.rs", "let value: f64;").len(), 1);

    assert_eq!(
        found(one_place, "src/workers/intake.rs", "let now = Instant::now();"),
        ["src/workers/intake.rs:1: `Instant::now` belongs in src/clock.rs"]
    );
    assert_eq!(found(one_place, "src/clock.rs", "Instant::now()"), [""; 0]);
    assert_eq!(found(one_place, "src/bus/mod.rs", "fn f(client: async_nats::Client) {}").len(), 1);
    assert_eq!(found(one_place, "src/audit/mod.rs", "let db = sled::open(path);").len(), 1);
    let in_tests = "fn f() {}\n#[cfg(test)]\nmod tests {\n    fn g() { Instant::now(); }\n}\n";
    assert_eq!(found(one_place, "src/workers/intake.rs", in_tests), [""; 0]);
    let after_tests = format!("{in_tests}fn h() {{ Instant::now(); }}\n");
    assert_eq!(found(one_place, "src/workers/intake.rs", &after_tests).len(), 1);

    assert_eq!(
        test_modules("src/bus/mod.rs", "#[cfg(test)]\nmod tests;\n#[cfg(test)]\npub mod fixture;\nmod nats;\n"),
        ["src/bus/tests", "src/bus/fixture"]
    );
    assert_eq!(test_modules("src/bus/nats.rs", "#[cfg(test)]\nmod tests {\n    use x;\n}\n"), [""; 0]);
    assert!(lies_in("src/bus/tests.rs", "src/bus/tests") && lies_in("src/bus/tests/mod.rs", "src/bus/tests"));
    assert!(!lies_in("src/bus/testsuite.rs", "src/bus/tests"));

    assert_eq!(ceiling("src/a.rs", &"x\n".repeat(LINES_MAX)), [""; 0]);
    assert_eq!(ceiling("src/a.rs", &"x\n".repeat(LINES_MAX + 1)), ["src/a.rs:501: 501 lines; the ceiling is 500"]);
    assert_eq!(header("src/risk/mod.rs", "use std::fmt;\n").len(), 1);
    assert_eq!(header("src/risk/judge.rs", "use std::fmt;\n"), [""; 0]);
    let names = ["src", ".git", ".env.example", "target", "notes.txt", "rustfmt.toml"].map(str::to_owned);
    assert_eq!(strangers(&names), ["notes.txt", "rustfmt.toml"]);
}

#[test]
fn comments_strings_and_characters_are_no_code() {
    let text = "let a = \"f64 \\\" x\"; // f64\nlet b = r#\"f64 \" x\"#; /* f64 /* f64 */\nf64 */ let c = '\"'; let d: &'static str;\nlet e = b'\\'';";
    let code = code_of(text);
    assert!(!code.contains("f64"), "{code}");
    assert_eq!(code.lines().count(), text.lines().count());
    assert!(code.contains("let c =") && code.contains("&'static str") && code.contains("let e ="), "{code}");
}

struct Source {
    /// From the root of the repository, with `/`.
    path: String,
    text: String,
    /// The text with comments, strings and test modules blanked; lines stay where they are.
    code: String,
}

fn check(rule: impl Fn(&Source) -> Vec<String>) {
    let files = sources("src");
    assert!(files.len() > 10, "only {} files under src: the checker looks in the wrong place", files.len());
    let broken: Vec<String> = files.iter().flat_map(rule).collect();
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &str) -> Vec<Source> {
    let mut files = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("folder").map(|entry| entry.expect("entry").path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else if entry.extension().is_some_and(|extension| extension == "rs") {
                files.push(source(&entry));
            }
        }
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    let for_tests: Vec<String> = files.iter().flat_map(|file| test_modules(&file.path, &file.text)).collect();
    for file in files.iter_mut().filter(|file| for_tests.iter().any(|module| lies_in(&file.path, module))) {
        file.code = "\n".repeat(file.text.lines().count());
    }
    files
}

/// The modules that a file declares for tests only, as paths without `.rs`: `#[cfg(test)] mod tests;`
fn test_modules(path: &str, text: &str) -> Vec<String> {
    let folder = path.strip_suffix("/mod.rs").or(path.strip_suffix("/lib.rs")).or(path.strip_suffix(".rs")).unwrap_or(path);
    let after = |(at, mark): (usize, &str)| text[at + mark.len()..].trim_start().trim_start_matches("pub ").strip_prefix("mod ");
    let names = text.match_indices("#[cfg(test)]").filter_map(after).filter_map(|rest| rest.split_once(';'));
    let whole = |name: &&str| name.chars().all(|c| c.is_alphanumeric() || c == '_');
    names.map(|(name, _)| name).filter(whole).map(|name| format!("{folder}/{name}")).collect()
}

fn lies_in(path: &str, module: &str) -> bool {
    path.strip_prefix(module).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}

fn source(path: &Path) -> Source {
    let text = fs::read_to_string(path).expect("source file");
    let path = path.strip_prefix(root()).expect("inside the repository").to_string_lossy().replace('\\', "/");
    Source { code: code_of(&text), path, text }
}

/// `src/risk/rules/depth.rs` lies in the room `risk`.
fn room_of(path: &str) -> &str {
    let inside = path.strip_prefix("src/").unwrap_or(path);
    inside.split('/').next().unwrap_or_default().trim_end_matches(".rs")
}

fn arrows(path: &str, code: &str) -> Vec<String> {
    let room = room_of(path);
    if FRONT_DOOR.contains(&room) {
        return Vec::new();
    }
    let Some((_, may_name)) = MAY_NAME.iter().find(|(name, _)| *name == room) else {
        return vec![format!("{path}:1: `{room}` has no floor in tests/house.rs")];
    };
    let allowed = |name: &str| name == room || may_name.contains(&name) || EVERY_ROOM_MAY_NAME.contains(&name) && !PURE.contains(&room);
    let known = |name: &str| FRONT_DOOR.contains(&name) || MAY_NAME.iter().any(|(other, _)| *other == name);
    let depth = path.matches('/').count() - usize::from(path.ends_with("/mod.rs"));
    named_rooms(code, depth)
        .into_iter()
        .filter(|(_, name)| known(name) && !allowed(name))
        .map(|(line, name)| format!("{path}:{line}: `{room}` may not name `{name}`"))
        .collect()
}

/// Names that follow `crate::`, `arbees::` or enough `super::`, in groups, too; with their lines. `depth` is how
/// many `super::` lead out of the room.
fn named_rooms(code: &str, depth: usize) -> Vec<(usize, String)> {
    let out_of_the_room = "super::".repeat(depth.max(1));
    let mut named = Vec::new();
    for prefix in ["crate::", "arbees::", out_of_the_room.as_str()] {
        for (at, _) in code.match_indices(prefix) {
            if code[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_' || before == ':') {
                continue;
            }
            let start = at + prefix.len();
            let line_of = |offset: usize| 1 + code[..offset].matches('\n').count();
            named.extend(heads(&code[start..]).into_iter().map(|(offset, name)| (line_of(start + offset), name)));
        }
    }
    named
}

/// The first name of a path, or the first names of each path in a group `{a::b, c::{d, e}}`.
fn heads(path: &str) -> Vec<(usize, String)> {
    let name_at = |offset: usize| path[offset..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    if !path.starts_with('{') {
        return vec![(0, name_at(0))];
    }
    let (mut found, mut open, mut fresh) = (Vec::new(), 0, false);
    for (offset, c) in path.char_indices() {
        match c {
            '{' => (open, fresh) = (open + 1, open == 0),
            '}' => open -= 1,
            ',' if open == 1 => fresh = true,
            c if fresh && !c.is_whitespace() => {
                found.push((offset, name_at(offset)));
                fresh = false;
            }
            _ => {}
        }
        if open == 0 {
            break;
        }
    }
    found
}

fn purity(path: &str, code: &str) -> Vec<String> {
    let room = room_of(path);
    if !PURE.contains(&room) {
        return Vec::new();
    }
    let excepted =
        |word: &str, line: &str| PURE_EXCEPT.iter().any(|(file, name, part)| *file == path && *name == word && line.contains(part));
    let mut broken = Vec::new();
    for (number, line) in (1..).zip(code.lines()) {
        for word in IMPURE_WORDS.iter().filter(|word| says(line, word) && !excepted(word, line)) {
            broken.push(format!("{path}:{number}: `{room}` is pure and may not say `{word}`"));
        }
    }
    broken
}

fn one_place(path: &str, code: &str) -> Vec<String> {
    let mut broken = Vec::new();
    for (word, places) in ONE_PLACE.iter().filter(|(_, places)| !places.iter().any(|place| path.starts_with(place))) {
        for (number, _) in (1..).zip(code.lines()).filter(|(_, line)| says(line, word)) {
            let belongs = if places.is_empty() { "nowhere".to_owned() } else { format!("in {}", places.join(", ")) };
            broken.push(format!("{path}:{number}: `{word}` belongs {belongs}"));
        }
    }
    broken
}

/// Whether `word` stands in `line` as a word of its own.
fn says(line: &str, word: &str) -> bool {
    let inside = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        !line[..at].ends_with(inside) && !line[at + word.len()..].starts_with(inside)
            || word.ends_with(':') && !line[..at].ends_with(inside)
    })
}

fn ceiling(path: &str, text: &str) -> Vec<String> {
    let lines = text.lines().count();
    if lines > LINES_MAX { vec![format!("{path}:{lines}: {lines} lines; the ceiling is {LINES_MAX}")] } else { Vec::new() }
}

fn header(path: &str, text: &str) -> Vec<String> {
    let needed = path.ends_with("/mod.rs") || path == "src/lib.rs";
    if needed && !text.starts_with("//!") {
        vec![format!("{path}:1: begins without a `//!` line that says what it is")]
    } else {
        Vec::new()
    }
}

fn strangers(names: &[String]) -> Vec<String> {
    let known = |name: &&String| name.starts_with('.') || TOP.contains(&name.as_str()) || TOP_MADE.contains(&name.as_str());
    names.iter().filter(|name| !known(name)).cloned().collect()
}

/// Blanks comments, strings and `#[cfg(test)]` modules; keeps every line break.
fn code_of(text: &str) -> String {
    without_tests(&without_comments_and_strings(text))
}

fn without_comments_and_strings(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let before = code.chars().next_back();
        let blank = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if let Some(length) = string(rest, before) {
            length
        } else {
            code.push(c);
            rest = &rest[c.len_utf8()..];
            continue;
        };
        code.extend(rest[..blank].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        rest = &rest[blank..];
    }
    code
}

/// Length of the comment at the start of `text`; they nest.
fn block_comment(text: &str) -> usize {
    let (mut open, mut at) = (0, 0);
    while at < text.len() {
        match &text.as_bytes()[at..] {
            [b'/', b'*', ..] => (open, at) = (open + 1, at + 2),
            [b'*', b'/', ..] => (open, at) = (open - 1, at + 2),
            _ => at += 1,
        }
        if open == 0 {
            break;
        }
    }
    at
}

/// Length of the string or character literal at the start of `text`, if there is one.
fn string(text: &str, before: Option<char>) -> Option<usize> {
    let bytes = text.as_bytes();
    if bytes[0] == b'"' {
        return Some(quoted(bytes, b'"'));
    }
    if bytes[0] == b'\'' {
        // A lifetime has no closing quote right after its first character.
        let second = text[1..].chars().next()?;
        let literal = second == '\\' || text[1 + second.len_utf8()..].starts_with('\'');
        return literal.then(|| quoted(bytes, b'\''));
    }
    let starts_word = before.is_none_or(|c| !c.is_alphanumeric() && c != '_' || c == 'b');
    let hashes = text.strip_prefix('r')?.bytes().take_while(|byte| *byte == b'#').count();
    if !starts_word || bytes.get(1 + hashes) != Some(&b'"') {
        return None;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    let body = 2 + hashes;
    Some(text[body..].find(&end).map_or(text.len(), |at| body + at + end.len()))
}

fn quoted(bytes: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < bytes.len() && bytes[at] != quote {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(bytes.len())
}

/// Blanks what follows `#[cfg(test)]`, up to the closing brace or the semicolon.
fn without_tests(code: &str) -> String {
    let mut kept = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(at) = rest.find("#[cfg(test)]") {
        kept.push_str(&rest[..at]);
        let item = &rest[at..];
        let mut open = 0;
        let end = item.char_indices().find_map(|(offset, c)| {
            open += i32::from(c == '{') - i32::from(c == '}');
            (open == 0 && (c == '}' || c == ';')).then_some(offset + 1)
        });
        let end = end.unwrap_or(item.len());
        kept.extend(item[..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        rest = &item[end..];
    }
    kept + rest
}
