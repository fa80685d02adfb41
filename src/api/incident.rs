//! `/api/v1/incident/…`

mod request;
mod response;

pub use self::request::{AnalyzeBody, Invalid, JSON_DEPTH_MAX};
pub use self::response::{
    AlternativeWorkflow, HumanReviewReason, IncidentResponse, SeverityVocabulary, ValidationAttempt,
};
