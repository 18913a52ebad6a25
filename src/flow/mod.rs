//! One operation end to end, each in the same order: gather (edge), decide
//! (model), act (edge), record.

pub mod attach;
pub mod attest;
pub mod content;
pub mod deep;
pub mod diff;
pub mod discover;
pub mod error;
pub mod evidence_file;
pub mod extract;
pub mod inspect;
pub mod keygen;
pub mod lock;
pub mod pack;
pub mod policy;
pub mod progress;
pub mod publish;
pub mod pull;
pub mod seal;
pub mod sign;
pub mod sign_bundle;
pub mod verify;
