//! holmesgpt-api: finds out why something broke in Kubernetes and chooses the remediation.

pub mod analyser;
pub mod api;
pub mod app;
pub mod audit;
pub mod auth;
pub mod catalogue;
pub mod cli;
pub mod cluster;
pub mod config;
pub mod domain;
pub mod enrichment;
pub mod investigation;
pub mod llm;
pub mod retry;
pub mod sessions;
pub mod store;
pub mod telemetry;
