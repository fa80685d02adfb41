//! The HTTP contract (http-api): what clients send and receive.

mod fields;
pub mod incident;

pub use fields::{FieldError, Step};
