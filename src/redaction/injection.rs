//! Texts that try to give a model instructions (investigation §8.4). They are marked, and deleted only where that is
//! asked for: a log line that begins with `user:` is evidence as well.

mod clean;
mod fence;
mod strip;
mod suspicion;

pub use clean::{clean, field};
pub use fence::{Fence, Wrapped};
pub use strip::{InjectionConfig, Mode, removal, strip, strip_value};
pub use suspicion::{Kind, Suspicion, suspicions};

#[cfg(test)]
mod tests;
