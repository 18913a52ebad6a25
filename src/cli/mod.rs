//! The command line: request → flow → output; no decisions.

pub mod diff_report;
pub mod report;
