//! Why the service could not be built.

use crate::api::CertificateError;
use crate::audit::AuditError;
use crate::auth::AuthError;
use crate::catalogue::CatalogueError;
use crate::cluster::bundle::BundleError;
use crate::cluster::live::LiveError;
use crate::datastorage::DataStorageBuildError;
use crate::llm::LlmBuildError;
use crate::metering::PriceError;
use crate::sessions::SessionsError;
use crate::store::StoreError;
use crate::telemetry::metrics::MetricsError;

/// Variants are what an operator would do differently: [`AppError::is_configuration`] tells whose fault it is.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// One sentence naming the keys.
    #[error("{0}")]
    Configuration(String),
    #[error(transparent)]
    Bundle(#[from] BundleError),
    #[error(transparent)]
    Live(#[from] LiveError),
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    #[error(transparent)]
    Llm(#[from] LlmBuildError),
    #[error(transparent)]
    Prices(#[from] PriceError),
    #[error(transparent)]
    DataStorage(#[from] DataStorageBuildError),
    #[error(transparent)]
    Tools(#[from] crate::tools::BuildError),
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    #[error("cannot listen on {address}")]
    Bind { address: String, source: std::io::Error },
    #[error("the listener failed")]
    Listener(#[from] std::io::Error),
    #[error("the state store cannot be opened")]
    Store(#[from] StoreError),
    #[error("the audit trail cannot be opened")]
    Audit(#[from] AuditError),
    #[error("sessions of an earlier process cannot be taken over")]
    Sessions(#[from] SessionsError),
    #[error("callers cannot be authenticated")]
    Auth(#[from] AuthError),
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    #[error("{0} ended unexpectedly; this is a defect")]
    Panicked(&'static str),
}

impl AppError {
    /// True when another configuration would help; false when the machine or a dependency has to.
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::Configuration(_)
            | Self::Catalogue(_)
            | Self::Bundle(_)
            | Self::Live(_)
            | Self::Llm(_)
            | Self::Prices(_)
            | Self::DataStorage(_)
            | Self::Tools(_)
            | Self::Certificate(_)
            | Self::Auth(_) => true,
            Self::Store(StoreError::Url { .. }) => true,
            Self::Bind { .. }
            | Self::Listener(_)
            | Self::Store(_)
            | Self::Audit(_)
            | Self::Sessions(_)
            | Self::Metrics(_)
            | Self::Panicked(_) => false,
        }
    }
}
