//! What a publish has to write: decided from what is there, before anything is
//! written.

use crate::{
    flow::discover::Shelf,
    model::{
        artifact::manifest::Annotations,
        digest::Digest,
        evidence::{Claim, Finding, Format, identity::SignerId},
        policy::rule::provenance,
        reference::Tag,
        statement::provenance::Claims,
    },
};

/// Where a tag points before the publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagState {
    /// The tag.
    pub tag: Tag,
    /// What it points at; `None` when it does not exist.
    pub digest: Option<Digest>,
    /// By what the registry can tell whether it still does.
    pub etag: Option<String>,
}

/// What has to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Whether the artifact's manifest is missing.
    pub artifact: bool,
    /// What each signer has to make, in the order of the keys.
    pub signers: Vec<Missing>,
    /// The tags that do not point at the digest yet.
    pub tags: Vec<Tag>,
}

/// The statements of one signer that are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Missing {
    /// The signature bundle.
    pub signature: bool,
    /// The legacy signature.
    pub legacy: bool,
    /// A provenance with these claims.
    pub provenance: bool,
}

impl Missing {
    /// Whether anything is.
    pub fn any(self) -> bool {
        self.signature || self.legacy || self.provenance
    }
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        !self.artifact && self.tags.is_empty() && !self.signers.iter().any(|missing| missing.any())
    }
}

/// What is known about the digest before the publish.
#[derive(Debug, Clone, Copy)]
pub struct Present<'a> {
    /// The digest that will be published.
    pub digest: &'a Digest,
    /// Whether its manifest is there.
    pub artifact: bool,
    /// The statements about it.
    pub findings: &'a [&'a Finding],
    /// Where they were found.
    pub shelf: &'a Shelf,
    /// Where the tags point.
    pub tags: &'a [TagState],
    /// The annotations of the manifest.
    pub annotations: &'a Annotations,
}

/// Decides what has to be written so that every signer's signature and a
/// provenance with `claims` are there and every tag points at the digest.
pub fn plan(present: Present<'_>, signers: &[SignerId], claims: &Claims, legacy: bool) -> Plan {
    let missing = |signer: &SignerId| {
        let has = |format: Format, wanted: &dyn Fn(&Claim) -> bool| {
            present.findings.iter().any(|finding| {
                finding.format == format
                    && present.shelf.is_in_place(finding)
                    && finding
                        .evidence()
                        .is_some_and(|e| e.signer().id() == *signer && wanted(e.claim()))
            })
        };
        let signature = |claim: &Claim| *claim == Claim::Signature;
        let provenance = |claim: &Claim| match claim {
            Claim::Provenance(found) => {
                found.claims() == *claims
                    && provenance::disagreement(found, present.annotations).is_none()
            }
            Claim::Signature | Claim::Other { .. } => false,
        };
        Missing {
            signature: !has(Format::Bundle, &signature),
            // Cosign 2's form is only for keys.
            legacy: legacy
                && matches!(signer, SignerId::Key(_))
                && !has(Format::LegacySignature, &signature),
            provenance: !has(Format::Bundle, &provenance),
        }
    };
    Plan {
        artifact: !present.artifact,
        signers: signers.iter().map(missing).collect(),
        tags: present
            .tags
            .iter()
            .filter(|state| state.digest != Some(*present.digest))
            .map(|state| state.tag.clone())
            .collect(),
    }
}

/// The first release tag that points at something else: such a tag moves only
/// by force.
pub fn moved_release<'a>(digest: &Digest, tags: &'a [TagState]) -> Option<(&'a Tag, Digest)> {
    tags.iter().find_map(|state| match state.digest {
        Some(other) if other != *digest && state.tag.is_semver() => Some((&state.tag, other)),
        _ => None,
    })
}

/// The tag that keeps an artifact alive under retention rules that delete
/// untagged manifests: `git-<commit12>-<digest12>`; without a commit
/// `keep-<digest12>`.
///
/// # Errors
/// Never for a commit of hexadecimal digits.
pub fn keep_tag(
    commit: Option<&str>,
    digest: &Digest,
) -> Result<Tag, crate::model::reference::ReferenceError> {
    match commit {
        Some(commit) => {
            format!("git-{}-{}", commit.get(..12).unwrap_or(commit), digest.short(12)).parse()
        }
        None => format!("keep-{}", digest.short(12)).parse(),
    }
}
