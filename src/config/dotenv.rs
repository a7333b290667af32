//! The `.env` file: `NAME=value` lines. Own and small, because the crates for it substitute variables from the process
//! environment and put the whole line, secrets included, into their errors.

/// One line that says something.
#[derive(Clone, PartialEq, Eq)]
pub struct Line {
    /// From 1.
    pub number: usize,
    pub name: String,
    pub value: String,
}

/// A line that can't be taken; its text is not repeated, it may hold a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    pub number: usize,
    pub problem: &'static str,
}

/// Reads a whole file; the bad lines beside the good ones.
pub fn parse(text: &str) -> (Vec<Line>, Vec<BadLine>) {
    let (mut lines, mut bad) = (Vec::new(), Vec::new());
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        match parse_line(line.trim()) {
            Ok(None) => {}
            Ok(Some((name, value))) => lines.push(Line { number, name, value }),
            Err(problem) => bad.push(BadLine { number, problem }),
        }
    }
    (lines, bad)
}

fn parse_line(line: &str) -> Result<Option<(String, String)>, &'static str> {
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let line = line.strip_prefix("export ").unwrap_or(line);
    let (name, rest) = line.split_once('=').ok_or("not NAME=value")?;
    let name = name.trim();
    let letters = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if name.is_empty() || !letters || name.as_bytes()[0].is_ascii_digit() {
        return Err("the name before `=` must be letters, digits and _");
    }
    Ok(Some((name.to_owned(), value_of(rest.trim())?)))
}

/// Quotes are taken off; ` #` begins a comment outside quotes.
fn value_of(rest: &str) -> Result<String, &'static str> {
    let quote = rest.chars().next().filter(|first| matches!(first, '"' | '\''));
    let Some(quote) = quote else {
        let end = rest.find(" #").or_else(|| rest.find("\t#")).unwrap_or(rest.len());
        let bare = if rest.starts_with('#') { "" } else { rest[..end].trim_end() };
        return without_dollar(bare.to_owned());
    };
    let (value, after) = rest[1..].split_once(quote).ok_or("the quote is not closed on the same line")?;
    if !(after.trim().is_empty() || after.trim_start().starts_with('#')) {
        return Err("something follows the closing quote");
    }
    if quote == '\'' {
        return Ok(value.to_owned());
    }
    if value.contains('\\') {
        return Err("escapes are not read; use single quotes");
    }
    without_dollar(value.to_owned())
}

/// Other tools would put a variable there: taken as it stands it would mean something else.
fn without_dollar(value: String) -> Result<String, &'static str> {
    if value.contains('$') {
        Err("variables are not substituted; write the value out, or use single quotes around a real `$`")
    } else {
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(line: &str) -> Result<Option<(String, String)>, &'static str> {
        parse_line(line)
    }

    #[test]
    fn reads_the_usual_shapes() {
        for (line, name, text) in [
            ("A=1", "A", "1"),
            ("export A = 1 # one", "A", "1"),
            ("A=\"x y\" # both", "A", "x y"),
            ("A='$x \"y\"'", "A", "$x \"y\""),
            ("A=a#b", "A", "a#b"),
            ("A=", "A", ""),
            ("A= # nothing", "A", ""),
            ("A=x=y", "A", "x=y"),
        ] {
            assert_eq!(value(line), Ok(Some((name.to_owned(), text.to_owned()))), "{line}");
        }
        assert_eq!(value("# A=1"), Ok(None));
    }

    #[test]
    fn refuses_what_other_tools_read_otherwise() {
        for line in ["A", "=1", "1A=1", "A B=1", "A=\"x", "A='x' y", "A=$HOME/x", "A=\"${B}\"", "A=\"a\\n\""] {
            assert!(value(line).is_err(), "{line}");
        }
    }

    #[test]
    fn counts_lines_past_a_byte_order_mark_and_windows_endings() {
        let (lines, bad) = parse("\u{feff}A=1\r\n\r\nB\r\nC=3\r\n");
        let seen: Vec<_> = lines.iter().map(|line| (line.number, line.name.as_str(), line.value.as_str())).collect();
        assert_eq!(seen, [(1, "A", "1"), (4, "C", "3")]);
        assert_eq!(bad.iter().map(|line| line.number).collect::<Vec<_>>(), [3]);
    }
}
