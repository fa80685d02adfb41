//! Delivery of the audit trail to a DataStorage that misbehaves (audit §3.13). The number of an acceptance test is in its
//! name.

mod crash;
mod damage;
mod outage;
mod poison;
mod trail;
