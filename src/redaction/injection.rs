//! Texts that try to give a model instructions (investigation §8.4). They are marked, never deleted: a log line that begins
//! with `user:` is evidence as well.

mod clean;
mod fence;
mod suspicion;

pub use clean::{clean, field};
pub use fence::{Fence, Wrapped};
pub use suspicion::{Kind, Suspicion, suspicions};

#[cfg(test)]
mod tests;
