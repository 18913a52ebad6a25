//! The command line: request → flow → output; no decisions.
