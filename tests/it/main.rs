//! The one integration-test binary.

mod house;
mod http_contract;
mod kubernetes_auth;
mod service;
mod sessions;
mod store;
