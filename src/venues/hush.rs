//! A venue's words, of which some go into reasons, log lines and records: without what it repeats of our secrets.

/// Nothing that a complaint needs to say is so long without a break: a token's id has 78 digits, a signature more.
const LETTERS_MAX: usize = 80;
const HIDDEN: &str = "***";

/// The text without these secrets of ours, and without anything as long as a signature.
pub fn hush(body: &[u8], secrets: &[&str]) -> Vec<u8> {
    let text = String::from_utf8_lossy(body);
    let known = secrets.iter().filter(|secret| !secret.is_empty());
    let text = known.fold(text.into_owned(), |text, secret| text.replace(secret, HIDDEN));
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (letters, after) = rest.split_at(rest.find(|c| !is_letter(c)).unwrap_or(rest.len()));
        let others = after.find(is_letter).unwrap_or(after.len());
        out.push_str(if letters.len() < LETTERS_MAX { letters } else { HIDDEN });
        out.push_str(&after[..others]);
        rest = &after[others..];
    }
    out.into_bytes()
}

/// Of hex and of base64 in either alphabet.
fn is_letter(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '-' | '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hushed(text: &str) -> String {
        String::from_utf8(hush(text.as_bytes(), &["9180014b-33c8-9240", "pass", ""])).expect("text")
    }

    #[test]
    fn secrets_and_signatures_are_gone_and_the_rest_stays_as_it_was() {
        assert_eq!(hushed(r#"{"error":"key 9180014b-33c8-9240 (pass) is bad"}"#), r#"{"error":"key *** (***) is bad"}"#);
        let (signature, hash, token) = ("ab".repeat(65), "cd".repeat(32), "7".repeat(78));
        assert_eq!(hushed(&format!("signature 0x{signature}, order 0x{hash}")), format!("signature ***, order 0x{hash}"));
        for plain in ["", &token, "grüße <html>\n", "too long: {\"a\":[1.5]}"] {
            assert_eq!(hushed(plain), plain);
        }
    }
}
