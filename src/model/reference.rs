//! Where an artifact lives: `oci://host/repo[:tag][@sha256:…]`, or
//! `oci-layout:DIR[:tag][@sha256:…]`, the OCI image layout on disk.
//!
//! Parsed once; what is parsed cannot be wrong. A tag is a hint that anybody
//! with push rights can move; only a [`Digest`] is an identity.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use super::{digest::Digest, text::brief};

/// The longest reference that is read at all, in bytes.
const MAX_LENGTH: usize = 4096;

/// A reference as a user writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The registry repository or the layout.
    pub place: Place,
    /// The tag, when one is named.
    pub tag: Option<Tag>,
    /// The digest, when one is named; it wins over the tag.
    pub digest: Option<Digest>,
}

impl Reference {
    /// The place, pinned to `digest`: what travels after a tag was resolved.
    pub fn at(&self, digest: Digest) -> Reference {
        Reference { place: self.place.clone(), tag: None, digest: Some(digest) }
    }

    /// The tag that is asked for: what is read without tag and digest is `latest`.
    pub fn asked(&self) -> Option<Tag> {
        match (&self.tag, &self.digest) {
            (None, None) => Some(Tag::latest()),
            (tag, _) => tag.clone(),
        }
    }

    /// The place in full, without tag and digest: what a verification summary
    /// calls a resource.
    pub fn resource(&self) -> String {
        Reference { place: self.place.clone(), tag: None, digest: None }.to_string()
    }

    /// Refuses a reference to an artifact with neither tag nor digest.
    ///
    /// # Errors
    /// [`ReferenceError::NeedsTag`].
    pub fn require_tag(&self) -> Result<&Tag, ReferenceError> {
        self.tag.as_ref().ok_or_else(|| ReferenceError::NeedsTag { text: self.to_string() })
    }
}

/// A registry repository, or a directory in the OCI image layout.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Place {
    /// `oci://host/repo`.
    Registry(Repository),
    /// `oci-layout:DIR`.
    Layout(PathBuf),
}

impl Place {
    /// The name that statements and annotations carry: `host/repo` without a
    /// scheme, or the last component of the layout's directory, since a path
    /// of one machine means nothing on another.
    pub fn name(&self) -> String {
        match self {
            Place::Registry(repository) => repository.to_string(),
            Place::Layout(dir) => dir
                .file_name()
                .map_or_else(|| "layout".into(), |name| name.to_string_lossy().into_owned()),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Registry(repository) => write!(f, "oci://{repository}"),
            Place::Layout(dir) => write!(f, "oci-layout:{}", dir.display()),
        }
    }
}

/// A repository of a registry: `host[:port]/path`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Repository {
    host: String,
    path: String,
}

impl Repository {
    /// A repository from its two halves.
    ///
    /// # Errors
    /// [`ReferenceError`] when either half breaks the grammar of the OCI
    /// distribution specification.
    pub fn new(host: &str, path: &str) -> Result<Self, ReferenceError> {
        if !is_host(host) {
            return Err(ReferenceError::Host { text: brief(host) });
        }
        if !is_path(path) {
            return Err(ReferenceError::Path { text: brief(path) });
        }
        Ok(Self { host: host.to_ascii_lowercase(), path: path.to_owned() })
    }

    /// Host and port, lower case, as written in the reference.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The path below `/v2/`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether the host is a loopback name or address.
    pub fn is_loopback(&self) -> bool {
        is_loopback_host(&self.host)
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.host, self.path)
    }
}

/// A tag: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(String);

impl Tag {
    /// The tag as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `latest`, which a reference without tag and digest means when reading.
    pub fn latest() -> Self {
        Self("latest".into())
    }

    /// The referrers tag of `digest` (OCI distribution specification,
    /// "Referrers Tag Schema").
    pub fn referrers(digest: &Digest) -> Self {
        Self(format!("sha256-{}", digest.hex()))
    }

    /// The tag under which cosign 2 stores signatures of `digest`.
    pub fn legacy_signatures(digest: &Digest) -> Self {
        Self(format!("sha256-{}.sig", digest.hex()))
    }

    /// The tag under which cosign 2 stores attestations of `digest`.
    pub fn legacy_attestations(digest: &Digest) -> Self {
        Self(format!("sha256-{}.att", digest.hex()))
    }

    /// Whether the tag is a semantic version, an optional `v` before it: such
    /// a tag names a release and moves only by force.
    pub fn is_semver(&self) -> bool {
        // OCI tags spell the `+` of build metadata `_`, as Helm and Flux do.
        let version = self.0.strip_prefix('v').unwrap_or(&self.0).replacen('_', "+", 1);
        semver::Version::parse(&version).is_ok()
    }

    /// Whether the tag is one that this program or cosign derives from a
    /// digest; a user may not publish under such a name.
    pub fn is_reserved(&self) -> bool {
        self.0
            .strip_prefix("sha256-")
            .and_then(|rest| rest.get(..64))
            .is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()))
    }
}

impl FromStr for Tag {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        if is_tag(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ReferenceError::Tag { text: brief(text) })
        }
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        if text.len() > MAX_LENGTH || text.chars().any(char::is_control) {
            return Err(ReferenceError::Scheme { text: brief(text), meant: String::new() });
        }
        if let Some(rest) = text.strip_prefix("oci://") {
            let (name, tag, digest) = split(rest)?;
            let (host, path) = name
                .split_once('/')
                .ok_or_else(|| ReferenceError::NoRepository { text: brief(text) })?;
            Ok(Self { place: Place::Registry(Repository::new(host, path)?), tag, digest })
        } else if let Some(rest) =
            text.strip_prefix("oci-layout:").filter(|rest| !rest.starts_with("//"))
        {
            let (dir, tag, digest) = split(rest)?;
            if dir.is_empty() {
                return Err(ReferenceError::Layout);
            }
            Ok(Self { place: Place::Layout(Path::new(dir).to_path_buf()), tag, digest })
        } else {
            Err(ReferenceError::Scheme { text: brief(text), meant: meant(text) })
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.place.fmt(f)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

/// The reference that was meant, in the words of the message: what other tools
/// call it, a slash too few or too many, a directory.
fn meant(text: &str) -> String {
    let foreign = ["oci:", "docker:", "http:", "https:"];
    let foreign = foreign.into_iter().find_map(|scheme| text.strip_prefix(scheme));
    let better = match (text.strip_prefix("oci-layout://"), foreign) {
        (Some(rest), _) => format!("oci-layout:{rest}"),
        (None, Some(rest)) => format!("oci://{}", rest.trim_start_matches('/')),
        (None, None) if text.starts_with(['.', '/']) => format!("oci-layout:{text}"),
        (None, None) => format!("oci://{text}"),
    };
    match better.parse::<Reference>() {
        Ok(_) if better != text => format!("; did you mean `{}`?", brief(&better)),
        _ => String::new(),
    }
}

/// Splits `name[:tag][@digest]`; the colon of a port or of a path component
/// before the last `/` belongs to the name.
fn split(text: &str) -> Result<(&str, Option<Tag>, Option<Digest>), ReferenceError> {
    let (rest, digest) = match text.rsplit_once('@') {
        Some((rest, digest)) if digest.contains(':') && !digest.contains('/') => {
            let digest =
                digest.parse().map_err(|_| ReferenceError::Digest { text: brief(digest) })?;
            (rest, Some(digest))
        }
        _ => (text, None),
    };
    let after_slash = rest.rfind('/').map_or(0, |slash| slash + 1);
    match rest[after_slash..].rfind(':') {
        Some(colon) => {
            let (name, tag) = rest.split_at(after_slash + colon);
            Ok((name, Some(tag[1..].parse()?), digest))
        }
        None => Ok((rest, None, digest)),
    }
}

fn is_tag(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    text.len() <= 128
        && text.bytes().next().is_some_and(word)
        && text.bytes().all(|b| word(b) || b == b'.' || b == b'-')
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*` between slashes, 255 bytes at most.
fn is_path(text: &str) -> bool {
    text.len() <= 255 && text.split('/').all(is_path_component)
}

fn is_path_component(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else { return false };
    if !plain(*first) || !plain(*last) {
        return false;
    }
    text.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        .all(|run| matches!(run, "" | "." | "_" | "__") || run.bytes().all(|b| b == b'-'))
}

/// `host[:port]`; the host is a DNS name, an IPv4 or a bracketed IPv6 address.
fn is_host(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((inner, port)) if inner.parse::<std::net::Ipv6Addr>().is_ok() => ("", port),
            _ => return false,
        },
        None => match text.find(':') {
            Some(colon) => text.split_at(colon),
            None => (text, ""),
        },
    };
    let port_ok = port.is_empty()
        || port.strip_prefix(':').is_some_and(|digits| {
            digits.bytes().all(|b| b.is_ascii_digit()) && digits.parse::<u16>().is_ok_and(|p| p > 0)
        });
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    port_ok && (text.starts_with('[') || (host.len() <= 253 && host.split('.').all(label)))
}

/// Whether `host[:port]` is loopback: `localhost`, `*.localhost`, `127.0.0.0/8`
/// or `[::1]`.
pub fn is_loopback_host(host: &str) -> bool {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split(']').next().is_some_and(|ip| {
            ip.parse::<std::net::Ipv6Addr>().is_ok_and(|address| address.is_loopback())
        });
    }
    let name = host.split(':').next().unwrap_or_default();
    name == "localhost"
        || name.ends_with(".localhost")
        || name.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback())
}

/// What is wrong with a reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// Neither of the two schemes.
    #[error(
        "`{text}` is not a reference; expected `oci://HOST/REPOSITORY[:TAG][@DIGEST]` or \
         `oci-layout:DIR[:TAG][@DIGEST]`{meant}"
    )]
    Scheme {
        /// The text as given.
        text: String,
        /// What was meant, perhaps; empty when there is no telling.
        meant: String,
    },
    /// A host alone.
    #[error("`{text}` names no repository; expected `oci://HOST/REPOSITORY[:TAG][@DIGEST]`")]
    NoRepository {
        /// The text as given.
        text: String,
    },
    /// The host is malformed.
    #[error("`{text}` is not a registry host; expected `NAME[:PORT]`")]
    Host {
        /// The host as given.
        text: String,
    },
    /// The repository is malformed or missing.
    #[error(
        "`{text}` is not a repository path; expected lower-case letters, digits and `.`, `_`, `-` \
         between them, separated by `/`"
    )]
    Path {
        /// The path as given.
        text: String,
    },
    /// The tag is malformed.
    #[error(
        "`{text}` is not a tag; expected up to 128 letters, digits, `_`, `.` and `-` (the `+` of a \
         version is written `_`)"
    )]
    Tag {
        /// The tag as given.
        text: String,
    },
    /// The digest is malformed.
    #[error("`{text}` is not a digest; expected `sha256:` and 64 lower-case hexadecimal digits")]
    Digest {
        /// The digest as given.
        text: String,
    },
    /// `oci-layout:` without a directory.
    #[error("`oci-layout:` names no directory; expected `oci-layout:DIR[:TAG][@DIGEST]`")]
    Layout,
    /// A tag is required here.
    #[error("`{text}` names no tag, and publishing moves one")]
    NeedsTag {
        /// The reference as given.
        text: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_what_it_writes() {
        let digest = format!("sha256:{}", "a".repeat(64));
        for text in [
            "oci://registry.example/shop/config:1.4.0".to_owned(),
            "oci://registry.example:5000/shop/config".to_owned(),
            "oci://[::1]:5000/shop:v1".to_owned(),
            format!("oci://localhost:5000/a/b__c/d-e.f:tag@{digest}"),
            format!("oci-layout:./out@{digest}"),
            "oci-layout:/tmp/x:y/out:1.0.0".to_owned(),
            "oci-layout:out".to_owned(),
        ] {
            let reference: Reference = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(reference.to_string(), text);
        }
    }

    #[test]
    fn refuses_with_the_part_named() {
        for (text, part) in [
            ("registry.example/x", "is not a reference"),
            ("oci://registry.example", "names no repository"),
            ("oci://", "names no repository"),
            ("registry.example/x:1", "did you mean `oci://registry.example/x:1`?"),
            ("docker://registry.example/x:1", "did you mean `oci://registry.example/x:1`?"),
            ("https://registry.example/x:1", "did you mean `oci://registry.example/x:1`?"),
            ("oci:/registry.example/x", "did you mean `oci://registry.example/x`?"),
            ("./out:1", "did you mean `oci-layout:./out:1`?"),
            ("oci-layout:///out:1", "did you mean `oci-layout:/out:1`?"),
            ("oci-layout://out:1", "did you mean `oci-layout:out:1`?"),
            ("oci://h/a:1.0.0+b", "is written `_`"),
            ("oci://registry.example/Shop", "repository path"),
            ("oci://registry.example/a..b", "repository path"),
            ("oci://registry.example/a//b", "repository path"),
            ("oci://user@registry.example/a", "registry host"),
            ("oci://-x/a", "registry host"),
            ("oci://h:99999/a", "registry host"),
            ("oci://h/a:-x", "not a tag"),
            ("oci://h/a@sha256:12", "not a digest"),
            ("oci-layout:", "names no directory"),
            ("oci://h/a\n", "is not a reference"),
        ] {
            let error = text.parse::<Reference>().expect_err(text).to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn loopback_is_recognised() {
        for yes in [
            "localhost",
            "localhost:5000",
            "127.0.0.1:80",
            "127.9.9.9",
            "[::1]:5000",
            "a.localhost",
        ] {
            assert!(is_loopback_host(yes), "{yes}");
        }
        for no in ["localhost.example", "128.0.0.1", "[::2]", "registry.example"] {
            assert!(!is_loopback_host(no), "{no}");
        }
    }

    #[test]
    fn semver_tags_are_releases() {
        let is = |text: &str| text.parse::<Tag>().is_ok_and(|tag| tag.is_semver());
        assert!(is("1.4.0") && is("v1.4.0") && is("1.4.0-rc.1") && is("1.4.0_build.1"));
        assert!(!is("1.4") && !is("production") && !is("latest"));
    }
}
