//! Keys and logins where they don't belong: recognised by their looks, so that nothing shows them.

/// How base64 of a private key begins: PKCS #8 of Ed25519 without and with its public half, and anything as long as RSA.
const DER_BEGINNINGS: [&str; 3] = ["MC4CAQAwBQYDK2Vw", "MFECAQEwBQYDK2Vw", "MII"];
const DER_CHARS_MIN: usize = 60;
const NKEY_SEED_CHARS: usize = 58;
/// The shortest phrase of a wallet.
const PHRASE_WORDS_MIN: usize = 12;

/// A private key in one of the ways that venues, wallets and NATS write it.
pub fn is_one(text: &str) -> bool {
    text.contains("-----BEGIN")
        || text.contains('\n')
        || is_wallet_key(text)
        || is_der(text)
        || is_seed(text)
        || is_phrase(text)
        || is_webhook(text)
}

/// An address that is its own password: a Telegram bot's, a Discord or Slack webhook's.
fn is_webhook(text: &str) -> bool {
    let Some((_, rest)) = text.split_once("://") else { return false };
    let of_bot =
        |part: &str| part.strip_prefix("bot").and_then(|part| part.split_once(':')).is_some_and(|(id, _)| id.parse::<u64>().is_ok());
    rest.contains("/api/webhooks/") || rest.starts_with("hooks.") || rest.split('/').any(of_bot)
}

/// An address with somebody's password in it.
pub fn has_login(text: &str) -> bool {
    text.split_once("://").is_some_and(|(_, rest)| rest.split(['/', '?']).next().is_some_and(|host| host.contains('@')))
}

fn is_wallet_key(text: &str) -> bool {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_der(text: &str) -> bool {
    let base64 = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    text.len() >= DER_CHARS_MIN && DER_BEGINNINGS.iter().any(|beginning| text.starts_with(beginning)) && text.bytes().all(base64)
}

/// An nkey: S, then U, A, O or another kind, in base32.
fn is_seed(text: &str) -> bool {
    let base32 = |byte: u8| byte.is_ascii_uppercase() || matches!(byte, b'2'..=b'7');
    text.len() == NKEY_SEED_CHARS && text.starts_with('S') && text.bytes().all(base32)
}

fn is_phrase(text: &str) -> bool {
    let mut words = text.split_whitespace();
    words.clone().count() >= PHRASE_WORDS_MIN && words.all(|word| word.bytes().all(|byte| byte.is_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_from_paths_and_names() {
        let ed25519 = "MC4CAQAwBQYDK2VwBCIEIPBuUS26fueJCK20eTYg1i4Atw3zuuAo28ZejkrEa35j";
        let seed = "SUAIBDPBAUTWCWBKIO6XHQNINK5FWJW4OHLXC3HQ2KFE4PEJUA44CNHTC4";
        let phrase = "test test test test test test test test test test test junk";
        let bot = "https://api.telegram.org/bot123:AAH/sendMessage";
        for key in [bot, "https://discord.com/api/webhooks/1/x", ed25519, seed, phrase, "-----BEGIN RSA PRIVATE KEY-----", &"ab".repeat(32)]
        {
            assert!(is_one(key), "{key}");
        }
        let wallet = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";
        for name in ["/var/lib/arbees/secrets/MII", "./data", "https://host/a@b", wallet, "two words", ""] {
            assert!(!is_one(name) && !has_login(name), "{name}");
        }
        assert!(has_login("https://user:word@host/path") && !has_login("user@host"));
    }
}
