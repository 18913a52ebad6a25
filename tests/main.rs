//! All tests that need more than one module, one binary.

// The OCI image layout on disk: foreign, torn and hostile ones, and writers
// that race or are killed.
mod layout;

// Registries over HTTP: what each verb does, and what a hostile registry, token
// realm or redirect cannot make it do.
mod registry;

// A registry inside the test process, with switches for its faults.
mod support;
