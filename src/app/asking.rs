//! A question to the person at the terminal.

use std::io::{BufRead, IsTerminal, Write};

/// Errors: nobody is there to answer (`--yes` answers for scripts).
pub fn confirmed(question: &str) -> anyhow::Result<bool> {
    let stdin = std::io::stdin();
    anyhow::ensure!(stdin.is_terminal(), "nobody is there to answer {question:?}; --yes answers for scripts");
    print!("{question} [y/N] ");
    std::io::stdout().flush()?;
    let mut line = String::new();
    stdin.lock().read_line(&mut line)?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}
