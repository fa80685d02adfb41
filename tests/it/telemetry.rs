//! What the process tells about itself: metrics, log records, traces (operations §3, §4); and how it starts and ends (§5).

mod events;
mod legacy;
mod lifecycle;
mod logs;
mod metrics;
mod reference;
mod secrets;
mod traces;
