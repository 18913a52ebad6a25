//! All tests that need more than one module, one binary.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

// The program as a user sees it.
mod cli;
// What the documentation says is true.
mod docs;
// Statements by identities, logs and timestamps: valid, broken and mutated.
mod evidence;
// Whole flows, whatever the registry does.
mod flow;
// Inputs that fuzzing found worth keeping.
mod fuzz_corpus;
// Real git: what is read, and that a hostile work tree runs nothing.
mod git;
// Who may import whom.
mod layers;
// The OCI image layout on disk: foreign, torn and hostile ones, and writers
// that race or are killed.
mod layout;
// What references resolve to, asked of a registry and a Helm repository.
mod lock;
// What is packed, and what comes out of a layer again.
mod packing;
// The programs that others use, real ones: each reads what the other wrote.
mod peers;
// Policies: each field has an effect; the verbs about them.
mod policy;
// What is signed keeps to its JSON Schema.
mod provenance;

// Registries over HTTP: what each verb does, and what a hostile registry, token
// realm or redirect cannot make it do.
mod registry;

// A registry inside the test process, with switches for its faults.
mod support;
