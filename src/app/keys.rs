//! Keys and tokens on disk: made when absent, readable by their owner only.

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{Ed25519KeyPair, KeyPair};
use secrecy::SecretString;

use crate::domain::ids::LogId;
use crate::http::Token;

/// Writes a file that only its owner may read, whole or not at all.
pub fn write_private(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let dir = path.parent().context("a key needs a folder")?;
    fs::create_dir_all(dir).with_context(|| format!("{} can't be made", dir.display()))?;
    let fresh = path.with_extension("new");
    let _ = fs::remove_file(&fresh);
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&fresh)
        .with_context(|| format!("{} can't be written", fresh.display()))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&fresh, path).with_context(|| format!("{} can't be written", path.display()))
}

fn read_private(path: &Path) -> anyhow::Result<Vec<u8>> {
    let mode = fs::metadata(path)?.permissions().mode();
    if mode & 0o077 != 0 {
        bail!("{} can be read by others (mode {:o}); do: chmod 600 {}", path.display(), mode & 0o777, path.display());
    }
    fs::read(path).with_context(|| format!("{} can't be read", path.display()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The key that verdicts are signed with, made on the first start; its public half lies beside it.
pub fn risk_key_pair(key_path: &Path, public_path: &Path) -> anyhow::Result<Ed25519KeyPair> {
    if !key_path.exists() {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| anyhow::anyhow!("no randomness for a risk key"))?;
        write_private(key_path, document.as_ref())?;
    }
    let bytes = read_private(key_path)?;
    let key = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&bytes)
        .map_err(|error| anyhow::anyhow!("{} holds no Ed25519 key: {error}", key_path.display()))?;
    let public = hex(key.public_key().as_ref());
    if fs::read_to_string(public_path).ok().as_deref().map(str::trim) != Some(&public) {
        write_private(public_path, public.as_bytes())?;
        // Nothing secret: the engine may be another user.
        fs::set_permissions(public_path, fs::Permissions::from_mode(0o644))?;
    }
    Ok(key)
}

pub fn public_of(key: &Ed25519KeyPair) -> Vec<u8> {
    key.public_key().as_ref().to_vec()
}

/// The public half, where the risk consumer is another process.
pub fn public_key(path: &Path) -> anyhow::Result<Vec<u8>> {
    let text = fs::read_to_string(path).with_context(|| format!("{} can't be read", path.display()))?;
    let key = crate::domain::ids::Hash::parse(text.trim()).with_context(|| format!("{} must hold 64 hex digits", path.display()))?;
    Ok(key.0.to_vec())
}

/// Public risk keys whose verdicts engines of this folder have taken, one a line, the newest last.
const KNOWN_PUBLIC_KEYS: &str = "risk.pub.history";

/// The public keys that approvals in this folder's log may be signed with; none in a folder older than the list.
pub fn known_public_keys(dir: &Path) -> anyhow::Result<Vec<Vec<u8>>> {
    let path = dir.join(KNOWN_PUBLIC_KEYS);
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        read => read.with_context(|| format!("{} can't be read", path.display()))?,
    };
    let key = |line: &str| crate::domain::ids::Hash::parse(line.trim()).map(|key| key.0.to_vec());
    text.lines().map(key).collect::<Option<_>>().with_context(|| format!("{} must hold 64 hex digits a line", path.display()))
}

/// Adds the key of this session, before any verdict of it counts: `verify` judges old approvals by the key of their time.
pub fn remember_public_key(dir: &Path, key: &[u8]) -> anyhow::Result<Vec<Vec<u8>>> {
    let mut keys = known_public_keys(dir)?;
    if keys.last().is_some_and(|newest| newest == key) {
        return Ok(keys);
    }
    keys.retain(|known| known != key);
    keys.push(key.to_vec());
    let path = dir.join(KNOWN_PUBLIC_KEYS);
    let lines: String = keys.iter().map(|key| hex(key) + "\n").collect();
    write_private(&path, lines.as_bytes())?;
    // Nothing secret, like the key itself.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644))?;
    Ok(keys)
}

/// Waits for the risk consumer's first start.
pub async fn wait_for_public_key(path: &Path) -> anyhow::Result<Vec<u8>> {
    if !path.exists() {
        tracing::warn!(
            "waiting for the risk consumer's public key in {}: start `arbees run --role risk` or set RISK_PUBLIC_KEY_PATH",
            path.display()
        );
    }
    while !path.exists() {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    public_key(path)
}

/// The bearer token of the API, made on the first start where only this machine can ask. Errors: beyond it, there has to be one
/// that somebody has chosen to give away.
pub fn http_token(path: &Path, http_addr: SocketAddr) -> anyhow::Result<Token> {
    if !path.exists() {
        anyhow::ensure!(
            http_addr.ip().is_loopback(),
            "HTTP_ADDR = {http_addr} can be reached from elsewhere, and there is no token in HTTP_TOKEN_PATH = {}: write one of 16 \
             characters or more there (mode 600), or listen on 127.0.0.1",
            path.display()
        );
        let mut bytes = [0u8; 24];
        SystemRandom::new().fill(&mut bytes).map_err(|_| anyhow::anyhow!("no randomness for a token"))?;
        write_private(path, hex(&bytes).as_bytes())?;
    }
    let text = String::from_utf8(read_private(path)?).with_context(|| format!("{} is not text", path.display()))?;
    Token::new(&SecretString::from(text.trim().to_owned())).map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))
}

/// Where this engine's API is, for the commands: `HTTP_ADDR` may leave the port to the system.
pub fn write_address(path: &Path, addr: SocketAddr, log_id: LogId) -> anyhow::Result<()> {
    fs::write(path, format!("{addr}\n{log_id}\n")).with_context(|| format!("{} can't be written", path.display()))
}

/// Where the engine of this folder said its API is, and whose log it serves.
pub fn read_address(path: &Path) -> Option<(SocketAddr, String)> {
    let text = fs::read_to_string(path).ok()?;
    let (addr, log_id) = text.trim().split_once('\n')?;
    Some((addr.parse().ok()?, log_id.to_owned()))
}
