//! holmesgpt-api: finds out why something broke in Kubernetes and chooses the remediation.
//!
//! # Shape
//!
//! One process, one tokio runtime. An axum router's handlers share a few singletons behind `Arc`; every investigation is an
//! owned task that fans out from them to the language model, Kubernetes and the stores. The work waits far more than it
//! computes, so shared pools in one process are the right shape. The same binary is a command-line tool.
//!
//! # Map
//!
//! ```text
//! main > cli > app > api > sessions > recording > investigation > { analyser, tools } > enrichment > catalogue > metering
//!      > { cluster, audit, auth, llm } > { datastorage, store } > service_account
//!      > { redaction, retry, settings, telemetry } > domain
//! ```
//!
//! A room may use what stands to its right and nothing else; rooms in one pair of braces do not know each other. `config`
//! sits beside `app`. `tests/it/house.rs` reads the sources and fails on any other edge. Rooms the map names and this page
//! does not list are not built yet.
//!
//! | Room | What lives there |
//! |---|---|
//! | [`cli`] | subcommands and the terminal report |
//! | [`app`] | the composition root: every singleton is built once, in order; the way down |
//! | [`config`] | flags over variables over two strict YAML files, put together from each room's own section; the table of keys |
//! | [`api`] | routes, extractors, problem documents, `OpenAPI`; the only code that knows axum |
//! | [`sessions`] | admission, repetitions, one task per session, states, expiry, what a restart leaves |
//! | [`recording`] | one file with everything an investigation took from outside, and the run played again from it |
//! | [`investigation`] | the use case: from an incident to one complete outcome through the decision table |
//! | [`analyser`] | diagnosis without a model: one file per fault family, then ranking |
//! | [`tools`] | what a model may look at: read-only, bounded, each with a schema |
//! | [`enrichment`] | what is known about a target before choosing: owner, labels, quota, history |
//! | [`catalogue`] | remediation workflows: matching, and why one is left out |
//! | [`metering`] | prices, budgets, the book of what was spent today |
//! | [`cluster`] | read-only Kubernetes: the live API or a recorded bundle |
//! | [`llm`] | chat types, dialect codecs, one exchange with retries |
//! | [`audit`] | what happened, in a store that survives a crash, and its delivery |
//! | [`auth`] | who may call: token and access reviews, or a token file |
//! | [`datastorage`] | typed client of the `DataStorage` API: one pool, one token |
//! | [`store`] | `SQLite`: schema, migrations, queries |
//! | [`service_account`] | how we prove who we are: secrets in files, read again when refused |
//! | [`redaction`] | what must never leave: secrets taken out by structure and by pattern, injected instructions marked |
//! | [`retry`], [`settings`], [`telemetry`] | backoff and breaker; values that change under a running service; logs and metrics |
//! | [`domain`] | plain types: incident, object, evidence, finding, verdict |
//!
//! # The way of one incident
//!
//! 1. [`api`] parses the body into domain types; bad input ends there, as a problem document.
//! 2. [`sessions`] stores the session before the 202 leaves, queues it and runs it as an owned task with a deadline.
//! 3. [`investigation`] has the [`analyser`] gather what the signal's resource touches and rank what it finds. A configured
//!    model then investigates with read-only [`tools`]: every result is redacted, bounded and kept under an id, so that what
//!    the model claims can be held against what was seen.
//! 4. [`enrichment`] reads the target and climbs to the owner that has to be changed; [`catalogue`] says which workflows fit
//!    and why others do not; the choice and its parameters are validated.
//! 5. The decision table turns what happened into one complete outcome. Every exit goes through it.
//! 6. The outcome and the terminal audit event are stored together; then watchers learn of it.
//!
//! # What never happens
//!
//! * Only `api` imports axum, only `cluster` and `auth` import `kube`, only `store` imports `sqlx`.
//! * Codecs, prompts, the decision table, validation, signatures, redaction and retry do no I/O and take the time as an
//!   argument.
//! * No mutable `static`, no client made on first use: [`app`] builds everything.
//! * No queue, cache, body, turn or tool output without a named bound with its unit.
//! * No metric name outside `telemetry::metrics`, no mapping from an error to a status code outside `api::problem`.
//! * No task without an owner: a tracker, a cancellation token, and a log line when it dies early.
//! * No exit of the process outside `main`.

pub mod analyser;
pub mod api;
pub mod app;
pub mod audit;
pub mod auth;
pub mod catalogue;
pub mod cli;
pub mod cluster;
pub mod config;
pub mod datastorage;
pub mod domain;
pub mod enrichment;
pub mod investigation;
pub mod llm;
pub mod metering;
pub mod recording;
pub mod redaction;
pub mod retry;
pub mod service_account;
pub mod sessions;
pub mod settings;
pub mod store;
pub mod telemetry;
pub mod tools;
