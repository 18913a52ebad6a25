//! One operation end to end, each in the same order: gather (edge), decide
//! (model), act (edge), record.

pub mod extract;
pub mod pack;
