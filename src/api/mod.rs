//! What users write.

pub mod evidence_file;
