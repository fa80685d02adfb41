//! Plain types without I/O: what an incident is, what was observed, what was concluded.
//!
//! Everything here is a value. Parsing from the wire happens in `api`, reading from a cluster in `cluster`.

pub mod evidence;
pub mod finding;
pub mod incident;
pub mod money;
pub mod object;
pub mod quantities;
pub mod recovery;
pub mod resource;
pub mod usage;
pub mod verdict;

pub use evidence::{Evidence, Source};
pub use finding::{CauseClass, Disposition, Finding};
pub use incident::{Incident, RequestShape, Severity, SignalMode};
pub use money::{Cost, Money};
pub use object::Object;
pub use recovery::{ExecutionFailure, OriginalRootCause, PreviousExecution, Recovery, TriedWorkflow};
pub use resource::ResourceRef;
pub use usage::{PhaseUsage, Usage};
pub use verdict::{
    AlternativeWorkflow, ConfidenceBand, ConfidenceBasis, Engine, ExcludedWorkflow, Investigation, ReviewReason,
    RootCause, SelectedWorkflow, ValidationAttempt,
};
