//! All tests that need more than one module, one binary.

// Real git: what is read, and that a hostile work tree runs nothing.
mod git;
// The OCI image layout on disk: foreign, torn and hostile ones, and writers
// that race or are killed.
mod layout;
// What references resolve to, asked of a registry and a Helm repository.
mod lock;
mod packing;
