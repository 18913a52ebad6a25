//! Sluicegate makes an OCI registry a source of truth that a cluster can trust.
//!
//! CI publishes a directory of app config as one signed, attested, reproducible
//! OCI artifact; whoever reads it decides by what was signed about its digest,
//! never by where a tag points.
//!
//! # The map
//!
//! ```text
//!   main ──▶ cli ──▶ flow ──▶ api ──▶ model
//!                     │        ▲        ▲
//!                     └─▶ edge ┴────────┘
//! ```
//!
//! | ring | holds | rule |
//! |---|---|---|
//! | [`model`] | what things are and what follows from them | pure: no IO, clock, environment, async |
//! | [`api`] | what users write, and its conversion into `model` | pure like it |
//! | [`edge`] | the outside world | thin, bounded, without decisions; edges do not know each other |
//! | [`flow`] | one operation end to end | gather (edge) → decide (model) → act (edge) |
//! | [`cli`] | ways in | request → flow → output |
//!
//! `tests/layers.rs` keeps these rules; inside `model` the import order is the
//! data flow.
//!
//! # Words
//!
//! - A *bundle* is a directory of app config: [`model::bundle`]. It is judged
//!   ([`model::bundle::check`]), it names charts and images
//!   ([`model::bundle::need`]), and it is packed into one layer
//!   ([`model::bundle::pack`]).
//! - Its *source* is a repository, a ref and a commit: [`model::source`].
//! - An *artifact* is the bundle as an OCI manifest: [`model::artifact`]. Its
//!   identity is the manifest's digest: [`model::digest::Digest`].
//! - A *statement* is a signed claim about a digest: [`model::statement`].
//! - *Evidence* is a statement that was checked: [`model::evidence`].
//! - A *verdict* is accepted, rejected or unknown: [`model::policy::Verdict`].
//!
//! # Invariants
//!
//! - Only [`model::evidence::check`] makes an [`model::evidence::Evidence`], and
//!   only [`model::policy::Verdict::admit`] an [`model::policy::Admitted`]; what
//!   moves a tag takes one. Moving a tag without a verdict does not compile.
//! - After a tag was resolved, only a digest travels. Every byte that is read is
//!   checked against the digest it was asked for, and every read is bounded.
//! - A transport fault is *unknown*, never *unsigned*: nothing moves from
//!   rejected or unknown to accepted by adding a fault.
//! - One bad, foreign or unreadable statement never hides a good one.
//! - The tags move last.
//!
//! # Walkthroughs
//!
//! `sluicegate publish` is parsed in [`cli::args`], becomes a
//! [`flow::publish::Request`], is prepared ([`flow::publish::prepare`]: source,
//! pack, lock), planned from what the registry holds
//! ([`flow::publish::plan`]), signed by keys or by the identity of the run and
//! checked ([`flow::seal`]), written and read back ([`flow::attach`]), and only
//! then do the tags move.
//!
//! `sluicegate verify --policy` loads a policy ([`flow::policy::load`],
//! [`api::trust_policy`]), resolves once ([`flow::verify::resolve`]), gathers every
//! statement ([`flow::discover::gather`]), each checked as it arrives, and
//! judges ([`model::policy::judge()`]). In depth, and always on a layout, it then
//! reads everything that the artifact names ([`flow::deep::read`]).

pub mod api;
pub mod cli;
pub mod edge;
pub mod flow;
pub mod model;
