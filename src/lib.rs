//! Sluicegate.

pub mod cli;
pub mod edge;
pub mod flow;
pub mod model;
