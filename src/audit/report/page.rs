//! Headings, lines, tables and a curve: Markdown for a terminal or a repository, HTML for a browser. Text from outside is
//! escaped in both.

use crate::domain::money::Usd;

const WIDTH: i64 = 720;
const HEIGHT: i64 = 160;

pub enum Block {
    Heading(String),
    Line(String),
    /// Heads, and rows; the first column is text, the others are figures.
    Table(Vec<&'static str>, Vec<Vec<String>>),
    /// Milliseconds since 1970 and equity.
    Curve(Vec<(i64, Usd)>),
}

pub struct Page {
    pub title: String,
    pub blocks: Vec<Block>,
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#17202a;background:#fff;\
font-variant-numeric:tabular-nums}h2{margin-top:2rem;font-size:1.15rem}table{border-collapse:collapse;width:100%}\
th{text-align:left;color:#5d6b7a;font-weight:500;font-size:.9rem}td,th{padding:.3rem .8rem .3rem 0;border-bottom:1px solid #dfe4ea}\
td+td,th+th{text-align:right}td{overflow-wrap:anywhere}svg{width:100%;height:auto;background:#f3f5f8;border-radius:8px}\
@media(prefers-color-scheme:dark){body{color:#e6ebf1;background:#0f151c}svg{background:#18212b}td,th{border-color:#2b3642}}";

impl Page {
    pub fn markdown(&self) -> String {
        let mut text = format!("# {}\n", self.title);
        for block in &self.blocks {
            match block {
                Block::Heading(heading) => text += &format!("\n## {}\n\n", marked(heading)),
                Block::Line(line) => text += &format!("{}\n", marked(line)),
                Block::Table(heads, rows) => text += &table(heads, rows),
                Block::Curve(points) => text += &format!("{}\n", spark(points)),
            }
        }
        text
    }

    pub fn html(&self, title: &str) -> String {
        let mut body = format!("<h1>{}</h1>\n", escaped(&self.title));
        for block in &self.blocks {
            match block {
                Block::Heading(heading) => body += &format!("<h2>{}</h2>\n", escaped(heading)),
                Block::Line(line) => body += &format!("<p>{}</p>\n", escaped(line)),
                Block::Table(heads, rows) => body += &html_table(heads, rows),
                Block::Curve(points) => body += &svg(points),
            }
        }
        format!(
            "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
             <title>{}</title><style>{STYLE}</style>\n<body>\n{body}</body></html>\n",
            escaped(title)
        )
    }
}

/// What means something in Markdown doesn't, and every text is one line.
fn marked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\n' | '\r' => out.push(' '),
            '|' | '*' | '`' | '[' | ']' | '<' | '>' | '\\' => out.extend(['\\', letter]),
            _ if letter.is_control() => out.push('\u{fffd}'),
            _ => out.push(letter),
        }
    }
    out
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn table(heads: &[&str], rows: &[Vec<String>]) -> String {
    let cells: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| marked(cell)).collect()).collect();
    let width = |column: usize| cells.iter().map(|row| row[column].chars().count()).chain([heads[column].len(), 4]).max().unwrap_or(4);
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    let line = |row: &[String]| {
        let padded = row.iter().zip(&widths).enumerate();
        let padded = padded.map(|(at, (cell, width))| if at == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") });
        format!("| {} |\n", padded.collect::<Vec<_>>().join(" | "))
    };
    let heads: Vec<String> = heads.iter().map(|head| (*head).to_owned()).collect();
    let rule = |(at, width): (usize, &usize)| if at == 0 { "-".repeat(*width) } else { format!("{}:", "-".repeat(width - 1)) };
    let rule: Vec<String> = widths.iter().enumerate().map(rule).collect();
    let rows: String = cells.iter().map(|row| line(row)).collect();
    format!("{}{}{rows}", line(&heads), line(&rule))
}

fn html_table(heads: &[&str], rows: &[Vec<String>]) -> String {
    let heads: String = heads.iter().map(|head| format!("<th>{}</th>", escaped(head))).collect();
    let row =
        |row: &Vec<String>| format!("<tr>{}</tr>\n", row.iter().map(|cell| format!("<td>{}</td>", escaped(cell))).collect::<String>());
    format!("<table><tr>{heads}</tr>\n{}</table>\n", rows.iter().map(row).collect::<String>())
}

fn bounds(points: &[(i64, Usd)]) -> (i64, i64) {
    let low = points.iter().map(|(_, equity)| equity.micros()).min().unwrap_or(0);
    let high = points.iter().map(|(_, equity)| equity.micros()).max().unwrap_or(0);
    (low, high.max(low + 1))
}

/// The curve in a line of text.
fn spark(points: &[(i64, Usd)]) -> String {
    const STEPS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    const COLUMNS: usize = 60;
    let (low, high) = bounds(points);
    let columns = points.len().min(COLUMNS);
    let level = |column: usize| {
        let equity = points[(column + 1) * points.len() / columns - 1].1.micros();
        let step = i128::from(equity - low) * 7 / i128::from(high - low);
        STEPS[usize::try_from(step).unwrap_or(0).min(7)]
    };
    (0..columns).map(level).collect()
}

fn svg(points: &[(i64, Usd)]) -> String {
    let (low, high) = bounds(points);
    let (from, until) = (points.first().map_or(0, |point| point.0), points.last().map_or(1, |point| point.0));
    let scaled =
        |part: i64, whole: i64, size: i64| i64::try_from(i128::from(part) * i128::from(size) / i128::from(whole.max(1))).unwrap_or(0);
    let place = |(at, equity): &(i64, Usd)| {
        let (x, y) = (scaled(at - from, until - from, WIDTH), HEIGHT - 8 - scaled(equity.micros() - low, high - low, HEIGHT - 16));
        format!("{x},{y}")
    };
    let line: Vec<String> = points.iter().map(place).collect();
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"Equity\"><polyline fill=\"none\" stroke=\"#3b82f6\" \
         stroke-width=\"2\" points=\"{}\"/></svg>\n",
        line.join(" ")
    )
}
