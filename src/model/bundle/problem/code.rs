//! The rules by name. A name is never reused for another rule, because SARIF
//! consumers and people's suppressions remember it.

use super::Code;

/// Declares each code once, with its line for `docs/check.md`.
macro_rules! codes {
    ($(#[doc = $doc:literal] $name:ident = $text:literal;)+) => {
        $(#[doc = $doc] pub const $name: Code = Code($text);)+

        /// Every code that is declared here, with what it means.
        pub const ALL: &[(Code, &str)] = &[$((Code($text), $doc)),+];
    };
}
pub(crate) use codes;

codes! {
    #[doc = "The bundle has no file."]
    EMPTY = "empty";
    #[doc = "The bundle is beyond a limit: bytes, files, objects, or what its manifests name."]
    BUNDLE_TOO_LARGE = "bundle-too-large";
    #[doc = "A file is larger than the limit."]
    FILE_TOO_LARGE = "file-too-large";
    #[doc = "A name cannot be in a bundle: it is not UTF-8, or has a control character or a backslash."]
    FILE_NAME = "file-name";
    #[doc = "Two names are the same on systems that fold case."]
    NAME_COLLISION = "name-collision";
    #[doc = "A device, a socket or a named pipe cannot be packed."]
    FILE_TYPE = "file-type";
    #[doc = "A symbolic link is not followed."]
    SYMLINK = "symlink";
    #[doc = "A file or directory cannot be read."]
    UNREADABLE = "unreadable";
    #[doc = "A file that is parsed is not UTF-8 text."]
    YAML_ENCODING = "yaml-encoding";
    #[doc = "A file is not valid YAML or JSON."]
    YAML_SYNTAX = "yaml-syntax";
    #[doc = "A mapping has the same key twice."]
    YAML_DUPLICATE_KEY = "yaml-duplicate-key";
    #[doc = "A document nests too deeply, has too many nodes, or expands its aliases to too many."]
    YAML_LIMIT = "yaml-limit";
    #[doc = "A value is valid YAML, but Kubernetes cannot read it: a key that is no scalar, infinity, a wrong tag or merge."]
    YAML_VALUE = "yaml-value";
    #[doc = "A document looks like a Kubernetes object, but `apiVersion` or `kind` is missing or no string."]
    OBJECT_INCOMPLETE = "object-incomplete";
    #[doc = "An object has no `metadata.name`, or it is no string or too long."]
    OBJECT_NAME = "object-name";
    #[doc = "Two objects that are applied together have the same group, kind, namespace and name."]
    OBJECT_DUPLICATE = "object-duplicate";
    #[doc = "A kustomization names a file or directory that is not in the bundle."]
    KUSTOMIZATION_MISSING = "kustomization-missing";
    #[doc = "A kustomization names a path outside the bundle."]
    KUSTOMIZATION_OUTSIDE = "kustomization-outside";
    #[doc = "A kustomization names a remote resource, which is neither packed nor locked."]
    KUSTOMIZATION_REMOTE = "kustomization-remote";
    #[doc = "Kustomizations include each other in a circle."]
    KUSTOMIZATION_CYCLE = "kustomization-cycle";
    #[doc = "A directory has more than one kustomization file."]
    KUSTOMIZATION_SEVERAL = "kustomization-several";
    #[doc = "A field of a kustomization has the wrong shape."]
    KUSTOMIZATION_SHAPE = "kustomization-shape";
    #[doc = "A kustomization is in a file that kustomize does not read, or another object in one that it does."]
    KUSTOMIZATION_NAME = "kustomization-name";
    #[doc = "Kustomizations include so many objects that duplicates are not looked for."]
    KUSTOMIZATION_LIMIT = "kustomization-limit";
    #[doc = "A kustomization inflates a Helm chart, which Flux refuses."]
    KUSTOMIZATION_HELM = "kustomization-helm";
    #[doc = "A HelmRelease has an API version that newer releases of Flux no longer serve."]
    HELMRELEASE_API_REMOVED = "helmrelease-api-removed";
    #[doc = "A HelmRelease has an API version that no release of Flux serves."]
    HELMRELEASE_API_UNKNOWN = "helmrelease-api-unknown";
    #[doc = "A HelmRelease names no chart, two charts, or a chart in a shape that Flux refuses."]
    HELMRELEASE_CHART = "helmrelease-chart";
    #[doc = "A HelmRelease takes whatever chart version is newest: none is written, or a range."]
    HELMRELEASE_VERSION = "helmrelease-version";
    #[doc = "A chart version is no string, or neither a version nor a range."]
    HELMRELEASE_VERSION_SYNTAX = "helmrelease-version-syntax";
    #[doc = "The `values` of a HelmRelease are no mapping."]
    HELMRELEASE_VALUES = "helmrelease-values";
    #[doc = "An entry of `valuesFrom` names no ConfigMap or Secret."]
    HELMRELEASE_VALUES_FROM = "helmrelease-values-from";
    #[doc = "A HelmRelease has no `interval`, or it is no duration."]
    HELMRELEASE_INTERVAL = "helmrelease-interval";
    #[doc = "A chart or an image was not resolved while publishing."]
    LOCK_UNRESOLVED = "lock-unresolved";
    #[doc = "A chart or an image is not named by its digest, which `--require-pinned` demands."]
    LOCK_UNPINNED = "lock-unpinned";
    #[doc = "A source object that a chart comes from has no usable URL, chart or source."]
    SOURCE_SHAPE = "source-shape";
    #[doc = "A source object that a chart comes from takes whatever version is newest."]
    SOURCE_VERSION = "source-version";
    #[doc = "A Secret carries data in clear; a push cannot be undone."]
    SECRET_CLEAR = "secret-clear";
    #[doc = "An image reference is malformed."]
    IMAGE_REFERENCE = "image-reference";
    #[doc = "An image tag is a number or boolean, which Helm may print differently from what is written."]
    IMAGE_TAG_TYPE = "image-tag-type";
    #[doc = "No file of the bundle holds a Kubernetes object or a kustomization."]
    NO_OBJECT = "no-object";
    #[doc = "A file, or the bundle, has more problems than are listed."]
    PROBLEM_LIMIT = "problem-limit";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_documented() {
        let names: std::collections::BTreeSet<_> = ALL.iter().map(|(code, _)| code.0).collect();
        assert_eq!(names.len(), ALL.len());
        for (code, doc) in ALL {
            assert!(code.0.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{code}");
            assert!(doc.ends_with('.') && !doc.contains('\n'), "{code}");
        }
    }
}
