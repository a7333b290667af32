//! Reads `NATS_URL`. Who we are is taken out of it at once, so that no log line of the client library can show it.

use async_nats::{ConnectOptions, ServerAddr};
use secrecy::{ExposeSecret, SecretString};

use super::Identity;
use crate::bus::BusError;

pub(super) struct Servers {
    pub addresses: Vec<ServerAddr>,
    /// Host and port of each, for people.
    pub shown: String,
    login: Option<Login>,
}

enum Login {
    User { name: String, password: SecretString },
    Token(SecretString),
}

impl Servers {
    /// `nats://[user:password@]host:port` or `nats://token@host:port`, several separated by commas; the login of the
    /// first that has one counts for all. `%40` and the like stand for characters that a URL can't hold.
    pub(super) fn read(url: &str) -> Result<Self, BusError> {
        let mut servers = Self { addresses: Vec::new(), shown: String::new(), login: None };
        for one in url.split(',').map(str::trim) {
            let (scheme, rest) = one.split_once("://").unwrap_or(("nats", one));
            let (login, host) = rest.rsplit_once('@').map_or((None, rest), |(login, host)| (Some(login), host));
            let wrong = || BusError::Misconfigured(format!("NATS_URL: `{scheme}://{host}` is not nats://[user:password@]host:port"));
            let address: ServerAddr = format!("{scheme}://{host}").parse().map_err(|_| wrong())?;
            let separator = if servers.shown.is_empty() { "" } else { "," };
            servers.shown += &format!("{separator}{}:{}", address.host(), address.port());
            servers.addresses.push(address);
            if servers.login.is_none() {
                servers.login = login.map(read_login).transpose().map_err(|()| wrong())?;
            }
        }
        Ok(servers)
    }

    /// Replies come under `_INBOX.<role>`, so that a server's permissions can keep roles out of each other's letters: a user's
    /// name is its role; a key has none, so its role is told.
    pub(super) fn inbox_prefix(&self, identity: &Identity) -> String {
        let plain = |name: &&str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        let user = match &self.login {
            Some(Login::User { name, .. }) => Some(name.as_str()),
            _ => None,
        };
        let told = identity.seed.as_ref().and(identity.role.as_deref());
        told.or(user).filter(plain).map_or_else(|| "_INBOX".to_owned(), |role| format!("_INBOX.{role}"))
    }

    /// The client library ignores a login inside the URL, so it is given apart. A key counts before it.
    pub(super) fn log_in(&self, identity: &Identity, options: ConnectOptions) -> ConnectOptions {
        if let Some(seed) = &identity.seed {
            return options.nkey(seed.expose_secret().to_owned());
        }
        match &self.login {
            None => options,
            Some(Login::User { name, password }) => options.user_and_password(name.clone(), password.expose_secret().to_owned()),
            Some(Login::Token(token)) => options.token(token.expose_secret().to_owned()),
        }
    }
}

fn read_login(text: &str) -> Result<Login, ()> {
    Ok(match text.split_once(':') {
        None => Login::Token(decoded(text)?.into()),
        Some((name, password)) => Login::User { name: decoded(name)?, password: decoded(password)?.into() },
    })
}

/// Resolves `%XX`.
fn decoded(text: &str) -> Result<String, ()> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let (byte, tail) = match (byte, tail) {
            (b'%', [high, low, tail @ ..]) => (hex(*high)? * 16 + hex(*low)?, tail),
            (b'%', _) => return Err(()),
            _ => (byte, tail),
        };
        bytes.push(byte);
        rest = tail;
    }
    String::from_utf8(bytes).map_err(|_| ())
}

fn hex(digit: u8) -> Result<u8, ()> {
    char::from(digit).to_digit(16).map(|value| value as u8).ok_or(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_login_is_taken_out_of_the_url() {
        let servers = Servers::read("nats://engine:hunter%402:1@a:4222, b:4223").expect("URL");
        assert_eq!((servers.shown.as_str(), servers.inbox_prefix(&Identity::default()).as_str()), ("a:4222,b:4223", "_INBOX.engine"));
        assert!(servers.addresses.iter().all(|address| !format!("{address:?}").contains("hunter")));
        let Some(Login::User { name, password }) = &servers.login else { panic!("no user") };
        assert_eq!((name.as_str(), password.expose_secret()), ("engine", "hunter@2:1"));
    }

    #[test]
    fn a_lone_word_before_the_host_is_a_token() {
        let servers = Servers::read("nats://s3cret@127.0.0.1").expect("URL");
        assert!(matches!(&servers.login, Some(Login::Token(token)) if token.expose_secret() == "s3cret"));
        assert_eq!((servers.shown.as_str(), servers.inbox_prefix(&Identity::default()).as_str()), ("127.0.0.1:4222", "_INBOX"));
    }

    #[test]
    fn a_bad_url_is_named_without_its_password() {
        for bad in ["nats://engine:hunter2@ho st:x", "nats://engine:hunter2%4@host"] {
            let error = Servers::read(bad).err().expect("no URL").to_string();
            assert!(error.contains("NATS_URL") && !error.contains("hunter2"), "{error}");
        }
    }
}
