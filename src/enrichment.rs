//! What is known about a resource before choosing: its owner chain, read through the `Cluster` port.

pub mod history;
pub mod labels;
pub mod owners;
pub mod reader;
pub mod spec_hash;
#[cfg(test)]
mod testing;

pub use labels::{DetectedLabels, Detection};
pub use owners::{OwnerChain, Scope, owner_chain};
pub use reader::{Reader, Retrying};
