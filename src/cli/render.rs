//! Columns and colour for people.

use std::io::IsTerminal;

/// Whether to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    pub colour: bool,
}

impl Style {
    pub const PLAIN: Self = Self { colour: false };

    /// Colour on a terminal.
    pub fn of_stdout() -> Self {
        Self { colour: std::io::stdout().is_terminal() }
    }

    pub fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    pub fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    pub fn bad(self, text: &str) -> String {
        self.paint("31", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// Text from outside must not steer the terminal.
pub fn harmless(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    Left,
    Right,
}

/// Rows under a head, each column as wide as its widest cell.
pub struct Table {
    columns: Vec<(&'static str, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new(columns: &[(&'static str, Align)]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    pub fn row(&mut self, cells: Vec<String>) {
        assert!(cells.len() == self.columns.len(), "Invariant: a row has a cell for each column");
        self.rows.push(cells.iter().map(|cell| harmless(cell)).collect());
    }

    /// With a line of its own for an empty table.
    pub fn render(&self, style: Style, when_empty: &str) -> String {
        if self.rows.is_empty() {
            return format!("{when_empty}\n");
        }
        let width = |column: usize| {
            let cells = self.rows.iter().map(|row| row[column].chars().count());
            cells.chain([self.columns[column].0.chars().count()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        let line = |cells: Vec<&str>| {
            let padded = cells.iter().zip(&self.columns).zip(&widths).map(|((cell, (_, align)), width)| match align {
                Align::Left => format!("{cell:<width$}"),
                Align::Right => format!("{cell:>width$}"),
            });
            padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        let mut text = style.bold(&line(self.columns.iter().map(|(name, _)| *name).collect()));
        text.push('\n');
        for row in &self.rows {
            text.push_str(&line(row.iter().map(String::as_str).collect()));
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_under_each_other() {
        let mut table = Table::new(&[("market", Align::Left), ("cost", Align::Right)]);
        table.row(vec!["A".to_owned(), "10.5".to_owned()]);
        table.row(vec!["LONGER-1".to_owned(), "3".to_owned()]);
        assert_eq!(table.render(Style::PLAIN, "none"), "market    cost\nA         10.5\nLONGER-1     3\n");
        assert_eq!(Table::new(&[("a", Align::Left)]).render(Style::PLAIN, "none"), "none\n");
    }

    #[test]
    fn a_cell_cannot_steer_the_terminal() {
        let mut table = Table::new(&[("id", Align::Left)]);
        table.row(vec!["\u{1b}[2J\nx".to_owned()]);
        assert_eq!(table.render(Style { colour: true }, ""), "\u{1b}[1mid\u{1b}[0m\n [2J x\n");
    }
}
