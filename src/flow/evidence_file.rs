//! Writing a decision down with every byte it rests on, and deciding it again
//! from that alone: no network, no registry.
//!
//! A replay judges by the policy and the trust root that whoever replays it
//! gives, never by those in the file unless he says so; at the time that the
//! file claims; and knows as unread what the file says was not read.

use std::{collections::BTreeSet, io::Write, sync::Arc};

use jiff::{SignedDuration, Timestamp};

use crate::{
    api::evidence_file::{Bytes64, Document, EvidenceFile, GapEntry, MAX_FILE, Resolved, SCHEMA},
    edge::{clock, files},
    model::{
        bundle::{
            lock::{Lock, Locked, Unresolved},
            need::Need,
        },
        digest::Digest,
        evidence::{Finding, Format, Found, Outcome},
        policy::{Exhibit, Gap, Policy, Reading, rule::provenance::Contents},
        reference::Reference,
        statement::attachment::{self, Holder},
    },
};

use super::{
    content,
    discover::{Examine, Gathered},
    error::{Error, Result},
    verify::{Case, Content, Judged},
};

/// The most statements that are judged from a file.
const MAX_STATEMENTS: usize = 10_000;

/// How far clocks may differ.
const SKEW: SignedDuration = SignedDuration::from_mins(5);

/// The documents that a decision was judged by, as they were read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Documents<'a> {
    /// The policy's file.
    pub policy: Option<&'a [u8]>,
    /// The trust root's.
    pub root: Option<&'a [u8]>,
}

/// The file of a decision that was judged with `keep`.
///
/// # Errors
/// [`Error::Usage`] when it rests on more bytes than a file may hold.
pub fn export(
    reference: &Reference,
    judged: &Judged,
    documents: Documents<'_>,
) -> Result<EvidenceFile> {
    let Some(basis) = &judged.basis else {
        return Err(Error::usage(
            format!(
                "it is {}, for bytes that are not what they should be: a file cannot show that",
                judged.verdict.kind().word()
            ),
            "verify without `--export`; the reason is the evidence",
        ));
    };
    if basis.kept.over {
        return Err(Error::usage(
            "the statements are too large to be exported: more than 256 MiB",
            "lower `--max-statements` or `--max-statement`",
        ));
    }
    let blob =
        |(digest, bytes): (&Digest, &bytes::Bytes)| (digest.to_string(), Bytes64(bytes.to_vec()));
    let gap = |gap: &Gap| GapEntry { what: gap.what.clone(), why: gap.why.clone() };
    // Statements that were read are in the file; of those that were not only this is.
    let unread = judged.gathered.findings().filter_map(|finding| match &finding.outcome {
        Outcome::Unread(why) if !basis.kept.manifests.contains(&finding.manifest) => {
            let what = format!("the statement `{}`", finding.manifest);
            Some(GapEntry { what, why: why.clone() })
        }
        _ => None,
    });
    Ok(EvidenceFile {
        schema: SCHEMA.into(),
        reference: reference.to_string(),
        digest: *judged.verdict.subject(),
        decided_at: judged.at.to_string(),
        verdict: judged.verdict.kind().word().into(),
        policy: documents.policy.map(Document::of),
        trust_root: documents.root.map(Document::of),
        manifests: basis.kept.manifests.clone(),
        layer: basis.layer,
        resolved: basis.resolved.as_ref().map(resolved),
        gaps: judged.gathered.gaps.iter().map(gap).chain(unread).collect(),
        blobs: basis.kept.blobs.iter().map(blob).collect(),
    })
}

/// What a lock says, in the order of the manifests.
fn resolved(lock: &Lock) -> Vec<Resolved> {
    let locked = lock.locked.iter().map(|locked| {
        let entry = Resolved { digest: Some(locked.digest), reason: None, absent: false };
        (&locked.need, entry)
    });
    let unresolved = lock.unresolved.iter().map(|unresolved| {
        let reason = Some(unresolved.reason.clone());
        let entry = Resolved { digest: None, reason, absent: unresolved.absent };
        (&unresolved.need, entry)
    });
    let mut all: Vec<(&Need, Resolved)> = locked.chain(unresolved).collect();
    all.sort_by_key(|(need, _)| place(need));
    all.into_iter().map(|(_, entry)| entry).collect()
}

/// An order of needs that does not depend on what became of them.
fn place(need: &Need) -> (String, String, String, String) {
    let text = |text: &dyn std::fmt::Display| text.to_string();
    (text(&need.file), text(&need.object), text(&need.path), text(&need.reference))
}

/// Writes an evidence file: whole, or not at all, and over nothing.
///
/// # Errors
/// Of the file system; [`std::io::ErrorKind::AlreadyExists`].
pub fn write(path: &std::path::Path, bytes: &[u8]) -> std::io::Result<()> {
    files::Replacement::create(path)?.commit_new(bytes)
}

/// Reads an evidence file from disk.
///
/// # Errors
/// [`Error::Usage`] naming the path.
pub fn read(path: &std::path::Path) -> Result<EvidenceFile> {
    let shown = path.display();
    let failed = |why: String| {
        Error::usage(
            format!("cannot read the evidence file `{shown}`: {why}"),
            "give a file that `sluicegate verify --export FILE` wrote",
        )
    };
    let bytes = files::read_bounded(path, MAX_FILE).map_err(|error| failed(error.to_string()))?;
    EvidenceFile::parse(&bytes).map_err(|error| failed(error.to_string()))
}

/// Decides again, from the file alone.
///
/// # Errors
/// [`Error::Usage`] when the file contradicts itself.
pub async fn replay(file: &EvidenceFile, policy: Policy) -> Result<Judged> {
    let bad =
        |what: String| Error::usage(what, "the file was changed, or cut off; export it again");
    let reference: Reference = file
        .reference
        .parse()
        .map_err(|error| bad(format!("its reference cannot be read: {error}")))?;
    if let Some(other) = reference.digest.filter(|digest| *digest != file.digest) {
        return Err(bad(format!(
            "it is about `{}`, and its reference about `{other}`",
            file.digest
        )));
    }
    let now: Timestamp =
        file.decided_at.parse().map_err(|_| bad("its `decidedAt` is no RFC 3339 time".into()))?;
    if now > clock::now() + SKEW {
        return Err(bad(format!("its `decidedAt` {now} is yet to come")));
    }
    let manifest = file.blob(&file.digest).ok_or_else(|| {
        bad(format!("it does not hold the artifact's manifest `{}`", file.digest))
    })?;
    let Content { annotations, layers, .. } = Content::read(manifest);
    let case = Arc::new(Case::new(policy, &reference, file.digest, annotations, now));
    let gathered = gathered(file, &case.examine())?;
    let first = layers.first().map(|layer| layer.digest);
    let inside = inside(file, first, &case).await?;
    let (needs, current) = match &inside {
        Some(needs) => (needs.as_slice(), current(file, needs)?),
        None => (&[][..], None),
    };
    let reading = match inside {
        Some(_) => Reading::Read(Contents { needs, current: current.as_ref() }),
        None => Reading::NotRead,
    };
    let decision = case.judge(&gathered, reading);
    Ok(Judged {
        verdict: decision.verdict,
        rulings: decision.rulings,
        gathered,
        artifact: None,
        annotations: case.annotations.clone(),
        at: now,
        basis: None,
    })
}

/// The statements in the file, each examined again.
fn gathered(file: &EvidenceFile, examine: &Examine) -> Result<Gathered> {
    let mut gathered = Gathered::default();
    let mut read = BTreeSet::new();
    for digest in file.manifests.iter().filter(|digest| read.insert(**digest)) {
        let Some(manifest) = file.blob(digest) else {
            return Err(Error::usage(
                format!("it does not hold the manifest `{digest}` that it lists"),
                "the file was changed, or cut off; export it again",
            ));
        };
        let left = MAX_STATEMENTS.saturating_sub(gathered.exhibits.len());
        let (holders, cut) = attachment::holders(manifest, left);
        gathered
            .exhibits
            .extend(holders.iter().map(|holder| exhibit(file, digest, holder, examine)));
        if cut {
            let why = format!("more than {MAX_STATEMENTS} of them are not judged");
            gathered.gaps.push(Gap { what: "the statements in the file".into(), why, cap: None });
            break;
        }
    }
    gathered.sort();
    let claimed = |gap: &GapEntry| Gap { what: gap.what.clone(), why: gap.why.clone(), cap: None };
    gathered.gaps.extend(file.gaps.iter().map(claimed));
    Ok(gathered)
}

fn exhibit(file: &EvidenceFile, manifest: &Digest, holder: &Holder, examine: &Examine) -> Exhibit {
    let format = match holder {
        Holder::Bundle(_) => Format::Bundle,
        Holder::Signature(..) => Format::LegacySignature,
        Holder::Envelope(..) => Format::LegacyAttestation,
    };
    match file.blob(&holder.layer().digest) {
        Some(bytes) => examine.look(&Found {
            format,
            manifest: *manifest,
            bytes: bytes.to_vec(),
            legacy: holder.legacy().cloned().unwrap_or_default(),
        }),
        None => {
            let outcome = Outcome::Unread("it is not in the file".into());
            Finding::new(format, *manifest, outcome).into()
        }
    }
}

/// What the manifests in the file's layer name; `None` when the policy does not
/// ask or the file has no layer.
async fn inside(
    file: &EvidenceFile,
    first: Option<Digest>,
    case: &Case,
) -> Result<Option<Vec<Need>>> {
    if file.layer.is_some() && file.layer != first {
        return Err(Error::usage(
            "its layer is not the artifact's first",
            "the file was changed; export it again",
        ));
    }
    let layer = file.layer.as_ref().and_then(|digest| file.blob(digest));
    let (Some(layer), false) = (layer, case.policy.lock_demands().is_empty()) else {
        return Ok(None);
    };
    let failed = |error: std::io::Error| {
        Error::usage(format!("cannot write a temporary file: {error}"), "make room in `TMPDIR`")
    };
    let mut copy = files::temporary().map_err(failed)?;
    copy.write_all(layer).map_err(failed)?;
    Ok(Some(content::look_inside(copy).await?.needs))
}

/// What the file claims that the manifests resolved to.
fn current(file: &EvidenceFile, needs: &[Need]) -> Result<Option<Lock>> {
    let Some(resolved) = &file.resolved else { return Ok(None) };
    if resolved.len() != needs.len() {
        return Err(Error::usage(
            format!("it resolves {} charts and images of {}", resolved.len(), needs.len()),
            "the file was changed, or cut off; export it again",
        ));
    }
    let mut ordered: Vec<&Need> = needs.iter().collect();
    ordered.sort_by_key(|need| place(need));
    let mut lock = Lock::default();
    for (need, entry) in ordered.into_iter().zip(resolved) {
        match entry.digest {
            Some(digest) => lock.locked.push(Locked {
                need: need.clone(),
                digest,
                uri: String::new(),
                version: None,
            }),
            None => lock.unresolved.push(Unresolved {
                need: need.clone(),
                reason: entry.reason.clone().unwrap_or_default(),
                absent: entry.absent,
            }),
        }
    }
    Ok(Some(lock))
}
