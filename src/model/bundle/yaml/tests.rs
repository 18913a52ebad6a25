#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use super::*;

fn parse(text: &str) -> Result<Vec<Document<'_>>, YamlError> {
    documents(text).collect()
}

/// The tree as JSON text, to compare at a glance.
fn json(node: Node<'_>) -> String {
    match node.kind() {
        Kind::Null => "null".into(),
        Kind::Bool(value) => value.to_string(),
        Kind::Int | Kind::Float => scalar::value(node.scalar().unwrap_or_default())
            .map_or("?".into(), |value| value.to_string()),
        Kind::Str | Kind::Merge | Kind::Alias => format!("{:?}", node.scalar().unwrap_or_default()),
        Kind::Seq => format!("[{}]", node.items().map(json).collect::<Vec<_>>().join(",")),
        Kind::Map { .. } => {
            let entry =
                |(key, value): (Node<'_>, Node<'_>)| format!("{:?}:{}", key.key(), json(value));
            format!("{{{}}}", node.entries().map(entry).collect::<Vec<_>>().join(","))
        }
    }
}

fn all(text: &str) -> String {
    let documents = parse(text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
    documents.iter().map(|document| json(document.root())).collect::<Vec<_>>().join(" ")
}

#[test]
fn trees() {
    for (text, wanted) in [
        ("", ""),
        ("# only a comment\n", ""),
        ("---\n---\na: 1\n", "null {\"a\":1}"),
        ("a: b\nc: [1, 'x', {d: e}]\n", r#"{"a":"b","c":[1,"x",{"d":"e"}]}"#),
        ("a: |\n  x\n  y\nb: >-\n  x\n  y\n", r#"{"a":"x\ny\n","b":"x y"}"#),
        ("a: \"q\\n\\u00fc\"\nb: 'it''s'\n", r#"{"a":"q\nü","b":"it's"}"#),
        ("{\"a\":{\"b\":[true,null,1.5,\"\\/\"]}}", r#"{"a":{"b":[true,null,1.5,"/"]}}"#),
        ("{\n\t\"a\": [\n\t\t1\n\t]\n}\n", r#"{"a":[1]}"#),
        ("on: 1\n0x10: 2\ntrue: 3\n", "!dup"),
        ("on: 1\n0x10: 2\n", r#"{"true":1,"16":2}"#),
        ("a: &x {k: 1, l: 2}\nb: *x\n", r#"{"a":{"k":1,"l":2},"b":{"k":1,"l":2}}"#),
        ("a: &x {k: 1, l: 2}\nb: {k: 9, <<: *x}\n", r#"{"a":{"k":1,"l":2},"b":{"k":9,"l":2}}"#),
        (
            "a: &x {k: 1}\nb: &y {k: 2, m: 3}\nc:\n  <<: [*x, *y]\n  z: 0\n",
            r#"{"a":{"k":1},"b":{"k":2,"m":3},"c":{"z":0,"k":1,"m":3}}"#,
        ),
        (
            "a: &x {k: 1}\nb: &y {<<: *x, m: 2}\nc: {<<: *y}\n",
            r#"{"a":{"k":1},"b":{"m":2,"k":1},"c":{"m":2,"k":1}}"#,
        ),
        ("a: \"<<\"\n\"<<\": {x: 1}\n", r#"{"a":"<<","<<":{"x":1}}"#),
        ("a: !!str 5\nb: !custom 5\nc: !!int '5'\nd: ! 5\n", r#"{"a":"5","b":"5","c":5,"d":"5"}"#),
        ("a:\nb: ~\nc: ''\n", r#"{"a":null,"b":null,"c":""}"#),
        ("%YAML 1.1\n---\na: yes\n...\n", r#"{"a":true}"#),
    ] {
        if wanted == "!dup" {
            assert!(matches!(parse(text).unwrap_err().fault, Fault::DuplicateKey { .. }), "{text}");
            continue;
        }
        assert_eq!(all(text), wanted, "{text}");
    }
    let bytes = b"\xef\xbb\xbfa: 1\n";
    assert_eq!(all(text(bytes).unwrap()), r#"{"a":1}"#);
}

#[test]
fn faults_have_positions() {
    for (text, fault, line) in [
        ("a: 1\nb: [1, 2\nc: 3\n", "not valid YAML", 3),
        ("a: 1\n b: 2\n", "not valid YAML", 2),
        ("a: 1\nb: 2\na: 3\n", "the key `a` is written twice, first on line 1", 3),
        ("? [a]\n: 1\n", "a key of a mapping is a sequence", 1),
        ("~: 1\n", "a key of a mapping is null", 1),
        ("a: &x [*x]\n", "an alias refers to a node that contains it", 1),
        ("a: *nowhere\n", "not valid YAML", 1),
        ("a: 1\nb:\n  <<: 5\n", "`<<` merges a number", 3),
        ("a: 1\nb: .nan\n", "infinity and NaN", 2),
        ("a: !!int x\n", "does not fit its tag `!!int`", 1),
        ("a: \u{1}\n", "not valid YAML", 1),
        ("a: @b\n", "not valid YAML", 1),
        ("{\"a\":1,\n\"a\":2}", "written twice", 2),
    ] {
        let error = parse(text).expect_err(text);
        let message = error.to_string();
        assert!(message.contains(fault), "{text:?}: {message}");
        assert_eq!(source::Source::new(text).line(error.at.start), line, "{text:?}: {message}");
    }
    assert_eq!(text(b"a: \xff").unwrap_err().at, 3..3);
    let many = (0..50).map(|i| format!("k{i}: {i}\n")).collect::<String>() + "k7: 1\n";
    assert!(
        parse(&many).unwrap_err().to_string().contains("`k7` is written twice, first on line 8")
    );
}

#[test]
fn a_broken_document_does_not_hide_the_next() {
    let found: Vec<bool> =
        documents("a: [\n---\nb: 1\n---\nc: 1\nc: 2\n---\nd: 1\n").map(|d| d.is_ok()).collect();
    assert_eq!(found, [false, true, false, true]);
}

#[test]
fn bombs_are_refused() {
    let mut bomb = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for level in 1..9 {
        let below = vec![format!("*a{}", level - 1); 10].join(",");
        bomb.push_str(&format!("a{level}: &a{level} [{below}]\n"));
    }
    assert_eq!(parse(&bomb).unwrap_err().fault, Fault::Aliases);

    let mut ladder = String::from("a0: &a0 [x]\n");
    for level in 1..300 {
        ladder.push_str(&format!("a{level}: &a{level} [*a{}]\n", level - 1));
    }
    assert_eq!(parse(&ladder).unwrap_err().fault, Fault::Depth);

    let mut merges = String::from("a0: &a0 {x: 1}\n");
    for level in 1..300 {
        merges.push_str(&format!("a{level}: &a{level} {{<<: *a{}}}\n", level - 1));
    }
    assert_eq!(parse(&merges).unwrap_err().fault, Fault::Depth);

    for depth in [129, 1000, 200_000] {
        let deep = "[".repeat(depth) + &"]".repeat(depth);
        assert!(parse(&deep).is_err(), "{depth}");
        let block =
            (0..depth.min(2000)).map(|d| format!("{}a:\n", " ".repeat(d))).collect::<String>();
        assert!(parse(&block).is_err(), "{depth}");
    }
    let fits = "[".repeat(MAX_DEPTH) + &"]".repeat(MAX_DEPTH);
    assert!(parse(&fits).is_ok());
    let mut few = documents("[1, 2, 3]");
    few.max_nodes = 3;
    assert_eq!(few.next().unwrap().unwrap_err().fault, Fault::Nodes);
}

#[test]
fn ranges_cover_what_is_written() {
    let text = "a:\n  b: \"x y\"\n  c: [1, 2]\nd: &k v\ne: *k\n";
    let documents = parse(text).unwrap();
    let root = documents[0].root();
    let at = |path: &[&str]| text.get(root.at(path).unwrap().range()).unwrap();
    assert_eq!(at(&["a"]), "b: \"x y\"\n  c: [1, 2]");
    assert_eq!(at(&["a", "b"]), "\"x y\"");
    assert_eq!(at(&["a", "c"]), "[1, 2]");
    assert_eq!(at(&["e"]), "*k");
    assert_eq!(root.str_at(&["e"]), Some("v"));
    assert_eq!(root.str_at(&["a"]), None);
    assert_eq!(root.get("nothing").map(Node::kind), None);
}

/// The scalars of serde-saphyr, whose reading the API types of this program
/// use, against those of this module: the same, but for the rows that say why.
#[test]
fn scalars_agree_with_serde_saphyr() {
    let options = serde_saphyr::options! { legacy_octal_numbers: true };
    for text in [
        "yes",
        "no",
        "on",
        "off",
        "y",
        "n",
        "Y",
        "OFF",
        "true",
        "False",
        "~",
        "null",
        "",
        "0644",
        "0o17",
        "0x1F",
        "1_000",
        "12",
        "-3",
        "1.10",
        "6.5.0",
        "1e3",
        ".5",
        "12:30:45",
        "2001-12-14",
        "v1",
        "10m",
        "'5'",
        "\"yes\"",
        "0b101",
        "1.",
        "+12",
        "18446744073709551615",
    ] {
        let source = format!("k: {text}\n");
        let theirs: serde_json::Value =
            serde_saphyr::from_str_with_options(&source, options.clone()).expect(text);
        let documents = parse(&source).unwrap();
        let ours: serde_json::Value = serde_json::from_str(&json(documents[0].root())).expect(text);
        let number = |value: &serde_json::Value| value.as_f64();
        let (ours, theirs) = (&ours["k"], &theirs["k"]);
        assert!(
            ours == theirs || (number(ours).is_some() && number(ours) == number(theirs)),
            "{text}: {ours} {theirs}"
        );
    }
}
