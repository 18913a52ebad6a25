//! Kubernetes objects as canonical values: what two bundles are compared by.
//!
//! Keys are sorted, comments, anchors and the style of scalars are gone, and
//! the items of a `List` stand alone, so that equal objects are equal whatever
//! the hand that wrote them. It never judges; what is no object is only counted
//! as being there.

use serde_json::{Map, Number, Value};

use super::{
    check,
    object::{ObjectId, group},
    yaml::{self, Kind, Node, scalar},
};

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Contents {
    /// Its objects, in their order.
    pub objects: Vec<Canonical>,
    /// Whether it holds something else as well: other documents, or text that
    /// is no YAML.
    pub other: bool,
}

/// An object in canonical form.
#[derive(Debug, Clone, PartialEq)]
pub struct Canonical {
    /// What identifies it.
    pub id: ObjectId,
    /// Its `apiVersion`.
    pub api_version: String,
    /// The object, with sorted keys.
    pub value: Value,
}

/// Reads a file.
pub fn read(bytes: &[u8]) -> Contents {
    let mut contents = Contents::default();
    let Ok(text) = yaml::text(bytes) else {
        return Contents { other: true, ..contents };
    };
    for document in yaml::documents(text) {
        match document {
            Ok(document) if document.root().is_null() => {}
            Ok(document) => add(document.root(), &mut contents),
            Err(_) => contents.other = true,
        }
    }
    contents
}

fn add(node: Node<'_>, contents: &mut Contents) {
    if check::is_list(node) {
        let items = node.get("items").into_iter().flat_map(Node::items);
        items.for_each(|item| add(item, contents));
        // What else is in an object that only happens to have `items`.
        contents.other |= !node.str_at(&["kind"]).is_some_and(|kind| kind.ends_with("List"));
        return;
    }
    match identified(node) {
        Some(canonical) => contents.objects.push(canonical),
        None => contents.other = true,
    }
}

fn identified(node: Node<'_>) -> Option<Canonical> {
    let text = |path: &[&str]| node.str_at(path).filter(|text| !text.is_empty());
    let api_version = text(&["apiVersion"])?;
    let id = ObjectId {
        group: group(api_version).to_owned(),
        kind: text(&["kind"])?.to_owned(),
        namespace: text(&["metadata", "namespace"]).unwrap_or_default().to_owned(),
        name: text(&["metadata", "name"])?.to_owned(),
    };
    Some(Canonical { id, api_version: api_version.to_owned(), value: value(node) })
}

/// The value of a node. The reader bounds how deep it is and how much its
/// aliases expand to.
fn value(node: Node<'_>) -> Value {
    match node.kind() {
        Kind::Null => Value::Null,
        Kind::Bool(truth) => Value::Bool(truth),
        Kind::Int | Kind::Float => number(node.scalar().unwrap_or_default()),
        Kind::Str | Kind::Merge | Kind::Alias => node.scalar().unwrap_or_default().into(),
        Kind::Seq => node.items().map(value).collect(),
        Kind::Map { .. } => {
            let mut entries: Vec<(String, Value)> =
                node.entries().map(|(key, entry)| (key.key().into_owned(), value(entry))).collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(entries.into_iter().collect::<Map<_, _>>())
        }
    }
}

/// A number as JSON has it; one that JSON has not, as it is written.
fn number(text: &str) -> Value {
    let integer = scalar::integer_key(text);
    let whole = integer.parse::<i64>().map(Number::from).ok();
    let whole = whole.or_else(|| integer.parse::<u64>().map(Number::from).ok());
    whole
        .or_else(|| scalar::value(text).and_then(Number::from_f64))
        .map_or_else(|| Value::from(text), Value::Number)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests {
    use super::*;

    const ONE: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: ns}\n\
                       data: {b: '1', a: x}\n";

    #[test]
    fn how_it_is_written_does_not_matter() {
        let other = "# a comment\nkind: \"ConfigMap\"\ndata:\n  a: &x x\n  b: \"1\"\n\
                     metadata:\n  namespace: ns\n  name: a\napiVersion: v1\n";
        assert_eq!(read(ONE.as_bytes()), read(other.as_bytes()));
        let json = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"ns"},
                       "data":{"b":"1","a":"x"}}"#;
        assert_eq!(read(ONE.as_bytes()), read(json.as_bytes()));
    }

    #[test]
    fn a_string_is_no_number() {
        let with = |value: &str| read(ONE.replace("'1'", value).as_bytes());
        assert_ne!(with("1"), with("'1'"));
        assert_eq!(with("0x10"), with("16"));
        assert_eq!(with("18446744073709551615").objects.len(), 1);
        assert_eq!(with("1e400").objects.len() + usize::from(with("1e400").other), 1);
    }

    #[test]
    fn the_items_of_a_list_stand_alone() {
        let list = "apiVersion: v1\nkind: List\nitems:\n\
                    - {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n\
                    - {apiVersion: v1, kind: Service, metadata: {name: b}}\n- {no: object}\n";
        let contents = read(list.as_bytes());
        let names: Vec<_> = contents.objects.iter().map(|o| o.id.to_string()).collect();
        assert_eq!(names, ["ConfigMap a", "Service b"]);
        assert!(contents.other);
    }

    #[test]
    fn whatever_is_expanded_when_it_is_applied_is_expanded() {
        let items = "items:\n- {apiVersion: v1, kind: Secret, metadata: {name: s}}\n";
        for (head, other) in [
            ("apiVersion: v1\nkind: List\nmetadata: {name: x}\n", false),
            ("apiVersion: v1\nkind: SecretList\nmetadata: {name: x}\n", false),
            ("kind: List\n", false),
            ("apiVersion: x/v1\nkind: Bundle\nmetadata: {name: x}\n", true),
        ] {
            let contents = read(format!("{head}{items}").as_bytes());
            let ids: Vec<_> = contents.objects.iter().map(|o| o.id.to_string()).collect();
            assert_eq!((ids, contents.other), (vec!["Secret s".to_owned()], other), "{head}");
        }
        let object = "apiVersion: x/v1\nkind: AllowList\nmetadata: {name: x}\nspec: {}\n";
        assert_eq!(read(object.as_bytes()).objects.len(), 1);
        let object = "apiVersion: x/v1\nkind: Menu\nmetadata: {name: x}\nitems: [tea]\n";
        assert_eq!(read(object.as_bytes()).objects.len(), 1);
    }

    #[test]
    fn what_is_no_object_is_known_to_be_there() {
        for text in ["a: 1\n", "- 1\n", "{{ x }}\n", "kind: X\napiVersion: v1\n"] {
            assert_eq!(read(text.as_bytes()), Contents { other: true, ..Contents::default() });
        }
        assert_eq!(read(b"---\n---\n# nothing\n"), Contents::default());
        assert!(read(b"\xff").other);
        assert!(read(format!("{ONE}---\nvalues: 1\n").as_bytes()).other);
    }
}
