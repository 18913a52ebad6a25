//! What can go wrong between us and a registry.

use std::{net::IpAddr, time::Duration};

use super::{address::Zone, sent::Sent};
use crate::model::digest::Digest;

/// A registry operation that failed: what was being done, and why it failed.
#[derive(Debug, thiserror::Error)]
#[error("{action}")]
pub struct RegistryError {
    /// What was being done, such as ``read the manifest `1.4.0` of
    /// `registry.example/shop/config` ``.
    pub action: String,
    /// Why it failed.
    #[source]
    pub fault: Fault,
}

/// Why a registry operation failed. Nothing here contains a credential.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// 404, or no such file in the layout.
    #[error("not found")]
    NotFound,
    /// 401 after every credential that may be sent was tried.
    #[error("the registry refuses these credentials (401): {detail}")]
    Unauthorized {
        /// Which credentials were used and what the registry said.
        detail: String,
    },
    /// 403.
    #[error("the registry denies access (403): {detail}")]
    Forbidden {
        /// What the registry said.
        detail: String,
    },
    /// 429 until the deadline.
    #[error("the registry is throttling (429) and did not recover in time")]
    Throttled,
    /// Any other status.
    #[error("the registry answered {status}: {detail}")]
    Status {
        /// The HTTP status.
        status: u16,
        /// What the registry said, cut short.
        detail: String,
    },
    /// The connection failed.
    #[error("no connection: {0}")]
    Network(String),
    /// No answer in time.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    /// Fewer bytes than announced.
    #[error("the body ended after {got} of {wanted} bytes")]
    Truncated {
        /// Bytes announced.
        wanted: u64,
        /// Bytes received.
        got: u64,
    },
    /// Other bytes than asked for.
    #[error("wrong bytes: asked for `{wanted}`, got content with digest `{got}`")]
    WrongDigest {
        /// The digest asked for.
        wanted: Digest,
        /// The digest of what came.
        got: Digest,
    },
    /// More bytes than allowed.
    #[error("larger than the limit of {limit} bytes")]
    TooLarge {
        /// The limit in bytes (for lists: entries).
        limit: u64,
    },
    /// An answer, file or option that makes no sense.
    #[error("{0}")]
    Malformed(String),
    /// The directory is no layout, or a torn one: nothing was asked of it yet
    /// that it could know.
    #[error("{0}")]
    Layout(String),
    /// The registry does not let this tag move.
    #[error("the registry does not allow `{tag}` to be overwritten: {detail}")]
    ImmutableTag {
        /// The tag.
        tag: String,
        /// What the registry said.
        detail: String,
    },
    /// The precondition of a conditional write did not hold (412).
    #[error("somebody else wrote it at the same time")]
    PreconditionFailed,
    /// A rule of ours forbids the request, such as a token realm in private
    /// address space.
    #[error("refused: {0}")]
    Refused(String),
    /// A host that the user did not name lies where only a host may lie that
    /// the user did name; link-local space is out of reach for those too.
    #[error("refused: {}", out_of_reach(host, *address, *zone))]
    OutOfReach {
        /// The host, as it was named.
        host: String,
        /// Its address; `None` for a name that means this machine.
        address: Option<IpAddr>,
        /// Where that lies.
        zone: Zone,
    },
    /// The layout on disk could not be read or written.
    #[error("{0}")]
    Local(#[from] std::io::Error),
}

fn out_of_reach(host: &str, address: Option<IpAddr>, zone: Zone) -> String {
    match address.map(|address| address.to_string()) {
        Some(address) if host.trim_matches(['[', ']']) != address => {
            format!("`{host}` leads to {address}, which is in {zone} address space")
        }
        _ => format!("`{host}` is in {zone} address space"),
    }
}

impl Fault {
    /// The same without anything that was sent as a credential.
    pub(super) fn redacted(self, sent: &Sent) -> Self {
        match self {
            Fault::Unauthorized { detail } => Fault::Unauthorized { detail: sent.redact(&detail) },
            Fault::Forbidden { detail } => Fault::Forbidden { detail: sent.redact(&detail) },
            Fault::Status { status, detail } => {
                Fault::Status { status, detail: sent.redact(&detail) }
            }
            Fault::Network(text) => Fault::Network(sent.redact(&text)),
            Fault::Malformed(text) => Fault::Malformed(sent.redact(&text)),
            Fault::ImmutableTag { tag, detail } => {
                Fault::ImmutableTag { tag, detail: sent.redact(&detail) }
            }
            Fault::Refused(text) => Fault::Refused(sent.redact(&text)),
            Fault::OutOfReach { host, address, zone } => {
                Fault::OutOfReach { host: sent.redact(&host), address, zone }
            }
            // Nothing that a peer wrote.
            Fault::NotFound
            | Fault::Throttled
            | Fault::TimedOut(_)
            | Fault::Truncated { .. }
            | Fault::WrongDigest { .. }
            | Fault::TooLarge { .. }
            | Fault::PreconditionFailed
            | Fault::Layout(_)
            | Fault::Local(_) => self,
        }
    }
}

impl RegistryError {
    /// An error of `action`.
    pub fn new(action: impl Into<String>, fault: Fault) -> Self {
        Self { action: action.into(), fault }
    }

    /// Whether the bytes were wrong rather than the transport: the registry
    /// answered with content that is not what the digest names.
    pub fn is_wrong_bytes(&self) -> bool {
        matches!(self.fault, Fault::WrongDigest { .. })
    }

    /// Whether it is known to be absent.
    pub fn is_not_found(&self) -> bool {
        matches!(self.fault, Fault::NotFound)
    }
}
