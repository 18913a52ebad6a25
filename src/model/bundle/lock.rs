//! The lock: what every chart and image that the manifests name resolved to.
//!
//! Extraction (what the manifests name) is pure and lives beside this file in
//! [`super::need`]; resolving is `flow::lock`; the result goes into the
//! provenance as `resolvedDependencies`.

use crate::model::digest::Digest;

use super::{
    need::{Need, Target},
    problem::{Code, Problem, code},
};

/// Something that was resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Locked {
    /// What the manifests name.
    pub need: Need,
    /// The digest: of the manifest for OCI (the index's when multi-arch), of
    /// the chart archive for an HTTP Helm repository.
    pub digest: Digest,
    /// Where the digest can be fetched, in the terms of the original reference:
    /// `oci://host/repo@sha256:…` or the URL of the chart archive. Never the
    /// mirror it was read through.
    pub uri: String,
    /// The concrete version or tag that a range resolved to, when it differs
    /// from what is written.
    pub version: Option<String>,
}

/// Something that was not resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unresolved {
    /// What the manifests name.
    pub need: Need,
    /// Why it was not resolved; one sentence.
    pub reason: String,
    /// Whether it certainly does not exist (rather than could not be reached).
    pub absent: bool,
}

/// The lock of one bundle, each list in the order of the manifests.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lock {
    /// What was resolved.
    pub locked: Vec<Locked>,
    /// What was not.
    pub unresolved: Vec<Unresolved>,
    /// Whether it was demanded that everything resolves (`--lock require`).
    pub required: bool,
}

/// One demand on a lock that is not met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockFailure {
    /// The rule: [`code::LOCK_UNRESOLVED`] or [`code::LOCK_UNPINNED`].
    pub code: Code,
    /// What the manifests name.
    pub need: Need,
    /// What is wrong with it; one sentence.
    pub reason: String,
    /// Whether trying again cannot help: it does not exist, or the manifests do
    /// not say enough.
    pub certain: bool,
}

impl LockFailure {
    /// The failure as a problem of the input, at the file that names it.
    pub fn problem(&self) -> Problem {
        let Need { reference, path, file, object, .. } = &self.need;
        Problem::error(self.code, format!("`{reference}` at `{path}`: {}", self.reason))
            .in_file(file)
            .about(object)
            .hint(match self.code {
                code::LOCK_UNPINNED => "write the digest behind the reference, as `…@sha256:…`",
                _ => "`--lock resolve` lists it with a warning and goes on",
            })
    }
}

impl Lock {
    /// What `--lock require` fails on: everything unresolved.
    pub fn require(&self) -> Vec<LockFailure> {
        let failure = |unresolved: &Unresolved| LockFailure {
            code: code::LOCK_UNRESOLVED,
            need: unresolved.need.clone(),
            reason: unresolved.reason.clone(),
            certain: unresolved.absent || matches!(unresolved.need.target, Target::Unknown { .. }),
        };
        self.unresolved.iter().map(failure).collect()
    }
}

/// What `--require-pinned` fails on: every reference whose digest is not in the
/// manifest itself. It needs no lock, so it holds with `--lock off` too.
pub fn require_pinned(needs: &[Need]) -> Vec<LockFailure> {
    let failure = |need: &Need| LockFailure {
        code: code::LOCK_UNPINNED,
        need: need.clone(),
        reason: match need.target {
            Target::HttpChart { .. } => {
                "a chart of an HTTP Helm repository cannot be pinned by digest; use a `chartRef` \
                 to an OCIRepository with `ref.digest`"
            }
            _ => "the manifest does not carry its digest",
        }
        .to_owned(),
        certain: true,
    };
    needs.iter().filter(|need| !need.pinned).map(failure).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::model::bundle::{need::Kind, object::ObjectId, path::RelPath, problem::Position};

    fn need(reference: &str, pinned: bool, target: Target) -> Need {
        Need {
            kind: Kind::Image,
            file: RelPath::new("a.yaml").unwrap(),
            object: ObjectId {
                group: "apps".into(),
                kind: "Deployment".into(),
                namespace: String::new(),
                name: "web".into(),
            },
            path: "spec".into(),
            at: Position { line: 7, column: 3 },
            reference: reference.into(),
            pinned,
            target,
        }
    }

    #[test]
    fn require_names_everything_unresolved() {
        let unknown = Target::Unknown { reason: "no repository".into() };
        let image = Target::Image {
            host: "h".into(),
            path: "p".into(),
            tag: Some("1".into()),
            digest: None,
        };
        let unresolved = |name: &str, target: &Target, absent| Unresolved {
            need: need(name, false, target.clone()),
            reason: format!("why {name}"),
            absent,
        };
        let lock = Lock {
            required: true,
            locked: Vec::new(),
            unresolved: vec![
                unresolved("gone", &image, true),
                unresolved("unreachable", &image, false),
                unresolved("unclear", &unknown, false),
            ],
        };
        let failures = lock.require();
        let shown: Vec<_> = failures
            .iter()
            .map(|failure| (failure.need.reference.as_str(), failure.certain))
            .collect();
        assert_eq!(shown, [("gone", true), ("unreachable", false), ("unclear", true)]);
        assert_eq!(failures[0].reason, "why gone");
        assert!(Lock::default().require().is_empty());
    }

    #[test]
    fn require_pinned_names_what_carries_no_digest() {
        let chart = Target::HttpChart {
            repository: "https://h".into(),
            chart: "c".into(),
            version: Some("1.0.0".into()),
        };
        let image = Target::Image {
            host: "h".into(),
            path: "p".into(),
            tag: None,
            digest: Some(Digest::of(b"")),
        };
        let failures =
            require_pinned(&[need("h/p@sha256:…", true, image), need("c", false, chart)]);
        assert_eq!(failures.len(), 1);
        assert!(failures[0].reason.contains("chartRef") && failures[0].certain);
    }
}
