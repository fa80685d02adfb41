//! Reading columns. A damaged page can turn any value into any other, so nothing here fails for what a row holds: a value
//! out of its range becomes a harmless one, and the digest tells whether an event is still what it was.

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::store::error::StoreError;

/// The body and whether it still has its digest. Read as bytes: an altered one need not be text.
pub(super) fn body(row: &SqliteRow) -> Result<(String, bool), StoreError> {
    let body = bytes(row, "body")?.unwrap_or_default();
    let intact = bytes(row, "sha256")?.is_some_and(|sha256| digest(&body) == sha256);
    Ok((lossy(body), intact))
}

pub(super) fn digest(body: &[u8]) -> Vec<u8> {
    Sha256::digest(body).to_vec()
}

pub(super) fn bytes(row: &SqliteRow, name: &'static str) -> Result<Option<Vec<u8>>, StoreError> {
    row.try_get_unchecked(name).map_err(StoreError::read)
}

pub(super) fn optional_text(row: &SqliteRow, name: &'static str) -> Result<Option<String>, StoreError> {
    Ok(bytes(row, name)?.map(lossy))
}

fn lossy(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

pub(super) fn text(row: &SqliteRow, name: &'static str) -> Result<String, StoreError> {
    optional_text(row, name).map(Option::unwrap_or_default)
}

pub(super) fn optional_number(row: &SqliteRow, name: &'static str) -> Result<Option<i64>, StoreError> {
    row.try_get_unchecked(name).map_err(StoreError::read)
}

pub(super) fn number(row: &SqliteRow, name: &'static str) -> Result<i64, StoreError> {
    optional_number(row, name).map(Option::unwrap_or_default)
}

pub(super) fn count(row: &SqliteRow, name: &'static str) -> Result<u32, StoreError> {
    number(row, name).map(|number| u32::try_from(number).unwrap_or_default())
}

pub(super) fn total(row: &SqliteRow, name: &'static str) -> Result<u64, StoreError> {
    number(row, name).map(|number| u64::try_from(number).unwrap_or_default())
}

pub(super) fn instant(row: &SqliteRow, name: &'static str) -> Result<Timestamp, StoreError> {
    number(row, name).map(timestamp)
}

pub(super) fn optional_instant(row: &SqliteRow, name: &'static str) -> Result<Option<Timestamp>, StoreError> {
    Ok(optional_number(row, name)?.map(timestamp))
}

pub(super) fn timestamp(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or(Timestamp::UNIX_EPOCH)
}
