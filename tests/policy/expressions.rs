//! No condition keeps a worker busy, whatever it says and whatever it is asked
//! of. What conditions mean is tested where they are.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sluicegate::model::policy::expression::{Expression, Input};

/// The costliest that could be found, on a statement of four megabytes: each
/// ends because its purse is empty, and soon.
#[test]
#[expect(clippy::print_stdout, reason = "the numbers are for whoever asks with --nocapture")]
fn no_expression_holds_a_worker() {
    let numbers: Vec<Value> = (0..500_000).map(|n| json!(n)).collect();
    let text = "ab".repeat(1 << 20);
    let records: Vec<Value> =
        (0..40_000).map(|n| json!({"name": format!("n{n}"), "v": n})).collect();
    let middle = "abé".repeat(50_000);
    let predicate = json!({"numbers": numbers, "text": text, "records": records, "middle": middle,
                           "lists": vec![vec![0; 1000]; 500]});
    let (statement, artifact) = (json!({"predicateType": "p"}), json!({"tag": "1"}));
    let many = vec!["a?"; 30].concat();
    let mut worst = Duration::ZERO;
    for (expression, ends) in [
        ("predicate.numbers.all(n, n in predicate.numbers)".to_owned(), false),
        ("predicate.numbers.all(n, predicate.numbers == predicate.numbers)".into(), false),
        ("predicate.numbers.map(n, predicate.text + 'x') == []".into(), false),
        ("predicate.numbers.map(n, predicate.numbers + [n]) == []".into(), false),
        ("predicate.numbers.map(n, [n, n, n, n, n, n, n, n]) == []".into(), false),
        ("predicate.numbers.map(n, {'a': n, 'b': n, 'c': n}) == []".into(), false),
        ("predicate.numbers.all(n, !predicate.text.contains('bb'))".into(), false),
        ("predicate.numbers.all(n, size(predicate.text) > 0)".into(), false),
        ("predicate.numbers.all(n, predicate.text.upperAscii() != '')".into(), false),
        ("predicate.numbers.all(n, !predicate.text.matches('(a|b)*c'))".into(), false),
        (format!("predicate.numbers.all(n, !predicate.text.matches('{many}[^x]*c$'))"), false),
        ("predicate.numbers.all(n, !predicate.text.matches('(.*a){8}.*c$'))".into(), false),
        ("predicate.numbers.all(n, !predicate.text.matches('([a-c]{1,40}c){1,4}$'))".into(), false),
        // Short patterns cost a step a byte, long ones and counted ones sixteen.
        (
            r"predicate.numbers.all(n, !predicate.text.matches('(\\w*\\w*\\w*\\w*\\w*)*-$'))"
                .into(),
            false,
        ),
        (
            "predicate.numbers.all(n, !predicate.text.matches('.*.*.*.*.*.*.*.*.*.*=$'))".into(),
            false,
        ),
        (
            "predicate.numbers.all(n, !predicate.text.matches('(a|ab|aba|b|ba)*(b|ab)*-'))".into(),
            false,
        ),
        (
            r"predicate.numbers.all(n, !predicate.middle.matches('(\\w*\\w*\\w*\\w*\\w*)*-$'))"
                .into(),
            false,
        ),
        (
            r"predicate.numbers.all(n, !predicate.middle.matches('([a-zé]*\\w{3}\\W*)*-$'))".into(),
            false,
        ),
        ("predicate.numbers.all(n, !predicate.middle.matches('[ab]*a[ab]{14}-'))".into(), false),
        (
            "predicate.numbers.all(n, !predicate.middle.matches('([a-é]{1,40}c){1,4}$'))".into(),
            false,
        ),
        (format!("predicate.numbers.all(n, !predicate.middle.matches('{many}[^x]*c$'))"), false),
        ("predicate.numbers.all(n, string(n) + string(n) != '')".into(), false),
        ("predicate.lists.all(l, l == predicate.lists[0])".into(), true),
        ("predicate.records.all(r, r.name.startsWith('n') && r.v >= 0)".into(), true),
        ("predicate.records.all(r, r.name.matches('^n[0-9]+$'))".into(), true),
        ("predicate.numbers.exists(n, n == -1) || size(predicate.numbers) == 500000".into(), true),
        (vec!["predicate == predicate"; 150].join(" && "), false),
    ] {
        let read = Expression::parse(&expression).unwrap();
        let input = Input { statement: &statement, predicate: &predicate, artifact: &artifact };
        let start = Instant::now();
        let answer = read.evaluate(input);
        let took = start.elapsed();
        worst = worst.max(took);
        println!("{took:>12.1?}  {}  {answer:?}", expression.chars().take(70).collect::<String>());
        match ends {
            true => assert!(answer.is_ok(), "{expression}: {answer:?}"),
            false => {
                assert!(answer.unwrap_err().to_string().contains("too many steps"), "{expression}")
            }
        }
    }
    // Unoptimised on a busy machine; optimised it is a fraction of a second.
    assert!(worst.as_secs() < 20, "{worst:?}");
}
