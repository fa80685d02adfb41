//! The OpenAPI document and its page. Everything is compiled in, so the page works without a network.

use std::sync::Arc;

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::HeaderValue;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION};
use axum::response::{IntoResponse, Response};
use tracing::error;

use super::openapi;
use super::problem::{JSON, Problem};

/// The files the page loads; no other file of the bundle is served.
const ASSETS: &[&str] = &[
    "swagger-ui.css",
    "index.css",
    "favicon-32x32.png",
    "favicon-16x16.png",
    "swagger-ui-bundle.js",
    "swagger-ui-standalone-preset.js",
    "swagger-initializer.js",
];
const PREFIX: &str = "/docs/";
const PAGE: &str = include_str!("docs/page.html");
const INITIALIZER: &str = include_str!("docs/initializer.js");
/// The page loads only from this service. Swagger UI writes inline styles and uses images as data URLs.
const POLICY: &str =
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'";

/// Whether the path is one of the page's files.
pub(super) fn is_asset(path: &str) -> bool {
    path.strip_prefix(PREFIX).is_some_and(|name| ASSETS.contains(&name))
}

pub(super) async fn document() -> Response {
    ([(CONTENT_TYPE, JSON)], openapi::document()).into_response()
}

pub(super) async fn page() -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
    ];
    (headers, PAGE).into_response()
}

pub(super) async fn asset(name: Result<Path<String>, PathRejection>) -> Result<Response, Problem> {
    let Path(name) = name.map_err(|_| Problem::no_route())?;
    if !ASSETS.contains(&name.as_str()) {
        return Err(Problem::no_route());
    }
    let cached = (CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    if name == "swagger-initializer.js" {
        let media = (CONTENT_TYPE, HeaderValue::from_static("text/javascript; charset=utf-8"));
        return Ok(([media, cached], INITIALIZER).into_response());
    }
    let found = utoipa_swagger_ui::serve(&name, Arc::new(utoipa_swagger_ui::Config::default()));
    let file = found.ok().flatten().ok_or_else(|| {
        error!(event = "unexpected_error", asset = name, "an asset of the documentation page is not compiled in");
        Problem::internal()
    })?;
    let media = HeaderValue::from_str(&file.content_type).map_err(|_| Problem::internal())?;
    Ok(([(CONTENT_TYPE, media), cached], file.bytes.into_owned()).into_response())
}

/// `/redoc` shows the same page.
pub(super) async fn redirect() -> Response {
    (StatusCode::TEMPORARY_REDIRECT, [(LOCATION, "/docs")]).into_response()
}
