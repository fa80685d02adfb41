//! The one integration-test binary.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod audit;
mod catalogue;
mod configuration;
mod conformance;
mod datastorage;
mod deploy;
mod doctor;
mod examples;
mod fuzz;
mod house;
mod http_clients;
mod http_contract;
mod http_matrix;
mod http_modes;
mod http_published;
mod http_sessions;
mod http_stream;
mod kubernetes_auth;
mod live_cluster;
mod llm;
mod malformed;
mod mcp;
mod metering;
mod pod_events;
mod process;
mod prometheus_tools;
mod reload;
mod scenarios;
mod server_tls;
mod service;
mod sessions;
mod store;
mod stubs;
mod telemetry;
mod tokens;
