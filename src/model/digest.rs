//! Content digests: the only identity an artifact has.
//!
//! A [`Digest`] is a SHA-256 in the form of the OCI image specification
//! (`sha256:` and 64 lower-case hexadecimal digits, "descriptor.md"). Other
//! algorithms are refused: Flux, cosign and the referrers tag schema use
//! SHA-256 only, and a second algorithm would be a second identity.

use std::{fmt, str::FromStr};

use aws_lc_rs::digest::{self, Context, SHA256};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::text::brief;

/// A SHA-256 content digest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self::from_output(&digest::digest(&SHA256, bytes))
    }

    /// The 32 bytes that SHA-256 gives.
    fn from_output(output: &digest::Digest) -> Self {
        let mut raw = [0; 32];
        raw.iter_mut().zip(output.as_ref()).for_each(|(to, from)| *to = *from);
        Self(raw)
    }

    /// The 64 hexadecimal digits, without the algorithm.
    pub fn hex(&self) -> String {
        hex::encode(self.0)
    }

    /// The first `digits` hexadecimal digits, for names and tables.
    pub fn short(&self, digits: usize) -> String {
        let mut hex = self.hex();
        hex.truncate(digits);
        hex
    }

    /// The digest of 64 hexadecimal digits without the algorithm, as in-toto
    /// subjects carry it.
    ///
    /// # Errors
    /// [`DigestError`] when it is not exactly 64 lower-case digits.
    pub fn from_hex(hex: &str) -> Result<Self, DigestError> {
        let error = || DigestError { text: brief(hex) };
        if hex.len() != 64 || hex.bytes().any(|b| !matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(error());
        }
        let mut raw = [0; 32];
        hex::decode_to_slice(hex, &mut raw).map_err(|_| error())?;
        Ok(Self(raw))
    }

    /// The raw 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        match text.strip_prefix("sha256:") {
            Some(hex) => Self::from_hex(hex),
            None => Err(DigestError { text: brief(text) }),
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for Digest {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Digest".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"})
    }
}

/// Hashes a stream into a [`Digest`] and counts its bytes.
///
/// By aws-lc rather than `sha2`: twice as fast where the processor has no
/// instructions for SHA, and every byte of a bundle is hashed.
#[derive(Clone)]
pub struct Hasher {
    state: Context,
    length: u64,
}

impl Default for Hasher {
    fn default() -> Self {
        Self { state: Context::new(&SHA256), length: 0 }
    }
}

impl Hasher {
    /// Takes in the next bytes of the stream.
    pub fn update(&mut self, bytes: &[u8]) {
        self.state.update(bytes);
        self.length += bytes.len() as u64;
    }

    /// How many bytes were taken in so far.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The digest of everything taken in.
    pub fn finish(self) -> Digest {
        Digest::from_output(&self.state.finish())
    }
}

/// A text that is no SHA-256 digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a digest; expected `sha256:` and 64 lower-case hexadecimal digits")]
pub struct DigestError {
    text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_what_it_writes() {
        let digest = Digest::of(b"abc");
        assert_eq!(
            digest.to_string(),
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(digest.to_string().parse(), Ok(digest));
        let mut hasher = Hasher::default();
        hasher.update(b"a");
        hasher.update(b"bc");
        assert_eq!((hasher.length(), hasher.finish()), (3, digest));
    }

    #[test]
    fn refuses_everything_else() {
        let upper = format!("sha256:{}", "A".repeat(64));
        for bad in ["", "sha256:", "sha512:00", "ba78", upper.as_str(), "sha256:zz"] {
            assert!(bad.parse::<Digest>().is_err(), "{bad}");
        }
    }
}
