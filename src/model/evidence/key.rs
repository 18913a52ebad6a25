//! Public keys that statements are checked against.

use std::{fmt, sync::Arc};

use sha2::{Digest as _, Sha256};
use sigstore_crypto::VerificationKey;
use sigstore_types::{DerPublicKey, SignatureBytes};

/// The largest PEM text that is read, in bytes.
const MAX_PEM: usize = 64 * 1024;

/// A public key.
#[derive(Clone)]
pub struct PublicKey {
    der: Vec<u8>,
    key: Arc<(VerificationKey, Fingerprint)>,
}

impl PublicKey {
    /// The key of an SPKI in DER.
    ///
    /// # Errors
    /// [`KeyError::Unsupported`].
    pub fn from_spki(der: Vec<u8>) -> Result<Self, KeyError> {
        let key = VerificationKey::from_spki(&DerPublicKey::new(der.clone()))
            .map_err(|error| KeyError::Unsupported(error.to_string()))?;
        let fingerprint = Fingerprint(Sha256::digest(&der).into());
        Ok(Self { der, key: Arc::new((key, fingerprint)) })
    }

    /// Every key of a PEM text, at least one.
    ///
    /// # Errors
    /// [`KeyError`] when any block is no public key: a key that is silently
    /// left out is a signer who is silently not trusted.
    pub fn from_pem(text: &[u8]) -> Result<Vec<Self>, KeyError> {
        if text.len() > MAX_PEM {
            return Err(KeyError::NotPem("it is larger than 64 KiB".into()));
        }
        let blocks = pem::parse_many(text).map_err(|error| KeyError::NotPem(error.to_string()))?;
        if blocks.is_empty() {
            return Err(KeyError::NotPem("it holds no PEM block".into()));
        }
        blocks.into_iter().map(Self::from_block).collect()
    }

    fn from_block(block: pem::Pem) -> Result<Self, KeyError> {
        match block.tag() {
            "PUBLIC KEY" => Self::from_spki(block.into_contents()),
            tag if tag.contains("PRIVATE KEY") => Err(KeyError::Private),
            tag => Err(KeyError::NotPem(format!("it holds a `{tag}`, not a `PUBLIC KEY`"))),
        }
    }

    /// The SHA-256 of the key's SPKI: what distinguishes two keys.
    pub fn fingerprint(&self) -> Fingerprint {
        self.key.1
    }

    /// The key's SPKI in DER.
    pub fn to_der(&self) -> &[u8] {
        &self.der
    }

    /// The key as PEM.
    pub fn to_pem(&self) -> String {
        let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
        pem::encode_config(&pem::Pem::new("PUBLIC KEY", self.der.clone()), config)
    }

    /// Whether `signature` over `message` was made with the private half.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.key.0.verify(message, &SignatureBytes::from_bytes(signature)).is_ok()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.fingerprint())
    }
}

/// The SHA-256 of a key's SPKI.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The raw bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    /// `key:sha256:` and 64 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key:sha256:{}", hex::encode(self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is no public key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not PEM, or another block.
    #[error("not a public key in PEM: {0}")]
    NotPem(String),
    /// A private key where a public one belongs.
    #[error("this is a private key; expected the public half, such as `cosign.pub`")]
    Private,
    /// An algorithm or curve that is not supported.
    #[error(
        "a public key that is not supported ({0}); expected ECDSA P-256 or P-384, Ed25519 or RSA"
    )]
    Unsupported(String),
}
