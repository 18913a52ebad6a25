//! What expressions mean, compared with the `cel` crate, and what is refused.
//! That none takes long is measured in `tests/policy/expressions.rs`.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn statement() -> Value {
    json!({"_type": "https://in-toto.io/Statement/v1", "predicateType": "https://x.example/p",
           "subject": [{"name": "shop", "digest": {"sha256": "abc"}}]})
}

fn predicate() -> Value {
    json!({
        "name": "shop", "count": 3, "ratio": 0.5, "whole": 3.0, "none": null, "yes": true,
        "when": "2026-03-01T10:00:00Z", "big": 9_007_199_254_740_993_i64,
        "tags": ["1.4.0", "latest"], "numbers": [1, 2, 3, 2], "empty": [], "map": {"a": 1, "b": 2},
        "packages": [{"name": "zlib", "license": "Zlib", "score": 7},
                     {"name": "openssl", "license": "Apache-2.0", "score": 9.5}],
    })
}

fn artifact() -> Value {
    json!({"digest": "sha256:abc", "tag": "1.4.0", "annotations": {"a/b": "c"},
           "reference": "oci://registry.example/shop"})
}

fn evaluate(text: &str) -> Result<bool, ExpressionError> {
    let (statement, predicate, artifact) = (statement(), predicate(), artifact());
    let input = Input { statement: &statement, predicate: &predicate, artifact: &artifact };
    Expression::parse(text)?.evaluate(input)
}

/// A value as the `cel` crate has it. Its own conversion makes every number that
/// is not negative unsigned, so that `predicate.count + 1` has no overload.
fn foreign(value: &Value) -> cel::Value {
    match value {
        Value::Null => cel::Value::Null,
        Value::Bool(value) => cel::Value::Bool(*value),
        Value::Number(number) => match number.as_i64() {
            Some(number) => cel::Value::Int(number),
            None => cel::Value::Float(number.as_f64().unwrap()),
        },
        Value::String(text) => cel::Value::String(std::sync::Arc::new(text.clone())),
        Value::Array(entries) => {
            cel::Value::List(std::sync::Arc::new(entries.iter().map(foreign).collect()))
        }
        Value::Object(entries) => {
            let entries = entries.iter().map(|(key, value)| (key.clone(), foreign(value)));
            entries.collect::<std::collections::HashMap<_, _>>().into()
        }
    }
}

/// What the `cel` crate says; `None` for an error and for anything but a
/// boolean.
fn reference(text: &str) -> Option<bool> {
    let program = cel::Program::compile(text).ok()?;
    let mut context = cel::Context::default();
    let mut whole = statement();
    whole["predicate"] = predicate();
    for (name, value) in
        [("statement", whole), ("predicate", predicate()), ("artifact", artifact())]
    {
        context.add_variable_from_value(name, foreign(&value));
    }
    match program.execute(&context) {
        Ok(cel::Value::Bool(answer)) => Some(answer),
        _ => None,
    }
}

/// Expressions that both must answer alike.
const ALIKE: [&str; 91] = [
    "true",
    "false",
    "1 == 1.0",
    "1 < 2 && 2 <= 2",
    "'a' < 'b'",
    "predicate.name == 'shop'",
    "predicate.name != \"shop\"",
    "predicate.count == 3",
    "predicate.count > 2.5",
    "predicate.whole == 3",
    "predicate.none == null",
    "predicate.yes",
    "!predicate.yes",
    "!!predicate.yes",
    "-predicate.count == -3",
    "--predicate.count == 3",
    "predicate.count + 1 == 4",
    "predicate.count * 2 - 1 == 5",
    "7 / 2 == 3",
    "-7 / 2 == -3",
    "-7 % 2 == -1",
    "1.0 / 2.0 == predicate.ratio",
    "predicate.big == 9007199254740993",
    "predicate.absent == 1",
    "has(predicate.absent)",
    "has(predicate.name)",
    "has(predicate.map.a)",
    "has(predicate.map.z)",
    "has(predicate.absent.more)",
    "has(predicate.absent) && predicate.absent == 1",
    "predicate.absent == 1 && false",
    "false && predicate.absent == 1",
    "predicate.absent == 1 || true",
    "true || predicate.absent == 1",
    "predicate.absent == 1 || false",
    "'a' || true",
    "predicate.count",
    "predicate.name",
    "predicate.name == 1",
    "predicate.map == {'a': 1, 'b': 2}",
    "predicate.map == {'b': 2, 'a': 1}",
    "predicate.map == {'a': 1}",
    "predicate.map == {'a': 1, 'c': 2}",
    "{'a': [1]} == {'a': [1.0]}",
    "predicate.tags == ['1.4.0', 'latest']",
    "predicate.tags != ['latest', '1.4.0']",
    "predicate.tags[0] == '1.4.0'",
    "predicate.tags[2] == 'x'",
    "predicate.tags[-1] == 'x'",
    "predicate['name'] == 'shop'",
    "predicate['absent'] == 'shop'",
    "predicate.map['b'] == 2",
    "'latest' in predicate.tags",
    "'x' in predicate.tags",
    "'a' in predicate.map",
    "'z' in predicate.map",
    "2 in predicate.numbers",
    "2.0 in predicate.numbers",
    "1 in {1: 'x'}",
    "{1: 'x'}[1] == 'x'",
    "predicate.packages.all(p, p.license != 'GPL-3.0')",
    "predicate.packages.all(p, p.score > 8)",
    "predicate.packages.exists(p, p.name == 'zlib')",
    "predicate.packages.exists(p, p.name == 'x')",
    "predicate.packages.exists(p, p.absent == 1 || p.name == 'zlib')",
    "predicate.packages.all(p, p.absent == 1)",
    "predicate.packages.exists_one(p, p.score > 8)",
    "predicate.numbers.exists_one(n, n == 2)",
    "predicate.packages.map(p, p.name) == ['zlib', 'openssl']",
    "predicate.numbers.filter(n, n > 1) == [2, 3, 2]",
    "predicate.numbers.map(n, n > 1, n * 2) == [4, 6, 4]",
    "predicate.map.all(k, k in ['a', 'b'])",
    "predicate.empty.all(x, false)",
    "predicate.empty.exists(x, true)",
    "size(predicate.tags) == 2",
    "predicate.tags.size() == 2",
    "size('ünï') == 3",
    "size(predicate.map) == 2",
    "predicate.name.startsWith('sh')",
    "predicate.name.endsWith('op')",
    "predicate.name.contains('ho')",
    "predicate.name.matches('^sh.p$')",
    "predicate.name.matches('h')",
    "predicate.name + 's' == 'shops'",
    "predicate.empty + [1] == [1]",
    "string(3) == '3'",
    "int('3') == 3 && int(3.9) == 3",
    "double('0.5') == predicate.ratio",
    "predicate.count > 2 ? true : predicate.absent",
    "statement.predicate.name == 'shop' && statement['predicate']['count'] == 3",
    "statement.subject[0].digest.sha256 == 'abc' && artifact.annotations['a/b'] == 'c'",
];

#[test]
fn it_means_what_cel_means() {
    for text in ALIKE {
        assert_eq!(evaluate(text).ok(), reference(text), "{text}: {:?}", evaluate(text));
    }
    let answered = ALIKE.iter().filter(|text| evaluate(text).is_ok()).count();
    assert!(answered > 70, "only {answered} say something");
}

/// Where we go further than the `cel` crate without `chrono`, or apart from it.
#[test]
fn times_lengths_and_texts() {
    for (text, wanted) in [
        ("timestamp(predicate.when) > timestamp('2026-01-01T00:00:00Z')", true),
        ("timestamp(predicate.when) - timestamp('2026-03-01T09:00:00Z') == duration('1h')", true),
        ("timestamp(predicate.when) + duration('24h') < timestamp('2026-03-02T00:00:00Z')", false),
        ("duration('1h30m') > duration('90m')", false),
        // Exact, where the `cel` crate loses the last bit.
        ("predicate.big == 9007199254740992.0", false),
        ("predicate.name.upperAscii() == 'SHOP' && 'AbÜ'.lowerAscii() == 'abÜ'", true),
        (r"'a\tb\x41\u00e9\'' == 'a	bAé\'' && r'\d' == '\\d'", true),
        ("'''a\nb''' == 'a\\nb' && \"\"\"'\"\"\" == '\\''", true),
        ("0x1F == 31 && 1e3 == 1000.0 && -9223372036854775808 < 0 // the end", true),
    ] {
        assert_eq!(evaluate(text), Ok(wanted), "{text}");
    }
}

#[test]
fn what_has_no_answer_says_why() {
    for (text, part) in [
        ("predicate.absent", "there is no `absent`"),
        ("predicate.name", "a string, not a boolean"),
        ("predicate.name.absent", "`.absent` of a string"),
        ("predicate.count && true", "an integer where a boolean belongs"),
        ("predicate.count < 'a'", "an integer and a string have no order"),
        ("predicate.count / 0 == 1", "division by zero"),
        ("9223372036854775807 + 1 > 0", "too large"),
        ("predicate.count + 0.5 > 1.0", "does not take an integer and a number"),
        ("'a' in 'abc'", "`in` does not take a string"),
        ("size(1) == 1", "`size` does not take an integer"),
        ("timestamp('x') == timestamp('x')", "`timestamp` of a text"),
        ("duration('1d') == duration('1d')", "not a duration"),
        // 1, followed by more than is read.
        (&format!("int('{}1000') == 1", "0".repeat(63)), "`int` of a text"),
        ("predicate.count.all(x, true)", "does not take an integer"),
        ("{'a': 1, 'a': 2} == {}", "twice"),
        ("{1.5: 1} == {}", "as a key"),
    ] {
        let error = evaluate(text).unwrap_err().to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
}

#[test]
fn what_is_refused_before_it_is_asked() {
    for (text, part) in [
        ("", "expected a value, found the end"),
        ("true true", "expected the end"),
        ("a == 1", "`a` is not known here; expected `statement`"),
        ("now() < timestamp('x')", "no function `now`"),
        ("predicate.name.size(1)", "`size` takes other arguments"),
        ("contains(predicate.name, 'a')", "write `x.contains(…)`"),
        ("predicate.name.int()", "write `int(x)`"),
        ("http.get('x')", "`http` is not known"),
        ("predicate.a.all(x, predicate.b.all(y, y == x))", "inside the body of another"),
        ("predicate.a.map(x, [x].map(y, y)) == []", "inside the body of another"),
        ("predicate.a.all(x, y)", "`y` is not known"),
        ("predicate.a.all(in, true)", "cannot name an entry"),
        ("predicate.a.all(x)", "expected `,`"),
        ("predicate.name.matches(predicate.name)", "written out"),
        ("predicate.name.matches('(')", "the pattern is refused"),
        ("predicate.name.matches('(a{1000}){1000}')", "the pattern is refused"),
        ("predicate.name.matches('a(?=b)')", "the pattern is refused"),
        ("has(predicate)", ""),
        ("has(predicate['a'])", "`has` asks for a field"),
        ("b'x' == b'x'", "bytes are not supported"),
        ("1u == 1u", "leave the `u` out"),
        ("type(1) == int", "no function `type`"),
        ("'a", "does not end"),
        (r"'\q'", "escape"),
        (r"'\ud800'", "escape"),
        ("1 = 1", "expected the end"),
        ("predicate.a; true", "expected the end"),
        ("predicate.@a", "`@` has no meaning"),
        ("99999999999999999999 > 1", "too large"),
        ("9223372036854775808 > 1", "too large"),
        ("Msg{a: 1}", "`Msg` is not known"),
        (&"(".repeat(60), "nests too deeply"),
        (&format!("{}true", "!(".repeat(60)), "nests too deeply"),
        (&format!("predicate{}", ".a".repeat(100)), "nests too deeply"),
        (&format!("1{} > 0", " + 1".repeat(100)), "nests too deeply"),
        (&format!("'{}' == ''", "a".repeat(MAX_LENGTH)), "at most 4096"),
    ] {
        match Expression::parse(text) {
            Ok(_) => assert_eq!(part, "", "{text} is read"),
            Err(error) => assert!(error.0.contains(part), "{text}: {error}"),
        }
    }
    let long = vec!["predicate.yes"; 200].join(" && ");
    assert_eq!(evaluate(&long), Ok(true), "a long conjunction is not a deep one");
}

/// A failed comparison does not count as an answer once the purse is empty.
#[test]
fn an_empty_purse_is_no_answer() {
    let numbers: Vec<Value> = (0..3_000_000).map(|n| json!(n)).collect();
    let predicate = json!({"a": numbers.clone(), "b": numbers});
    let (statement, artifact) = (statement(), artifact());
    for expression in [
        "predicate.a == predicate.b && predicate.b == predicate.a || true",
        "{'x': predicate.a, 'y': predicate.a} != {'x': predicate.b, 'y': predicate.b}",
        "predicate.a.all(n, predicate.a == predicate.b) || true",
        "predicate.a.exists(n, predicate.a != predicate.b) || true",
        "!(predicate.a.all(n, n >= 0) && predicate.a.all(n, n >= 0) && predicate.a == predicate.b)",
    ] {
        let read = Expression::parse(expression).unwrap();
        let input = Input { statement: &statement, predicate: &predicate, artifact: &artifact };
        assert!(read.evaluate(input).is_err(), "{expression}");
    }
}

/// Words from which expressions are made up.
const WORDS: [&str; 48] = [
    "predicate",
    "statement",
    "artifact",
    ".",
    "name",
    "count",
    "tags",
    "numbers",
    "packages",
    "map",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    "?",
    "&&",
    "||",
    "!",
    "-",
    "+",
    "*",
    "/",
    "%",
    "==",
    "!=",
    "<",
    ">=",
    "in",
    "true",
    "false",
    "null",
    "0",
    "1",
    "2.5",
    "'a'",
    "'shop'",
    "has(",
    "size(",
    ".all(x,",
    ".map(x,",
    ".filter(x,",
    ".exists(x,",
    "x",
    ".matches('a')",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        let _ = evaluate(&text);
    }

    #[test]
    fn no_words_make_it_panic(words in proptest::collection::vec(0..WORDS.len(), 0..24)) {
        let text: Vec<&str> = words.into_iter().map(|at| WORDS[at]).collect();
        let _ = evaluate(&text.join(" "));
    }

    /// Whatever both answer, they answer alike.
    #[test]
    fn it_means_what_cel_means_whatever_it_is(parts in proptest::collection::vec((0..ALIKE.len(), 0..4_usize), 1..4)) {
        let mut text = String::from("true");
        for (at, join) in parts {
            let (open, close) = [(" && (", ")"), (" || (", ")"), (" == (", ")"), (" && !(", ")")][join];
            text = format!("({text}{open}{}{close})", ALIKE[at]);
        }
        prop_assert_eq!(evaluate(&text).ok(), reference(&text), "{}", text);
    }
}
