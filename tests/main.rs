//! All tests that need more than one module, one binary.

// The OCI image layout on disk: foreign, torn and hostile ones, and writers
// that race or are killed.
mod layout;
