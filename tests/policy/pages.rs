//! The examples are policies, the schema is that of the code, and the page about
//! policies is made of the headers of the rules.

use sluicegate::{api::trust_policy::code, model::bundle::problem::Code};

use super::*;

fn overwrite() -> bool {
    std::env::var("SNAPSHOTS").is_ok_and(|action| action == "overwrite")
}

#[track_caller]
fn equals(path: &str, wanted: &str) {
    let path = root().join(path);
    if overwrite() {
        fs::write(&path, wanted).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(written, wanted, "{} differs; SNAPSHOTS=overwrite writes it", path.display());
}

fn schema() -> Value {
    serde_json::to_value(sluicegate::api::trust_policy::schema()).unwrap()
}

#[test]
fn the_schema_equals_the_code() {
    let text = serde_json::to_string_pretty(&sluicegate::api::trust_policy::schema()).unwrap();
    equals("schemas/trust-policy.schema.json", &(text + "\n"));
}

/// The examples load, keep to the schema, and are explained.
#[test]
fn examples_are_policies() {
    let shop = Shop::empty();
    let validator = jsonschema::draft202012::new(&schema()).unwrap();
    let mut count = 0;
    for entry in fs::read_dir(root().join("examples/policies")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        count += 1;
        let text = fs::read_to_string(&path).unwrap();
        let value: Value = serde_saphyr::from_str(&text).unwrap();
        let faults: Vec<String> = validator.iter_errors(&value).map(|e| e.to_string()).collect();
        assert!(faults.is_empty(), "{}: {faults:?}", path.display());
        let run = shop.run(&["policy", "check", path.to_str().unwrap(), "--strict"]).code(0);
        assert!(run.out.contains("an artifact is accepted when"), "{}", run.out);
    }
    assert_eq!(count, 3);
}

/// The schema knows each field that the reader knows, and refuses others.
#[test]
fn the_schema_refuses_what_does_not_exist() {
    let validator = jsonschema::draft202012::new(&schema()).unwrap();
    let text = good();
    let value: Value = serde_saphyr::from_str(&text).unwrap();
    assert!(validator.is_valid(&value));
    for (from, to) in [
        ("tag: match", "tag: other"),
        ("lock: pinned", "lok: pinned"),
        ("kind: TrustPolicy", "kind: Gate"),
        ("name: o", "nam: o"),
    ] {
        let value: Value = serde_saphyr::from_str(&text.replace(from, to)).unwrap();
        assert!(!validator.is_valid(&value), "{to}");
    }
}

fn good() -> String {
    policy(&obligation(&format!("statement: provenance\n{BY_A}\nlock: pinned\ntag: match")), "")
}

/// `SNAPSHOTS=overwrite` writes the page anew.
#[test]
fn the_page_is_made_of_the_code() {
    let mut page = String::from(INTRODUCTION);
    page.push_str("\n## Kinds of statements\n");
    for rule in ["signature", "provenance", "test_result", "verification_summary", "predicate"] {
        page.push_str(&section(&format!("src/model/policy/rule/{rule}.rs"), 3));
    }
    page.push_str("\n## Patterns and globs\n\n");
    page.push_str(&text(&header("src/model/policy/pattern.rs"), 1));
    page.push_str("\nIn a glob `*` is anything up to the next `/`, `**` anything at all, and nothing else has a meaning.\n");
    page.push_str("\n## Conditions\n\n");
    page.push_str(&text(&header("src/model/policy/expression/mod.rs"), 1));
    page.push_str(
        "\n## Problems\n\nWhat `policy check` reports, by name.\n\n| name | meaning |\n|---|---|\n",
    );
    for (Code(name), meaning) in code::ALL {
        page.push_str(&format!("| <a id=\"{name}\"></a>`{name}` | {meaning} |\n"));
    }
    equals("docs/policy.md", &page);
}

const INTRODUCTION: &str = "\
<!-- Made of the code by tests/policy/pages.rs; SNAPSHOTS=overwrite writes it anew. -->

# TrustPolicy

What must be known about a digest before it may run. The same YAML is read by `sluicegate verify --policy FILE`,
`sluicegate pull --policy FILE` and, later, by the cluster. Its JSON Schema is
[schemas/trust-policy.schema.json](../schemas/trust-policy.schema.json); complete ones are in
[examples/policies](../examples/policies/strict-key.yaml). What the words mean is in [trust.md](trust.md).

Every obligation of `spec.require` must be met. An obligation is a statement, or `any` or `all` of others, nested at most
two levels deep. All that it says must hold of one and the same statement:

- `signers`: who may sign it. `key` (`pem`, `file` relative to the policy, or `secretRef`), `identity` (`issuer` or
  `issuerPattern`, and `subject` or `subjectPattern`), `githubActions` (`repository`, `workflow`, `ref`; `builder`,
  `repositoryId`, `server`, `issuer`, `events`) or `gitlab` (`project`, `ref`; `server`, `config`). `validFrom` and
  `validUntil` are judged at the verified time of signing, else now.
- `threshold`: how many of the entries must be met, each by a signer of its own; 1 unless said otherwise.
- `maxAge`, such as `720h`: counted from the time that a log or a timestamp verifies, else from the time that the
  statement claims; with neither it does not count. Signed with a key, a statement must claim a time: anybody can have
  an old signature of a key stamped again.
- `where`: conditions in CEL.

`statement` is one of the words below, or a predicate type: an absolute URI, compared exactly. `statement: promotion` is
not supported yet.

`spec.trustedRoot` (`file` or `secretRef`) names who vouches for identities; without it they are judged by the
public-good root that the program carries. A `secretRef` in a file needs `--secret NAME=DIR`, the directory with the
Secret's files.

A policy with anything wrong does not load: `sluicegate policy check` names every problem at once, with line and column,
and says in sentences what a good one demands. `sluicegate policy init` writes a first one from what an artifact
carries, `sluicegate policy test` tries policies on artifacts before they are enforced.
";

/// The `//!` header of a file.
fn header(path: &str) -> Vec<String> {
    let source = fs::read_to_string(root().join(path)).unwrap();
    let lines = source.lines().map_while(|line| line.strip_prefix("//!"));
    lines.map(|line| line.strip_prefix(' ').unwrap_or(line).to_owned()).collect()
}

/// A header as a section: its first line is the title and a sentence.
fn section(path: &str, level: usize) -> String {
    let lines = header(path);
    let (title, rest) = lines[0].split_once(": ").unwrap_or((&lines[0], ""));
    let title = match lines[0].strip_prefix("`statement: ") {
        // A title in angle brackets would be taken for HTML.
        Some("<URI>`: any statement of that predicate type.") => "Any predicate type".to_owned(),
        Some(after) => after.split('`').next().unwrap().to_owned(),
        None => title.to_owned(),
    };
    let rest = lines[0].split_once("`: ").map_or(rest, |(_, after)| after);
    let mut first = rest.to_owned();
    if let Some(letter) = first.get(..1) {
        first = format!("{}{}", letter.to_uppercase(), &rest[1..]);
    }
    format!("\n{} {title}\n\n{first}\n{}", "#".repeat(level), text(&lines, 1))
}

/// The lines of a header from `from`, links to code taken for plain code.
fn text(lines: &[String], from: usize) -> String {
    let line = |line: &String| line.replace("[`", "`").replace("`]", "`") + "\n";
    let mut text: String = lines.iter().skip(from).map(line).collect();
    if let Some(rest) = text.strip_prefix('\n')
        && from == 1
        && !lines[0].starts_with('`')
    {
        text = rest.to_owned();
    }
    text
}
