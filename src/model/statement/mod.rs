//! Statements: signed claims about a digest.
