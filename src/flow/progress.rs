//! What a long operation tells while it runs. The flows tell; how it is shown,
//! or that nobody looks, is the door's business.

use std::sync::Arc;

/// How far something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// How much is done.
    pub done: u64,
    /// How much there is.
    pub total: u64,
}

/// What a long operation tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// It enters a step; the one before is over.
    Step(&'static str),
    /// How many bytes of the step are done.
    Bytes(Progress),
    /// How many questions, files or the like of the step are done.
    Items(Progress),
}

/// Who is told.
pub type Watch = Arc<dyn Fn(Event) + Send + Sync>;
