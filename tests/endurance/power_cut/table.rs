//! What the power cuts did, a line each and in sum.

use super::SEGMENTS_MIN;
use super::checked::Found;
use super::disk::Shutdown;

/// One cut.
pub struct Row {
    pub seed: u64,
    pub shutdown: Shutdown,
    pub block_records_max: u64,
    pub found: Found,
}

pub fn head() {
    println!("    SEED  SHUTDOWN  BLOCKS UP TO  SEGMENTS  PROMISED  TOLD LATE     FOUND  LETTERS  TORN BYTES  LOST  SLED");
}

impl Row {
    pub fn print(&self) {
        let Self { seed, shutdown, block_records_max, found } = self;
        println!(
            "{seed:>8}  {:<8}  {block_records_max:>12}  {:>8}  {:>8}  {:>9}  {:>8}  {:>7}  {:>10}  {:>4}  {}",
            shutdown.name(),
            found.segments,
            found.promised,
            found.late,
            found.records,
            found.letters,
            found.torn_bytes,
            found.lost,
            found.sled
        );
    }
}

pub fn total(rows: &[Row]) {
    println!();
    println!(
        "SHUTDOWN  CUTS  PAST {SEGMENTS_MIN} SEGMENTS  RECORDS PROMISED  RECORDS FOUND  DEAD LETTERS  TORN TAILS  LOST  TOLD LATE AND GONE"
    );
    for shutdown in [Shutdown::Flush, Shutdown::NoFlush] {
        line(shutdown.name(), rows.iter().filter(|row| row.shutdown == shutdown));
    }
    line("all", rows.iter());
}

fn line<'a>(name: &str, rows: impl Iterator<Item = &'a Row>) {
    let rows: Vec<&Found> = rows.map(|row| &row.found).collect();
    let sum = |part: fn(&Found) -> u64| rows.iter().map(|found| part(found)).sum::<u64>();
    let many = sum(|found| u64::from(found.segments >= SEGMENTS_MIN));
    let (promised, found, letters) = (sum(|found| found.promised), sum(|found| found.records), sum(|found| found.letters));
    let torn = sum(|found| u64::from(found.torn_bytes > 0));
    let (lost, late) = (sum(|found| found.lost), sum(|found| u64::from(found.late > found.records)));
    let cuts = rows.len();
    println!("{name:<8}  {cuts:>4}  {many:>16}  {promised:>16}  {found:>13}  {letters:>12}  {torn:>10}  {lost:>4}  {late:>18}");
}
