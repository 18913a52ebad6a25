//! Media types and annotation keys of the formats that are written and read.

/// OCI image manifest.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// OCI image index.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Docker image manifest, read only.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Docker manifest list, read only.
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// OCI image config, of legacy cosign signatures.
pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// The empty JSON object, `{}`.
pub const OCI_EMPTY: &str = "application/vnd.oci.empty.v1+json";
/// Flux's config blob.
pub const FLUX_CONFIG: &str = "application/vnd.cncf.flux.config.v1+json";
/// Flux's layer.
pub const FLUX_CONTENT: &str = "application/vnd.cncf.flux.content.v1.tar+gzip";
/// A Sigstore bundle, version 0.3.
pub const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
/// What the media type of every Sigstore bundle starts with.
pub const BUNDLE_PREFIX: &str = "application/vnd.dev.sigstore.bundle";
/// The payload of a legacy cosign signature.
pub const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// A DSSE envelope, the layer of a legacy cosign attestation.
pub const DSSE: &str = "application/vnd.dsse.envelope.v1+json";
/// An in-toto statement, the payload type of an envelope.
pub const IN_TOTO: &str = "application/vnd.in-toto+json";

/// When the content was made, RFC 3339.
pub const CREATED: &str = "org.opencontainers.image.created";
/// Where the content comes from.
pub const SOURCE: &str = "org.opencontainers.image.source";
/// Which revision of the source.
pub const REVISION: &str = "org.opencontainers.image.revision";
/// The tag of a manifest in an OCI image layout.
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// What a bundle referrer holds, `dsse-envelope`.
pub const BUNDLE_CONTENT: &str = "dev.sigstore.bundle.content";
/// The predicate type inside a bundle referrer; not authenticated.
pub const BUNDLE_PREDICATE: &str = "dev.sigstore.bundle.predicateType";
/// The signature of a legacy cosign signature layer.
pub const COSIGN_SIGNATURE: &str = "dev.cosignproject.cosign/signature";
