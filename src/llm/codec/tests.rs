//! Every dialect side by side: request bodies as golden files, replies and streams that mean the same.

mod hostile;
mod replies;
mod requests;
