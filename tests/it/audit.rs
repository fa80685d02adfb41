//! Delivery of the audit trail to a DataStorage that misbehaves (audit §3.13). The number of an acceptance test is in its
//! name.

mod command;
mod crash;
mod damage;
mod load;
mod outage;
mod poison;
mod settings;
mod trail;
