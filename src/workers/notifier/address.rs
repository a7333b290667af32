//! Where messages go. The address is a secret as a whole: whoever has it can write there, and a Telegram bot's holds its token.

use std::net::IpAddr;

use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};

use crate::venues::hush::hush;

/// Shorter parts of a path are words, not tokens.
const TOKEN_CHARS_MIN: usize = 8;

/// Never shown, neither whole nor in parts.
#[derive(Clone)]
pub struct WebhookUrl(SecretString);

impl std::fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WebhookUrl(***)")
    }
}

impl WebhookUrl {
    /// Errors: what is wrong, without a byte of it.
    pub fn new(text: &str) -> Result<Self, &'static str> {
        let url = Url::parse(text.trim()).map_err(|_| "is no address")?;
        match url.scheme() {
            "https" if url.host_str().is_some() => {}
            "http" if is_loopback(&url) => {}
            "http" => return Err("is not encrypted; http:// is for loopback addresses only"),
            _ => return Err("must begin with https://"),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("may hold no user");
        }
        Ok(Self(SecretString::from(url.to_string())))
    }

    /// On this machine and not encrypted.
    pub fn is_plain(&self) -> bool {
        self.0.expose_secret().starts_with("http://")
    }

    pub(super) fn url(&self) -> Url {
        Url::parse(self.0.expose_secret()).expect("Invariant: checked when it was read")
    }

    /// A text of the other side without anything of the address in it.
    pub fn hushed(&self, text: &[u8]) -> String {
        let (whole, url) = (self.0.expose_secret(), self.url());
        let host = url.host_str().unwrap_or_default();
        let mut secrets = vec![whole, url.path(), url.query().unwrap_or_default(), host];
        // Telegram's token is `<number>:<text>` behind `bot`; each of the two is one as well.
        let parts = url.path().split('/').flat_map(|part| [part, part.strip_prefix("bot").unwrap_or(part)]);
        let parts = parts.flat_map(|part| std::iter::once(part).chain(part.split(':')));
        secrets.extend(parts.filter(|part| part.len() >= TOKEN_CHARS_MIN));
        secrets.retain(|secret| secret.len() > 1);
        // The long ones first: a part that is gone already breaks the whole.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        String::from_utf8_lossy(&hush(text, &secrets)).into_owned()
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    host == "localhost" || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nobody_else_reads_is_an_address() {
        for good in ["https://h/x?y=1", "http://127.0.0.1:1/a", "http://localhost/a", "http://[::1]:8/a", " https://h/x\n"] {
            assert!(WebhookUrl::new(good).is_ok(), "{good}");
        }
        for bad in ["", "h/x", "http://h/x", "ftp://h/x", "https://u:p@h/x", "https://u@h/x"] {
            assert!(WebhookUrl::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn nothing_of_it_is_shown() {
        let url = WebhookUrl::new("https://api.telegram.org/bot123456789:AAHfiqksKZ8WmR2/sendMessage?to=friend").expect("address");
        assert_eq!(format!("{url:?}"), "WebhookUrl(***)");
        let text =
            "no bot123456789:AAHfiqksKZ8WmR2, 123456789:AAHfiqksKZ8WmR2 or AAHfiqksKZ8WmR2 at api.telegram.org; to=friend; chat not found";
        let told = url.hushed(text.as_bytes());
        for secret in ["123456789", "AAHf", "telegram", "friend"] {
            assert!(!told.contains(secret), "{told}");
        }
        assert!(told.ends_with("chat not found"), "{told}");
    }
}
