//! The trust root: whose certificates, logs and timestamps count (Sigstore
//! `trusted_root.json`, protobuf-specs `TrustedRoot`).
//!
//! Nothing is ever fetched: a root comes from a file or is the one that this
//! program carries.
//!
//! An authority counts only while every certificate of its chain is valid, the
//! root and the intermediates included (cosign CVE-2026-24122): the
//! `sigstore-verify` crate takes each of them for an anchor, and an anchor has
//! no dates. So the window of each authority is narrowed to theirs when a root
//! is read.

use std::{fmt, sync::Arc};

use jiff::Timestamp;
use sigstore_crypto::VerificationKey;
use sigstore_trust_root::{
    SIGSTORE_PRODUCTION_TRUSTED_ROOT, SIGSTORE_STAGING_TRUSTED_ROOT, trusted_root::CertChain,
};
use sigstore_types::{Checkpoint, LogKeyId, TimeRange};
use sigstore_verify::Verifier;
use x509_cert::{Certificate, der::Decode, time::Time};

use crate::model::digest::Digest;

/// When the roots that this program carries were taken, as a date.
pub const EMBEDDED_AT: &str = "2026-10-23";

/// What the media type of every trust root starts with.
const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.trustedroot";

/// A trust root that was read and found whole.
#[derive(Clone)]
pub struct TrustRoot {
    verifier: Arc<Verifier>,
    digest: Digest,
    origin: Origin,
    logs: Arc<Vec<Log>>,
    has_ct_logs: bool,
    has_timestamps: bool,
}

/// A transparency log that a root lists.
pub(super) struct Log {
    id: LogKeyId,
    key: VerificationKey,
    window: Option<TimeRange>,
}

impl Log {
    /// Whether this very log signed a checkpoint.
    pub(super) fn signed(&self, checkpoint: &Checkpoint) -> bool {
        let (hint, message) = (self.id.as_bytes().get(..4), checkpoint.signed_data());
        let mut own =
            checkpoint.signatures().iter().filter(|s| Some(&s.key_id.as_bytes()[..]) == hint);
        own.any(|signature| self.key.verify(message, &signature.signature).is_ok())
    }

    /// Whether its key counted at a time.
    pub(super) fn counted_at(&self, time: Timestamp) -> bool {
        self.window.is_none_or(|window| window.contains(time))
    }
}

/// Where a trust root comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A file, a Secret: whoever gave it answers for it.
    Given,
    /// Carried by this program, taken at [`EMBEDDED_AT`].
    Embedded,
}

impl TrustRoot {
    /// Reads `trusted_root.json`.
    ///
    /// # Errors
    /// [`RootError`]: not JSON of that shape, or a key, certificate or window
    /// in it that cannot be used. Such a root is refused as a whole: what is
    /// silently left out is silently not trusted.
    pub fn parse(bytes: &[u8]) -> Result<Self, RootError> {
        Self::read(bytes, Origin::Given)
    }

    /// The root of Sigstore's public good instance.
    ///
    /// # Errors
    /// Never: a test reads it.
    pub fn public_good() -> Result<Self, RootError> {
        Self::read(SIGSTORE_PRODUCTION_TRUSTED_ROOT.as_bytes(), Origin::Embedded)
    }

    /// The root of Sigstore's staging instance.
    ///
    /// # Errors
    /// Never: a test reads it.
    pub fn staging() -> Result<Self, RootError> {
        Self::read(SIGSTORE_STAGING_TRUSTED_ROOT.as_bytes(), Origin::Embedded)
    }

    fn read(bytes: &[u8], origin: Origin) -> Result<Self, RootError> {
        let text = std::str::from_utf8(bytes).map_err(|_| RootError::NotUtf8)?;
        let mut root = sigstore_trust_root::TrustedRoot::from_json(text)
            .map_err(|error| RootError::Shape(error.to_string()))?;
        if !root.media_type.starts_with(MEDIA_TYPE) {
            return Err(RootError::Shape(format!("its `mediaType` is not `{MEDIA_TYPE}…`")));
        }
        for authority in &mut root.certificate_authorities {
            authority.valid_for = narrowed(authority.valid_for, &authority.cert_chain)?;
        }
        for authority in &mut root.timestamp_authorities {
            authority.valid_for = narrowed(authority.valid_for, &authority.cert_chain)?;
        }
        let unusable = |error: &dyn fmt::Display| RootError::Unusable(error.to_string());
        let verifier = Verifier::new(&root).map_err(|error| unusable(&error))?;
        let mut logs = Vec::new();
        for log in &root.tlogs {
            let key = VerificationKey::from_spki(&log.public_key.raw_bytes)
                .map_err(|error| unusable(&error))?;
            let (id, window) = (log.log_id.key_id.clone(), log.public_key.valid_for);
            logs.push(Log { id, key, window });
        }
        Ok(Self {
            verifier: Arc::new(verifier),
            digest: Digest::of(bytes),
            origin,
            logs: Arc::new(logs),
            has_ct_logs: !root.ctlogs.is_empty(),
            has_timestamps: !root.timestamp_authorities.is_empty(),
        })
    }

    /// The SHA-256 of the file.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Where it comes from.
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// Whether it is carried by this program and older than six months at
    /// `now`: authorities may have come and gone since.
    pub fn is_stale(&self, now: Timestamp) -> bool {
        const SIX_MONTHS: i64 = 183 * 24 * 3600;
        let taken = format!("{EMBEDDED_AT}T00:00:00Z").parse::<Timestamp>();
        self.origin == Origin::Embedded
            && taken.is_ok_and(|taken| now.as_second() - taken.as_second() > SIX_MONTHS)
    }

    /// What checks bundles against it.
    pub(super) fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// Whether certificates must carry an SCT: exactly when it lists CT logs.
    pub fn has_ct_logs(&self) -> bool {
        self.has_ct_logs
    }

    /// Whether it lists transparency logs; then a bundle must be in one.
    pub fn has_logs(&self) -> bool {
        !self.logs.is_empty()
    }

    /// The log of that name.
    pub(super) fn log(&self, id: &LogKeyId) -> Option<&Log> {
        self.logs.iter().find(|log| log.id == *id)
    }

    /// Whether it lists timestamp authorities.
    pub fn has_timestamps(&self) -> bool {
        self.has_timestamps
    }
}

/// The part of an authority's window in which every certificate of its chain is
/// valid.
fn narrowed(window: Option<TimeRange>, chain: &CertChain) -> Result<Option<TimeRange>, RootError> {
    let mut narrow = window;
    for certificate in &chain.certificates {
        let valid = validity(certificate.raw_bytes.as_bytes())?;
        narrow = Some(match narrow {
            None => valid,
            Some(window) => TimeRange {
                start: window.start.max(valid.start),
                end: [window.end, valid.end].into_iter().flatten().min(),
            },
        });
    }
    if let Some(TimeRange { start, end: Some(end) }) = narrow
        && end < start
    {
        let why = "an authority has certificates that are never valid together within its window";
        return Err(RootError::Unusable(why.into()));
    }
    Ok(narrow)
}

/// From when until when a certificate is valid.
fn validity(der: &[u8]) -> Result<TimeRange, RootError> {
    let unusable = |why: String| RootError::Unusable(format!("an authority's certificate: {why}"));
    let certificate = Certificate::from_der(der).map_err(|error| unusable(error.to_string()))?;
    let time = |time: Time| {
        Timestamp::try_from(time.to_system_time()).map_err(|error| unusable(error.to_string()))
    };
    let validity = certificate.tbs_certificate.validity;
    Ok(TimeRange { start: time(validity.not_before)?, end: Some(time(validity.not_after)?) })
}

impl fmt::Debug for TrustRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TrustRoot({}, {:?})", self.digest, self.origin)
    }
}

/// A text that is no trust root.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RootError {
    /// Not text.
    #[error("a trust root is JSON; this is not UTF-8")]
    NotUtf8,
    /// JSON of another shape.
    #[error("not a Sigstore trusted root (`trusted_root.json`): {0}")]
    Shape(String),
    /// A key, a certificate or a window in it cannot be used.
    #[error("the trusted root cannot be used: {0}")]
    Unusable(String),
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn the_roots_that_are_carried_are_whole() {
        for root in [TrustRoot::public_good().unwrap(), TrustRoot::staging().unwrap()] {
            assert!(root.has_ct_logs() && root.has_logs());
            assert_eq!(root.origin(), Origin::Embedded);
        }
    }

    #[test]
    fn a_carried_root_grows_stale_and_a_given_one_does_not() {
        let (fresh, old): (Timestamp, Timestamp) =
            ("2027-01-01T00:00:00Z".parse().unwrap(), "2027-06-01T00:00:00Z".parse().unwrap());
        let carried = TrustRoot::public_good().unwrap();
        assert!(!carried.is_stale(fresh) && carried.is_stale(old));
        let given = TrustRoot::parse(SIGSTORE_PRODUCTION_TRUSTED_ROOT.as_bytes()).unwrap();
        assert!(!given.is_stale(old));
        assert_eq!(given.digest(), carried.digest());
    }

    #[test]
    fn what_is_no_root_is_refused() {
        for bad in [&b"\xff"[..], b"", b"{}", b"[]", br#"{"mediaType":"x"}"#] {
            assert!(TrustRoot::parse(bad).is_err(), "{bad:?}");
        }
        let truncated =
            SIGSTORE_PRODUCTION_TRUSTED_ROOT.replace("MCowBQ", "AAAAAA").replace("MIIB", "AAAA");
        assert!(TrustRoot::parse(truncated.as_bytes()).is_err());
    }
}
