//! What a published artifact is made of: Flux's manifest, byte for byte.
//!
//! The config is the constant that Flux 2.9 writes (interop §1.2); Flux never
//! reads it, and neither do we.

use serde_json::Error;

use super::{
    manifest::{Annotations, Descriptor, Manifest},
    media,
};

/// The config blob of Flux 2.9.
pub const FLUX_CONFIG: &[u8] = br#"{"architecture":"","created":"0001-01-01T00:00:00Z","os":"","rootfs":{"type":"layers","diff_ids":null},"config":{}}"#;

/// The annotation keys that are derived from the source and cannot be given.
pub const DERIVED: [&str; 3] = [media::CREATED, media::SOURCE, media::REVISION];

/// The bytes of the manifest of a bundle.
///
/// # Errors
/// Only when serialising fails, which it does not for these types.
pub fn manifest(layer: &Descriptor, annotations: &Annotations) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(&Manifest {
        schema_version: 2,
        media_type: Some(media::OCI_MANIFEST.into()),
        config: Descriptor::of(media::FLUX_CONFIG, FLUX_CONFIG),
        layers: vec![layer.clone()],
        annotations: Some(annotations.clone()),
        subject: None,
        artifact_type: None,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::model::digest::Digest;

    #[test]
    fn the_config_is_that_of_flux() {
        assert_eq!(FLUX_CONFIG.len(), 115);
        assert_eq!(
            Digest::of(FLUX_CONFIG).to_string(),
            "sha256:5b943e2b943f6c81dbbd4e2eca5121f4fcc39139e3d1219d6d89bd925b77d9fe"
        );
    }

    #[test]
    fn the_manifest_has_the_bytes_of_flux() {
        let layer = Descriptor::of(media::FLUX_CONTENT, b"layer");
        let annotations = Annotations::from([
            (media::SOURCE.into(), "https://example.com/x".into()),
            (media::CREATED.into(), "1970-01-01T00:00:00Z".into()),
            (media::REVISION.into(), "main@sha1:00".into()),
        ]);
        let text = String::from_utf8(manifest(&layer, &annotations).unwrap()).unwrap();
        assert_eq!(
            text,
            format!(
                r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{{"mediaType":"application/vnd.cncf.flux.config.v1+json","size":115,"digest":"{}"}},"layers":[{{"mediaType":"application/vnd.cncf.flux.content.v1.tar+gzip","size":5,"digest":"{}"}}],"annotations":{{"org.opencontainers.image.created":"1970-01-01T00:00:00Z","org.opencontainers.image.revision":"main@sha1:00","org.opencontainers.image.source":"https://example.com/x"}}}}"#,
                Digest::of(FLUX_CONFIG),
                layer.digest
            )
        );
    }
}
