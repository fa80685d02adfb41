//! What is known about a resource before choosing: its owner chain, read through the `Cluster` port.

pub mod owners;
pub mod spec_hash;

pub use owners::{OwnerChain, owner_chain};
