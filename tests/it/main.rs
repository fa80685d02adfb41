//! The one integration-test binary.

mod house;
mod http_contract;
mod service;
mod store;
