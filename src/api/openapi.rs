//! The OpenAPI document, made from the same table of routes that serves requests (http-api §1.12).

use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Document;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};

use super::problem::ProblemDocument;
use super::routes;
use super::schema::{HttpValidationError, Severity, SignalMode, ValidationError};

#[derive(Debug, OpenApi)]
#[openapi(
    info(
        title = "HolmesGPT API Service",
        description = "Finds out why something broke in Kubernetes and chooses the remediation workflow.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    tags(
        (name = "Incident Analysis", description = "Submit incidents, follow their investigation, fetch results"),
        (name = "Recovery Analysis", description = "The next attempt after a remediation that failed"),
        (name = "Health", description = "Probes and configuration"),
    ),
    components(schemas(ProblemDocument, HttpValidationError, ValidationError, Severity, SignalMode)),
)]
struct Head;

/// Title, tags, security and the components no route mentions by itself; `routes` adds paths and the rest.
pub(super) fn head() -> Document {
    let mut document = Head::openapi();
    let mut bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    bearer.description = Some("A Kubernetes ServiceAccount token, or a token of the token file".to_owned());
    document.components.get_or_insert_default().add_security_scheme("bearer", SecurityScheme::Http(bearer));
    document
}

/// The document as it is served and printed: pretty JSON, one final newline.
pub fn document() -> String {
    let document = routes::routes().into_openapi();
    document.to_pretty_json().map(|text| text + "\n").unwrap_or_default()
}
