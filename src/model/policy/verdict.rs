//! The verdict about a digest, and the token that acting on it takes.

use crate::model::digest::Digest;

/// The outcome of judging a digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    subject: Digest,
    kind: Kind,
}

/// The three verdicts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Everything demanded is known.
    Accepted,
    /// Something demanded is missing, and nothing unread could supply it.
    Rejected(Vec<Reason>),
    /// Something demanded is missing, and something could not be read.
    Unknown(Vec<Reason>),
}

impl Kind {
    /// The word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected(_) => "rejected",
            Self::Unknown(_) => "unknown",
        }
    }
}

/// Why a digest was not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// A stable name, such as `no-signature`.
    pub code: &'static str,
    /// The obligation that is not met, such as `promoted` or `scanned/sbom`;
    /// `None` when it is not about one.
    pub obligation: Option<String>,
    /// What was found.
    pub found: String,
    /// What was wanted.
    pub wanted: String,
    /// What to do.
    pub hint: String,
}

/// A digest that was accepted. Only [`Verdict::admit`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted(Digest);

impl Admitted {
    /// The digest.
    pub fn digest(&self) -> &Digest {
        &self.0
    }
}

impl Verdict {
    /// Only judging makes one.
    pub(super) fn new(subject: Digest, kind: Kind) -> Self {
        Self { subject, kind }
    }

    /// The digest that was judged.
    pub fn subject(&self) -> &Digest {
        &self.subject
    }

    /// Which of the three.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// The token that lets a tag or a ref move; only for accepted.
    pub fn admit(&self) -> Option<Admitted> {
        match self.kind {
            Kind::Accepted => Some(Admitted(self.subject)),
            Kind::Rejected(_) | Kind::Unknown(_) => None,
        }
    }

    /// The reasons; none when accepted.
    pub fn reasons(&self) -> &[Reason] {
        match &self.kind {
            Kind::Accepted => &[],
            Kind::Rejected(reasons) | Kind::Unknown(reasons) => reasons,
        }
    }

    /// Unknown, because something that is demanded could not be read.
    pub fn unread(subject: Digest, gap: &Gap) -> Self {
        Self { subject, kind: Kind::Unknown(vec![gap.reason()]) }
    }

    /// A rejection because bytes are not what a digest names.
    pub fn wrong_bytes(subject: Digest, found: String) -> Self {
        let reason = Reason {
            code: "wrong-bytes",
            obligation: None,
            found,
            wanted: "content that hashes to the digest it is stored under".into(),
            hint: "do not use this copy; publish again or copy from an intact registry".into(),
        };
        Self { subject, kind: Kind::Rejected(vec![reason]) }
    }
}

/// Something that could not be read and might have held evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// What it is, such as "the referrers of `sha256:…`".
    pub what: String,
    /// Why it could not be read.
    pub why: String,
    /// The flag whose limit left it out, when it was that and no fault.
    pub cap: Option<&'static str>,
}

impl Gap {
    pub(super) fn reason(&self) -> Reason {
        Reason {
            code: "unread",
            obligation: None,
            found: match self.cap {
                Some(_) => format!("{} were not read: {}", self.what, self.why),
                None => format!("{} could not be read: {}", self.what, self.why),
            },
            wanted: "everything that might hold a statement, read".into(),
            hint: match self.cap {
                Some(flag) => format!("raise `{flag}` if so much is meant to be there"),
                None => "try again; if it stays so, look at the registry".into(),
            },
        }
    }
}
