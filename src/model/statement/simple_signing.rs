//! The payload of a legacy cosign signature ("simple signing", interop §3.3).
//!
//! The signature is over these bytes, and the digest in them ties it to an
//! artifact. `docker-reference` is shown and never trusted: cosign and Flux do
//! not check it, and mirrors change it.

use serde::Deserialize;
use serde_json::Value;

use super::json;
use crate::model::digest::Digest;

/// The only payload type that is a signature of an artifact.
const TYPE: &str = "cosign container image signature";

/// What a legacy payload says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// The digest that was signed.
    pub digest: Digest,
    /// The name under which it was signed, unverified.
    pub docker_reference: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    critical: Critical,
    // Must be present; what it holds is the signer's business.
    #[serde(rename = "optional")]
    _optional: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Critical {
    identity: Identity,
    image: Image,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Identity {
    #[serde(rename = "docker-reference")]
    docker_reference: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Image {
    #[serde(rename = "docker-manifest-digest")]
    docker_manifest_digest: Digest,
}

/// The bytes that cosign would sign for `digest` under the name `reference`:
/// Go's field order and Go's escaping of `<`, `>` and `&`.
pub fn write(digest: &Digest, reference: &str) -> Vec<u8> {
    let reference = Value::from(reference)
        .to_string()
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026");
    format!(
        r#"{{"critical":{{"identity":{{"docker-reference":{reference}}},"image":{{"docker-manifest-digest":"{digest}"}},"type":"{TYPE}"}},"optional":null}}"#
    )
    .into_bytes()
}

/// Parses a payload: exactly `critical.{identity,image,type}` and `optional`,
/// no duplicate keys, the right type.
///
/// # Errors
/// [`PayloadError`] naming what is wrong.
pub fn parse(bytes: &[u8]) -> Result<Payload, PayloadError> {
    let wire: Wire = serde_json::from_value(json::parse(bytes)?)?;
    if wire.critical.kind != TYPE {
        return Err(PayloadError::Type);
    }
    Ok(Payload {
        digest: wire.critical.image.docker_manifest_digest,
        docker_reference: wire.critical.identity.docker_reference,
    })
}

/// Bytes that are no payload of a cosign signature.
#[derive(Debug, thiserror::Error)]
pub enum PayloadError {
    /// Not JSON of that shape.
    #[error("not a cosign payload: {0}")]
    Json(#[from] serde_json::Error),
    /// A payload of another type.
    #[error("its `critical.type` is not `{TYPE}`")]
    Type,
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn writes_what_cosign_writes() {
        let digest = Digest::of(b"");
        let bytes = write(&digest, "registry.example/a&b");
        assert_eq!(
            String::from_utf8(bytes.clone()).unwrap(),
            format!(
                "{{\"critical\":{{\"identity\":{{\"docker-reference\":\"registry.example/a\\u0026b\"}},\
                 \"image\":{{\"docker-manifest-digest\":\"{digest}\"}},\
                 \"type\":\"cosign container image signature\"}},\"optional\":null}}"
            )
        );
        assert_eq!(parse(&bytes).unwrap().digest, digest);
        assert_eq!(parse(&bytes).unwrap().docker_reference, "registry.example/a&b");
    }

    /// cosign CVE-2026-39395: a malformed payload or one of another type must
    /// never count as a signature.
    #[test]
    fn cve_2026_39395_malformed_payload_or_wrong_type() {
        let good = String::from_utf8(write(&Digest::of(b"x"), "r/x")).unwrap();
        for (from, to) in [
            ("cosign container image signature", "atomic container signature"),
            (r#""optional":null"#, r#""optional":null,"optional":null"#),
            (r#""optional":null"#, r#""extra":1,"optional":null"#),
            (r#","optional":null"#, ""),
            (r#""type":"#, r#""type":"x","type":"#),
            (r#""identity":{"#, r#""identity":{"extra":1,"#),
            (r#""image":{"#, r#""image":{"docker-manifest-digest":null,"#),
            ("sha256:", "sha512:"),
        ] {
            assert!(good.contains(from), "{from} not in {good}");
            assert!(parse(good.replacen(from, to, 1).as_bytes()).is_err(), "{from} → {to}");
        }
        for bad in ["", "null", "[]", "{}", r#"{"critical":null,"optional":null}"#] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
