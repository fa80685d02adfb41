//! Recordings: everything one investigation took from outside itself, in one file, and the run played again from it.
//!
//! # What is recorded
//!
//! An investigation is a function of its incident, its settings, and of what it asks: the cluster, the catalogue and the
//! history (`ports`), the model, tools, time and chance ([`crate::investigation::Outside`]). The [`Recorder`] stands at these
//! ports and keeps question and answer; the [`Player`] stands at the same ports and gives the answers again, without a
//! network. Questions find their answers by what is asked, not by order, because tools run side by side; only the model's
//! turns follow each other. Time stands still while playing: it passes when a question comes that was never answered, and
//! then as far as whoever waits is ready to wait.
//!
//! # What is not
//!
//! Secrets. What is read of the cluster and what tools answer is redacted before the run sees it (`redacted`), so that run
//! and replay see the same; everything passes the redactor once more on its way into the file. Blocks that only the model's
//! provider can read are left out, only their size is kept. The key of the placeholders is never written.
//!
//! # The file
//!
//! [`format`] is its shape, version and checksum. The same files are scenarios in the tests.

mod canonical;
mod dialogue;
mod difference;
pub mod format;
mod player;
mod ports;
mod recorder;
mod redacted;
mod run;
mod spool;
mod tape;

pub use format::{Recording, RecordingError};
pub use player::{Drift, Player};
pub use recorder::Recorder;
pub use run::{Pretence, RecordedInvestigator, Replayed, parts, replay};
