//! Log files: read from the end, in bounded memory; only the count of the lines before needs the rest of the file.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use jiff::Timestamp;

use super::build::read_piece;
use crate::cluster::log_text::{drop_before, log_line, split_stamp};
use crate::cluster::{ContainerLog, LOG_BYTES_MAX, LOG_LINES_MAX, LogQuery};

/// Windows tried at the end of the file, in bytes; the last is the most that is returned.
const WINDOWS_BYTES: [u64; 3] = [64 * 1024, 512 * 1024, LOG_BYTES_MAX as u64];

/// Bytes at the end of a log searched for its newest time stamp.
const NEWEST_STAMP_BYTES: u64 = 16 * 1024;

/// Reads what the query asks of one log file.
pub(super) fn read_log(path: &Path, container: String, query: &LogQuery) -> io::Result<ContainerLog> {
    let mut file = File::open(path)?;
    let bytes = file.metadata()?.len();
    let lines_max = query.tail_lines.unwrap_or(LOG_LINES_MAX).min(LOG_LINES_MAX) as usize;
    let (start, window) = last_lines(&mut file, bytes, lines_max)?;
    let first_number = 1 + count_lines(&mut file, start)?;
    let text = String::from_utf8_lossy(&window);
    let raw = text.split_terminator('\n');
    let mut lines: Vec<_> = (first_number..).zip(raw).map(|(number, raw)| log_line(number, raw)).collect();
    let mut truncated = start > 0;
    if let Some(since) = query.since {
        let oldest = lines.first().map(|line| line.number);
        drop_before(&mut lines, since);
        truncated &= lines.first().map(|line| line.number) == oldest && oldest.is_some();
    }
    Ok(ContainerLog { container, lines, truncated })
}

/// Where the last `lines_max` lines start, and their bytes.
fn last_lines(file: &mut File, bytes: u64, lines_max: usize) -> io::Result<(u64, Vec<u8>)> {
    for window_bytes in WINDOWS_BYTES {
        let start = bytes.saturating_sub(window_bytes);
        let mut window = read_piece(file, start, bytes - start)?;
        let line_starts = window.iter().enumerate().rev().skip(1).filter(|(_, byte)| **byte == b'\n');
        let mut line_starts = line_starts.map(|(position, _)| position + 1);
        let cut = match lines_max.checked_sub(1) {
            None => Some(window.len()),
            Some(before) => line_starts.nth(before),
        };
        let is_largest = window_bytes == LOG_BYTES_MAX as u64;
        let cut = match cut {
            Some(cut) => cut,
            None if start == 0 => 0,
            // The window begins inside a line: drop that line, unless it is the only one.
            None if is_largest => window.iter().position(|byte| *byte == b'\n').map_or(0, |end| end + 1),
            None => continue,
        };
        let cut = if cut == window.len() && lines_max > 0 { 0 } else { cut };
        return Ok((start + cut as u64, window.split_off(cut)));
    }
    Ok((bytes, Vec::new()))
}

/// Line breaks before `end`.
fn count_lines(file: &mut File, end: u64) -> io::Result<u64> {
    file.seek(SeekFrom::Start(0))?;
    let mut rest = file.take(end);
    let mut buffer = vec![0; 128 * 1024];
    let mut lines = 0;
    loop {
        let read = rest.read(&mut buffer)?;
        if read == 0 {
            return Ok(lines);
        }
        lines += buffer.iter().take(read).filter(|byte| **byte == b'\n').count() as u64;
    }
}

/// The newest time stamp at a line start near the end of the file.
pub(super) fn newest_stamp(path: &Path) -> io::Result<Option<Timestamp>> {
    let mut file = File::open(path)?;
    let bytes = file.metadata()?.len();
    let start = bytes.saturating_sub(NEWEST_STAMP_BYTES);
    let window = read_piece(&mut file, start, bytes - start)?;
    let text = String::from_utf8_lossy(&window);
    Ok(text.lines().filter_map(|line| split_stamp(line).0).max())
}

#[cfg(test)]
mod tests;
