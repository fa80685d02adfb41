//! How we prove who we are: secrets in files, read again when a server refuses the one we have.

mod secret_file;
mod token_pool;

pub use secret_file::{SecretFile, SecretFileError};
pub use token_pool::{TokenPool, TokenTimes, TokenUnavailable};
