//! A first policy, made of what an artifact actually carries.
//!
//! Everything is read as `verify` reads it, and what is proposed is what was
//! verified: nothing that a registry merely says gets into it.

use crate::{
    api::trust_policy::first::{Built, Draft, Stated},
    edge::registry::Registries,
    flow::{
        content, discover,
        error::{Error, Result},
        verify,
    },
    model::{
        artifact::manifest::Annotations,
        bundle::need::Need,
        evidence::{Claim, Evidence, Trust, identity::Signer},
        policy::rule::provenance::{self, Contents, LockDemand, LockStanding},
        reference::{Reference, Tag},
        statement::provenance::Provenance,
        uris,
    },
};

/// Reads an artifact and drafts a policy from it.
///
/// # Errors
/// What keeps it from being read; [`Error::Usage`] when nobody who was given
/// signed anything.
pub async fn propose(
    registries: &Registries,
    reference: &Reference,
    trust: Trust,
) -> Result<Draft> {
    let artifact = verify::resolve(registries, reference).await?;
    let digest = *artifact.digest();
    let keys = trust.keys.clone();
    let examine = discover::recognise(digest, trust);
    let (gathered, inside) = futures::join!(
        discover::gather(&artifact.store, &digest, &examine, registries.limits()),
        content::inside(&artifact),
    );
    gathered.refuse_unread()?;
    let annotations = artifact.content.annotations.clone();
    let needs = inside.map(|inside| inside.needs).ok();
    let asked = reference.asked();
    let mut draft = Draft {
        name: name(reference),
        from: reference.to_string(),
        digest: digest.to_string(),
        keys,
        signatures: Vec::new(),
        provenance: Vec::new(),
        others: Vec::new(),
    };
    let look = Look { annotations: &annotations, needs: needs.as_deref(), tag: asked.as_ref() };
    for evidence in gathered.findings().filter_map(|finding| finding.evidence()) {
        look.add(&mut draft, evidence);
    }
    match draft.signatures.is_empty() && draft.provenance.is_empty() && draft.others.is_empty() {
        false => Ok(draft),
        true => Err(Error::usage(
            format!("nothing about `{digest}` is signed by anybody who was given"),
            "`sluicegate inspect` shows who signed what; give the public key with `--key`, or the \
             trust root of its Sigstore with `--trusted-root`",
        )),
    }
}

/// A name for the policy: the last part of the repository.
fn name(reference: &Reference) -> String {
    let place = reference.resource();
    let last = place.trim_end_matches('/').rsplit(['/', ':']).next().unwrap_or_default();
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = last.chars().take(60).map(plain).collect();
    match name.trim_matches('-') {
        "" => "artifact".to_owned(),
        name => name.to_owned(),
    }
}

struct Look<'a> {
    annotations: &'a Annotations,
    needs: Option<&'a [Need]>,
    tag: Option<&'a Tag>,
}

impl Look<'_> {
    fn add(&self, draft: &mut Draft, evidence: &Evidence) {
        let signer = evidence.signer();
        match evidence.claim() {
            Claim::Signature => once(&mut draft.signatures, signer),
            Claim::Provenance(found) => {
                if provenance::disagreement(found, self.annotations).is_none() {
                    let built = self.built(found, signer);
                    match draft.provenance.iter_mut().find(|known| known.same_as(&built)) {
                        Some(known) => once(&mut known.signers, signer),
                        None => draft.provenance.push(built),
                    }
                }
            }
            Claim::Other { predicate_type } => {
                let word = match predicate_type.as_str() {
                    uris::TEST_RESULT => "test-result",
                    // Its verifier and its result are for a person to look at.
                    uris::VERIFICATION_SUMMARY => return,
                    other => other,
                };
                match draft.others.iter_mut().find(|known| known.statement == word) {
                    Some(known) => once(&mut known.signers, signer),
                    None => draft
                        .others
                        .push(Stated { statement: word.to_owned(), signers: vec![signer.clone()] }),
                }
            }
        }
    }

    fn built(&self, found: &Provenance, signer: &Signer) -> Built {
        let facts = provenance::facts(found).ok();
        let tags = found.parameters().map(|parameters| parameters.tags).unwrap_or_default();
        Built {
            signers: vec![signer.clone()],
            builder: found.run_details.builder.id.clone(),
            build_type: found.build_definition.build_type.clone(),
            facts,
            lock: self.lock(found),
            tag: self.tag.is_some_and(|tag| tags.iter().any(|moved| moved == tag.as_str())),
        }
    }

    /// The strictest demand on the lock that holds, without resolving anything.
    fn lock(&self, found: &Provenance) -> Option<LockDemand> {
        let contents = Contents { needs: self.needs?, current: None };
        let holds =
            |demand: &LockDemand| provenance::lock(*demand, found, contents) == LockStanding::Met;
        [LockDemand::Pinned, LockDemand::Required].into_iter().find(holds)
    }
}

fn once(signers: &mut Vec<Signer>, signer: &Signer) {
    if signers.iter().all(|known| known.id() != signer.id()) {
        signers.push(signer.clone());
    }
}
