//! Container image references, read as Docker and the kubelet read them.

use crate::model::{
    digest::Digest,
    reference::{Repository, Tag},
    text::brief,
};

use super::need::Target;

/// Why a text is not the reference of a certain image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// Something fills in a part of it later.
    #[error("`{text}` is filled in by {by} when it is applied")]
    Filled {
        /// The reference.
        text: String,
        /// Who fills it in.
        by: &'static str,
    },
    /// A digest of another algorithm than SHA-256.
    #[error("`{text}` has a digest that is not SHA-256")]
    Algorithm {
        /// The reference.
        text: String,
    },
    /// It breaks the grammar.
    #[error("`{text}` is not an image reference; expected `[HOST/]NAME[:TAG][@sha256:DIGEST]`")]
    Malformed {
        /// The reference.
        text: String,
    },
}

/// Reads `[HOST/]NAME[:TAG][@DIGEST]` into its long form: without a host it is
/// `docker.io`, there without a `/` it is `library/NAME`, and without tag and
/// digest the tag is `latest`.
///
/// # Errors
/// [`ImageError`] when it is malformed or not complete as written.
pub fn parse(text: &str) -> Result<Target, ImageError> {
    let clipped = || brief(text);
    if text.contains("${") {
        return Err(ImageError::Filled { text: clipped(), by: "Flux" });
    }
    if text.contains("{{") {
        return Err(ImageError::Filled { text: clipped(), by: "Helm" });
    }
    let malformed = || ImageError::Malformed { text: clipped() };
    let (rest, digest) = match text.split_once('@') {
        None => (text, None),
        Some((rest, digest)) => match digest.parse::<Digest>() {
            Ok(digest) => (rest, Some(digest)),
            Err(_) if is_other_digest(digest) => {
                return Err(ImageError::Algorithm { text: clipped() });
            }
            Err(_) => return Err(malformed()),
        },
    };
    let slash = rest.rfind('/').map_or(0, |slash| slash + 1);
    let colon = rest.get(slash..).and_then(|last| last.find(':')).map(|colon| slash + colon);
    let (name, tag) = match colon.and_then(|colon| rest.split_at_checked(colon)) {
        Some((name, tag)) => {
            let tag: Tag = tag.trim_start_matches(':').parse().map_err(|_| malformed())?;
            (name, Some(tag.to_string()))
        }
        None => (rest, None),
    };
    let (host, path) = long_form(name);
    let repository = Repository::new(host, &path).map_err(|_| malformed())?;
    let tag = match (&tag, &digest) {
        (None, None) => Some(Tag::latest().to_string()),
        _ => tag,
    };
    let (host, path) = (repository.host().to_owned(), repository.path().to_owned());
    Ok(Target::Image { host, path, tag, digest })
}

/// Whether a reference carries the digest of what it names, so that nothing else
/// can ever run: SHA-256, or SHA-512, which registries may use too although
/// nothing is locked by it here.
pub fn is_pinned(text: &str) -> bool {
    match parse(text) {
        Ok(Target::Image { digest, .. }) => digest.is_some(),
        Err(ImageError::Algorithm { .. }) => {
            let digest = |text: &str| {
                let hex = |b: u8| b.is_ascii_digit() || matches!(b, b'a'..=b'f');
                text.len() == 128 && text.bytes().all(hex)
            };
            text.split_once("@sha512:")
                .is_some_and(|(rest, hex)| digest(hex) && parse(rest).is_ok())
        }
        _ => false,
    }
}

/// Whether a reference looks pinned and is not: it has an `@`, and no digest that
/// can be read behind it.
pub fn is_falsely_pinned(text: &str) -> bool {
    text.contains('@') && !is_pinned(text)
}

/// `algorithm:hex` of another algorithm.
fn is_other_digest(text: &str) -> bool {
    text.split_once(':').is_some_and(|(algorithm, hex)| {
        let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        algorithm != "sha256"
            && !algorithm.is_empty()
            && algorithm.bytes().all(word)
            && hex.len() >= 32
            && hex.bytes().all(|b| b.is_ascii_hexdigit())
    })
}

/// Host and path, with Docker's defaults.
fn long_form(name: &str) -> (&str, String) {
    let hub = "docker.io";
    let (host, path) = match name.split_once('/') {
        Some((host, path))
            if host.contains(['.', ':'])
                || host == "localhost"
                || host.chars().any(char::is_uppercase) =>
        {
            (host, path)
        }
        _ => (hub, name),
    };
    let host = if host == "index.docker.io" { hub } else { host };
    match host == hub && !path.contains('/') {
        true => (host, format!("library/{path}")),
        false => (host, path.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

    use super::*;

    #[test]
    fn long_forms() {
        let hex = "a".repeat(64);
        for (text, wanted) in [
            ("nginx", "docker.io/library/nginx:latest"),
            ("nginx:1.27", "docker.io/library/nginx:1.27"),
            ("grafana/grafana", "docker.io/grafana/grafana:latest"),
            ("index.docker.io/nginx", "docker.io/library/nginx:latest"),
            ("docker.io/nginx:1", "docker.io/library/nginx:1"),
            ("ghcr.io/stefanprodan/podinfo:6.5.0", "ghcr.io/stefanprodan/podinfo:6.5.0"),
            ("localhost/a", "localhost/a:latest"),
            ("localhost:5000/a:b", "localhost:5000/a:b"),
            ("registry:5000/a", "registry:5000/a:latest"),
            ("[::1]:5000/a:b", "[::1]:5000/a:b"),
            (&format!("a@sha256:{hex}"), &format!("docker.io/library/a@sha256:{hex}")),
            (&format!("q.io/a:1@sha256:{hex}"), &format!("q.io/a:1@sha256:{hex}")),
        ] {
            let Ok(Target::Image { host, path, tag, digest }) = parse(text) else {
                panic!("{text}");
            };
            let tag = tag.map(|tag| format!(":{tag}")).unwrap_or_default();
            let digest = digest.map(|digest| format!("@{digest}")).unwrap_or_default();
            assert_eq!(format!("{host}/{path}{tag}{digest}"), wanted);
        }
    }

    #[test]
    fn only_a_digest_that_can_be_read_pins() {
        let (short, long) = ("a".repeat(64), "a".repeat(128));
        for (text, pinned) in [
            (format!("nginx@sha256:{short}"), true),
            (format!("q.io/a:1@sha256:{short}"), true),
            (format!("nginx@sha512:{long}"), true),
            ("nginx".to_owned(), false),
            ("nginx:1".to_owned(), false),
            ("nginx@${DIGEST}".to_owned(), false),
            ("nginx@{{ .Values.digest }}".to_owned(), false),
            ("nginx@sha256:zz".to_owned(), false),
            ("nginx@".to_owned(), false),
            ("nginx@latest".to_owned(), false),
            (format!("nginx@sha512:{short}"), false),
            (format!("nginx@sha512:{}", "A".repeat(128)), false),
            (format!("nginx@md5:{}", "a".repeat(32)), false),
            (format!("Nginx@sha512:{long}"), false),
            (format!("@sha256:{short}"), false),
            (format!("${{X}}@sha256:{short}"), false),
        ] {
            assert_eq!(is_pinned(&text), pinned, "{text}");
            assert_eq!(is_falsely_pinned(&text), !pinned && text.contains('@'), "{text}");
        }
    }

    #[test]
    fn refusals_say_why() {
        let long = format!("a@sha512:{}", "a".repeat(128));
        for (text, part) in [
            ("a:${TAG}", "filled in by Flux"),
            ("{{ .Values.x }}/a:1", "filled in by Helm"),
            (long.as_str(), "not SHA-256"),
            ("a@sha256:12", "is not an image reference"),
            ("Nginx", "is not an image reference"),
            ("a:b:c", "is not an image reference"),
            ("a:", "is not an image reference"),
            ("", "is not an image reference"),
            ("a b", "is not an image reference"),
            ("https://example.com/a", "is not an image reference"),
            ("a/", "is not an image reference"),
        ] {
            let error = parse(text).expect_err(text).to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
