//! `index.json` of a layout: entries, tags, and how they move.
//!
//! Kept as the JSON that was read, because it belongs to other tools as well:
//! entries with other digest algorithms, platforms or annotations survive a
//! write as they are. Pure; the files are [`super::disk`]'s.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::super::{Fault, Result};
use crate::model::{
    artifact::{
        manifest::{self, Descriptor},
        media::{OCI_INDEX, REF_NAME},
    },
    digest::Digest,
    reference::Tag,
    text::brief,
};

/// The content of `index.json`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct IndexFile {
    /// Every field but `manifests`, whose place is kept by a null.
    fields: Map<String, Value>,
    manifests: Vec<Value>,
}

impl IndexFile {
    /// An index without entries.
    pub(super) fn empty() -> Self {
        let mut fields = Map::new();
        fields.insert("schemaVersion".into(), json!(2));
        fields.insert("mediaType".into(), json!(OCI_INDEX));
        fields.insert("manifests".into(), Value::Null);
        Self { fields, manifests: Vec::new() }
    }

    /// Reads an index; the error says what is wrong with it.
    pub(super) fn parse(bytes: &[u8]) -> std::result::Result<Self, String> {
        let value: Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let Value::Object(mut fields) = value else { return Err("not a JSON object".into()) };
        if fields.get("schemaVersion").is_some_and(|version| *version != json!(2)) {
            return Err("`schemaVersion` is not 2".into());
        }
        match fields.get_mut("manifests").map(Value::take) {
            Some(Value::Array(manifests)) => Ok(Self { fields, manifests }),
            // Go writes an empty list as null.
            Some(Value::Null) => Ok(Self { fields, manifests: Vec::new() }),
            _ => Err("`manifests` is not a list".into()),
        }
    }

    /// The bytes to write.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut fields = self.fields.clone();
        fields.insert("manifests".into(), Value::Array(self.manifests.clone()));
        Value::Object(fields).to_string().into_bytes()
    }

    /// Whether there are no entries.
    pub(super) fn is_empty(&self) -> bool {
        self.manifests.is_empty()
    }

    /// The entries that are descriptors, in order.
    pub(super) fn descriptors(&self) -> impl Iterator<Item = Descriptor> {
        manifest::lenient(Value::Array(self.manifests.clone())).unwrap_or_default().into_iter()
    }

    /// The digests that some entry gives a tag.
    pub(super) fn tagged(&self) -> BTreeSet<&str> {
        self.manifests.iter().filter(|e| ref_name(e).is_some()).filter_map(digest_of).collect()
    }

    /// The digest that `tag` points at.
    pub(super) fn resolve(&self, tag: &Tag) -> Result<Option<Digest>, Fault> {
        let mut found = None;
        for entry in self.holders(tag) {
            let text = digest_of(entry).unwrap_or("nothing");
            let digest: Digest = text.parse().map_err(|_| {
                let text = brief(text);
                Fault::Layout(format!("the tag `{tag}` points at `{text}`, not at a SHA-256"))
            })?;
            match found {
                Some(other) if other != digest => {
                    return Err(Fault::Layout(format!(
                        "the tag `{tag}` points at both `{other}` and `{digest}`; name the digest"
                    )));
                }
                _ => found = Some(digest),
            }
        }
        Ok(found)
    }

    /// The tags, without names that are none.
    pub(super) fn tags(&self) -> BTreeSet<String> {
        let names = self.manifests.iter().filter_map(ref_name);
        names.filter(|name| name.parse::<Tag>().is_ok()).map(str::to_owned).collect()
    }

    /// An entry of `digest`, whichever comes first.
    pub(super) fn find(&self, digest: &Digest) -> Option<&Value> {
        let digest = digest.to_string();
        self.manifests.iter().find(|entry| digest_of(entry) == Some(&digest))
    }

    /// Lists a manifest without a tag, unless it is listed; whether that
    /// changed anything.
    pub(super) fn list(&mut self, entry: &Descriptor) -> Result<bool, Fault> {
        if self.find(&entry.digest).is_some() {
            return Ok(false);
        }
        self.manifests.push(to_value(entry)?);
        Ok(true)
    }

    /// Moves `tag` to a manifest; whether that changed anything. The manifest
    /// that had it stays listed.
    pub(super) fn tag(&mut self, entry: &Descriptor, tag: &Tag) -> Result<bool, Fault> {
        let before = self.clone();
        let digest = entry.digest.to_string();
        let holds = |e: &Value| digest_of(e) == Some(&digest) && ref_name(e) == Some(tag.as_str());
        if !self.manifests.iter().any(holds) {
            let bare = |e: &&mut Value| digest_of(e) == Some(&digest) && ref_name(e).is_none();
            match self.manifests.iter_mut().find(bare) {
                Some(bare) => set_ref_name(bare, tag),
                None => {
                    let mut tagged = to_value(entry)?;
                    set_ref_name(&mut tagged, tag);
                    self.manifests.push(tagged);
                }
            }
        }
        self.untag_others(&digest, tag);
        Ok(*self != before)
    }

    /// Takes `tag` from the entries of other digests. Such an entry goes when
    /// its manifest is listed elsewhere too, else it stays without the tag.
    fn untag_others(&mut self, digest: &str, tag: &Tag) {
        let mut at = 0;
        while let Some(entry) = self.manifests.get_mut(at) {
            if ref_name(entry) != Some(tag.as_str()) || digest_of(entry) == Some(digest) {
                at += 1;
                continue;
            }
            unset_ref_name(entry);
            let loser = digest_of(entry).map(str::to_owned);
            let same = |e: &&Value| loser.is_some() && digest_of(e) == loser.as_deref();
            if self.manifests.iter().filter(same).count() > 1 {
                self.manifests.remove(at);
            } else {
                at += 1;
            }
        }
    }

    fn holders(&self, tag: &Tag) -> impl Iterator<Item = &Value> {
        self.manifests.iter().filter(|entry| ref_name(entry) == Some(tag.as_str()))
    }
}

fn digest_of(entry: &Value) -> Option<&str> {
    entry.get("digest")?.as_str()
}

fn ref_name(entry: &Value) -> Option<&str> {
    entry.get("annotations")?.get(REF_NAME)?.as_str()
}

fn set_ref_name(entry: &mut Value, tag: &Tag) {
    let Value::Object(fields) = entry else { return };
    let annotations = fields.entry("annotations").or_insert_with(|| json!({}));
    if !annotations.is_object() {
        *annotations = json!({});
    }
    if let Value::Object(annotations) = annotations {
        annotations.insert(REF_NAME.into(), json!(tag.as_str()));
    }
}

/// Takes the tag off an entry, and the annotations with it when none is left.
fn unset_ref_name(entry: &mut Value) {
    let Value::Object(fields) = entry else { return };
    if let Some(Value::Object(annotations)) = fields.get_mut("annotations") {
        annotations.shift_remove(REF_NAME);
        if annotations.is_empty() {
            fields.shift_remove("annotations");
        }
    }
}

fn to_value(entry: &Descriptor) -> Result<Value, Fault> {
    serde_json::to_value(entry).map_err(|error| Fault::Malformed(error.to_string()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests {
    use super::*;

    fn index(manifests: Value) -> IndexFile {
        IndexFile::parse(&serde_json::to_vec(&json!({"manifests": manifests})).unwrap()).unwrap()
    }

    fn entry(of: &str) -> Descriptor {
        Descriptor::of("m", of.as_bytes())
    }

    fn tag(text: &str) -> Tag {
        text.parse().unwrap()
    }

    fn listed(index: &IndexFile) -> Value {
        serde_json::from_slice::<Value>(&index.to_bytes()).unwrap()["manifests"].clone()
    }

    fn json_of(of: &str, annotations: Value) -> Value {
        let mut value = serde_json::to_value(entry(of)).unwrap();
        if annotations != Value::Null {
            value["annotations"] = annotations;
        }
        value
    }

    #[test]
    fn a_manifest_is_listed_once() {
        let mut index = IndexFile::empty();
        assert!(index.list(&entry("a")).unwrap());
        assert!(!index.list(&entry("a")).unwrap());
        assert!(index.tag(&entry("a"), &tag("v1")).unwrap());
        assert!(!index.tag(&entry("a"), &tag("v1")).unwrap());
        assert!(!index.list(&entry("a")).unwrap());
        assert_eq!(listed(&index), json!([json_of("a", json!({REF_NAME: "v1"}))]));
    }

    #[test]
    fn a_tag_moves_and_its_former_holder_stays() {
        let mut index = IndexFile::empty();
        index.tag(&entry("a"), &tag("v1")).unwrap();
        index.tag(&entry("b"), &tag("v1")).unwrap();
        assert_eq!(index.resolve(&tag("v1")).unwrap(), Some(Digest::of(b"b")));
        let expected = json!([json_of("a", Value::Null), json_of("b", json!({REF_NAME: "v1"}))]);
        assert_eq!(listed(&index), expected);
    }

    #[test]
    fn a_second_tag_is_a_second_entry_and_goes_again() {
        let mut index = IndexFile::empty();
        index.tag(&entry("a"), &tag("v1")).unwrap();
        index.tag(&entry("a"), &tag("v2")).unwrap();
        assert_eq!(index.tags().into_iter().collect::<Vec<_>>(), ["v1", "v2"]);
        index.tag(&entry("b"), &tag("v2")).unwrap();
        let expected =
            json!([json_of("a", json!({REF_NAME: "v1"})), json_of("b", json!({REF_NAME: "v2"}))]);
        assert_eq!(listed(&index), expected);
    }

    #[test]
    fn foreign_entries_and_fields_survive() {
        let text = json!({
            "annotations": {"x": "y"},
            "manifests": [
                {"mediaType": "m", "digest": "sha512:00", "size": 1, "platform": {"os": "plan9"}},
                {"digest": Digest::of(b"a"), "size": 1, "annotations": {REF_NAME: "v1", "k": "v"}},
                "not even an entry",
                {"digest": Digest::of(b"b"), "size": 1,
                 "annotations": {REF_NAME: "docker.io/library/x:v1"}},
            ],
            "schemaVersion": 2,
            "vendor": [1, {"deep": true}],
        });
        let mut index = IndexFile::parse(text.to_string().as_bytes()).unwrap();
        assert_eq!(String::from_utf8(index.to_bytes()).unwrap(), text.to_string());
        assert_eq!(index.tags().into_iter().collect::<Vec<_>>(), ["v1"]);
        index.tag(&entry("c"), &tag("v1")).unwrap();
        let mut expected = text;
        expected["manifests"][1]["annotations"] = json!({"k": "v"});
        let list = expected["manifests"].as_array_mut().unwrap();
        list.push(json_of("c", json!({REF_NAME: "v1"})));
        assert_eq!(String::from_utf8(index.to_bytes()).unwrap(), expected.to_string());
    }

    #[test]
    fn an_ambiguous_or_foreign_tag_is_an_error_and_a_write_repairs_it() {
        let name = json!({REF_NAME: "v1"});
        let mut both = index(json!([json_of("a", name.clone()), json_of("b", name.clone())]));
        let error = both.resolve(&tag("v1")).unwrap_err().to_string();
        assert!(error.contains("points at both"), "{error}");
        both.tag(&entry("b"), &tag("v1")).unwrap();
        assert_eq!(both.resolve(&tag("v1")).unwrap(), Some(Digest::of(b"b")));
        let twice = index(json!([json_of("a", name.clone()), json_of("a", name.clone())]));
        assert_eq!(twice.resolve(&tag("v1")).unwrap(), Some(Digest::of(b"a")));
        let other = index(json!([{"digest": "sha512:00", "annotations": name}]));
        assert!(other.resolve(&tag("v1")).is_err());
    }

    #[test]
    fn what_is_no_index_says_why() {
        for (text, why) in [
            ("", "EOF"),
            ("{\"manifests\":[", "EOF"),
            ("[]", "not a JSON object"),
            ("{}", "`manifests` is not a list"),
            ("{\"manifests\":{}}", "`manifests` is not a list"),
            ("{\"schemaVersion\":1,\"manifests\":[]}", "`schemaVersion`"),
        ] {
            let error = IndexFile::parse(text.as_bytes()).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
        assert!(IndexFile::parse(b"{\"manifests\":null}").unwrap().is_empty());
    }
}
