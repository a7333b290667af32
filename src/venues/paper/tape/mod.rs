//! Reads a tape row by row (format: `shared/tapes/README.md`), plain or gz. A row that can't be used is counted under
//! its reason and left out; nothing a tape holds stops the reading.

/// One line to one row.
mod parse;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use super::MarketRow;
pub use parse::{Kind, Skip};

/// The longest line that is read; the longest of the recorded tapes has under 1 KiB.
const LINE_BYTES_MAX: u64 = 1 << 20;

/// The recorder whose rows are played where a tape names recorders and nobody asked for another: they overlap and must
/// not be mixed.
pub const RECORDER: &str = "1";

/// What a tape held so far: `rows` is the sum of all the others but `negative_delays`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TapeCounts {
    pub rows: u64,
    pub books: u64,
    pub deltas: u64,
    pub trades: u64,
    pub tops: u64,
    pub skipped: BTreeMap<Skip, u64>,
    /// Rows whose time lies before the row ahead of them; they are played without delay.
    pub negative_delays: u64,
}

impl TapeCounts {
    pub fn skipped_total(&self) -> u64 {
        self.skipped.values().sum()
    }

    fn count(&mut self, kind: Kind) {
        match kind {
            Kind::Book => self.books += 1,
            Kind::Delta => self.deltas += 1,
            Kind::Trade => self.trades += 1,
            Kind::Top => self.tops += 1,
        }
    }
}

/// One row to play.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TapeStep {
    /// Milliseconds of tape time since the row played before; 0 for the first.
    pub delay_ms: i64,
    pub row: MarketRow,
}

/// The rows of a tape in order. Its row numbers are line numbers, from 1.
pub struct TapePlayer {
    lines: Box<dyn BufRead + Send>,
    buffer: Vec<u8>,
    recorder: String,
    counts: TapeCounts,
    last_ms: Option<i64>,
    ended: bool,
}

impl TapePlayer {
    /// Errors: the file can't be opened or its first bytes not be read.
    pub fn open(path: &Path) -> io::Result<Self> {
        Self::read(File::open(path)?)
    }

    /// Plays what `source` holds: gz when it begins like gz, else plain lines.
    pub fn read(source: impl Read + Send + 'static) -> io::Result<Self> {
        let mut raw = BufReader::new(source);
        let gz = raw.fill_buf()?.starts_with(&[0x1f, 0x8b]);
        let lines: Box<dyn BufRead + Send> = if gz { Box::new(BufReader::new(MultiGzDecoder::new(raw))) } else { Box::new(raw) };
        Ok(Self { lines, buffer: Vec::new(), recorder: RECORDER.to_owned(), counts: TapeCounts::default(), last_ms: None, ended: false })
    }

    /// Plays the rows of this recorder.
    pub fn of_recorder(self, recorder: String) -> Self {
        Self { recorder, ..self }
    }

    pub fn counts(&self) -> &TapeCounts {
        &self.counts
    }

    /// The next line without its end; `false` at the end of the tape. A stream that breaks off counts as one unreadable row.
    fn next_line(&mut self) -> Option<Result<(), Skip>> {
        self.buffer.clear();
        let read = self.lines.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut self.buffer);
        match read {
            Ok(0) => None,
            Ok(n) if n as u64 == LINE_BYTES_MAX && self.buffer.last() != Some(&b'\n') => Some(self.drop_rest_of_line()),
            Ok(_) => Some(Ok(())),
            Err(_) => {
                self.ended = true;
                Some(Err(Skip::StreamBroken))
            }
        }
    }

    fn drop_rest_of_line(&mut self) -> Result<(), Skip> {
        loop {
            let (used, done) = match self.lines.fill_buf() {
                Ok([]) => (0, true),
                Ok(bytes) => bytes.iter().position(|byte| *byte == b'\n').map_or((bytes.len(), false), |at| (at + 1, true)),
                Err(_) => {
                    self.ended = true;
                    return Err(Skip::StreamBroken);
                }
            };
            self.lines.consume(used);
            if done {
                return Err(Skip::LineTooLong);
            }
        }
    }

    fn delay_to(&mut self, ts_ms: i64) -> i64 {
        let delay = ts_ms.saturating_sub(self.last_ms.unwrap_or(ts_ms));
        self.counts.negative_delays += u64::from(delay < 0);
        self.last_ms = Some(self.last_ms.map_or(ts_ms, |last| last.max(ts_ms)));
        delay.max(0)
    }
}

impl Iterator for TapePlayer {
    type Item = TapeStep;

    fn next(&mut self) -> Option<TapeStep> {
        while !self.ended {
            let line = self.next_line()?;
            self.counts.rows += 1;
            match line.and_then(|()| parse::row(&self.buffer, self.counts.rows, &self.recorder)) {
                Ok((kind, row)) => {
                    self.counts.count(kind);
                    return Some(TapeStep { delay_ms: self.delay_to(row.mark.ts_ms), row });
                }
                Err(skip) => *self.counts.skipped.entry(skip).or_default() += 1,
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
