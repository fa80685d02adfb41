//! Small servers that stand in for what the service talks to.

pub(crate) mod apiserver;
pub(crate) mod datastorage;
pub(crate) mod mcp;
pub(crate) mod model;
pub(crate) mod prometheus;
pub(crate) mod provider;
pub(crate) mod scripted;
