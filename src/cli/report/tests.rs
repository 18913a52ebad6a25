use super::*;
use crate::model::bundle::{object::ObjectId, path::RelPath, problem::Code};

fn place(start: (u32, u32), end: (u32, u32), first_line: u32, lines: &[&str]) -> Place {
    let at = |(line, column)| Position { line, column };
    Place {
        start: at(start),
        end: at(end),
        path: "spec.chart.spec.version".into(),
        lines: lines.iter().map(|line| (*line).to_owned()).collect(),
        first_line,
    }
}

fn release() -> ObjectId {
    ObjectId {
        group: "helm.toolkit.fluxcd.io".into(),
        kind: "HelmRelease".into(),
        namespace: "shop".into(),
        name: "web".into(),
    }
}

fn sample() -> Vec<Problem> {
    let file = |path| RelPath::new(path).unwrap();
    vec![
        Problem::error(Code("empty"), "the bundle has no objects"),
        Problem::warning(Code("chart-version"), "chart `podinfo` has a range")
            .hint("write an exact version")
            .in_file(&file("apps/web.yaml"))
            .at(place(
                (8, 16),
                (8, 19),
                6,
                &["    spec:", "      chart: podinfo", "      version: 6.x", "  values:"],
            ))
            .about(&release()),
        Problem::error(Code("kustomization-resource"), "`é 100%, a:b` does not exist")
            .in_file(&file("apps/a b.yaml"))
            .at(place((2, 5), (4, 1), 1, &["resources:", "  - é 100%, a:b"])),
        Problem::error(Code("file-size"), "larger than 8 MiB").in_file(&file("big.yaml")),
    ]
}

#[test]
fn text_points_at_the_source() {
    let shown = text(&sample(), "./config/", Look::default());
    assert_eq!(
        shown,
        "\
error[kustomization-resource]: `é 100%, a:b` does not exist
 --> ./config/apps/a b.yaml:2:5
  |
2 |   - é 100%, a:b
  |     ^^^^^^^^^^^

warning[chart-version]: chart `podinfo` has a range
 --> ./config/apps/web.yaml:8:16
  |
8 |       version: 6.x
  |                ^^^
  |
  = hint: write an exact version

error[file-size]: larger than 8 MiB
--> ./config/big.yaml

error[empty]: the bundle has no objects
--> ./config/

3 errors, 1 warning
"
    );
    assert_eq!(text(&[], "config", Look::default()), "");
}

#[test]
fn the_order_of_discovery_does_not_show() {
    let mut turned = sample();
    turned.reverse();
    assert_eq!(text(&turned, ".", Look::default()), text(&sample(), ".", Look::default()));
    assert_eq!(sarif(&turned, ".", "1.0.0"), sarif(&sample(), ".", "1.0.0"));
    assert_eq!(github(&turned, "."), github(&sample(), "."));
}

#[test]
fn colours_only_when_asked_for() {
    let coloured = text(&sample(), "c", Look { colours: true, ..Look::default() });
    assert!(coloured.contains("\u{1b}["));
    assert!(!text(&sample(), "c", Look::default()).contains('\u{1b}'));
}

#[test]
fn hostile_text_cannot_drive_the_terminal() {
    let problem = Problem::error(Code("x"), "\u{1b}]0;owned\u{7}")
        .hint("\u{1b}[2J\u{202e}")
        .in_file(&RelPath::new("a.yaml").unwrap())
        .at(place((1, 1), (1, 3), 1, &["\u{1b}[31mred"]));
    let shown = text(&[problem], "", Look::default());
    assert!(!shown.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{shown:?}");
}

/// A place that does not fit the lines shown must not panic.
#[test]
fn places_outside_of_the_lines_are_shown_without_source() {
    let file = RelPath::new("a.yaml").unwrap();
    for (start, end, first, lines) in [
        ((5, 1), (5, 2), 1, &["one"][..]),
        ((1, 1), (1, 2), 5, &["one"]),
        ((1, 400), (1, 500), 1, &["short é"]),
        ((1, 3), (1, 1), 1, &["backwards"]),
        ((0, 0), (0, 0), 0, &["zero"]),
        ((1, 1), (1, 1), 1, &[""]),
        ((1, 1), (1, 2), 1, &[]),
        ((2, 3), (9, 9), 1, &["one", "t\u{1f600}o   ", "three"]),
    ] {
        let problem =
            Problem::error(Code("x"), "m").in_file(&file).at(place(start, end, first, lines));
        let problems = [problem];
        assert!(text(&problems, "", Look::default()).contains("a.yaml"));
        assert!(sarif(&problems, "", "1.0.0").contains("a.yaml"));
        assert!(github(&problems, "").contains("a.yaml"));
    }
}

#[test]
fn summaries() {
    let problem = |severity| Problem { severity, ..Problem::error(Code("x"), "m") };
    let of = |errors: usize, warnings: usize| {
        let mut all = vec![problem(Severity::Error); errors];
        all.extend(vec![problem(Severity::Warning); warnings]);
        summary(&all)
    };
    assert_eq!(of(2, 1), "2 errors, 1 warning");
    assert_eq!(of(1, 0), "1 error");
    assert_eq!(of(0, 3), "3 warnings");
    assert_eq!(of(0, 0), "no problems");
}

#[test]
fn github_annotations_are_escaped() {
    assert_eq!(
        github(&sample(), "./config"),
        "\
::error file=config/apps/a b.yaml,line=2,endLine=4,col=5,title=kustomization-resource::`é 100%25, a:b` does not exist
::warning file=config/apps/web.yaml,line=8,endLine=8,col=16,endColumn=19,title=chart-version::chart `podinfo` has a range%0Ahint: write an exact version
::error file=config/big.yaml,title=file-size::larger than 8 MiB
::error title=empty::the bundle has no objects
"
    );
    let nasty = Problem::error(Code("x"), "a\r\n::set-output name=x::y")
        .in_file(&RelPath::new("a:b,c%.yaml").unwrap());
    assert_eq!(
        github(&[nasty], "."),
        "::error file=a%3Ab%2Cc%25.yaml,title=x::a%0D%0A\\u{3a}:set-output name=x::y\n"
    );
    let older = Problem::error(Code("x"), "a ##[add-mask]b\u{1b}\u{202e}");
    assert_eq!(github(&[older], "."), "::error title=x::a ##\\u{5b}add-mask]b\\u{1b}\\u{202e}\n");
}

#[test]
fn sarif_is_what_the_standard_says() {
    // The schema of OASIS as published; one of its patterns has a bracket too
    // many, which strict regular expressions refuse.
    let published = include_str!("../../../tests/vectors/sarif-2.1.0.schema.json");
    let mended = published.replace("-[a-zA-Z]{2}]?$", "-[a-zA-Z]{2}$");
    let schema: Value = serde_json::from_str(&mended).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for problems in [Vec::new(), sample()] {
        let log: Value = serde_json::from_str(&sarif(&problems, "./config", "1.2.3")).unwrap();
        let errors: Vec<_> = validator.iter_errors(&log).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{errors:#?}");
    }
    assert!(!validator.is_valid(&json!({"version": "2.1.0"})));
}

#[test]
fn sarif_carries_rules_regions_and_help() {
    let log: Value = serde_json::from_str(&sarif(&sample(), "./config", "1.2.3")).unwrap();
    let run = &log["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    let ids: Vec<_> = rules.iter().map(|rule| rule["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["chart-version", "empty", "file-size", "kustomization-resource"]);
    assert_eq!(rules[0]["help"]["text"], "write an exact version");
    // The sentence and the heading of docs/check.md.
    assert_eq!(rules[1]["shortDescription"]["text"], "The bundle has no file.");
    assert!(rules[1]["helpUri"].as_str().unwrap().ends_with("/docs/check.md#empty"));
    assert_eq!(run["columnKind"], "unicodeCodePoints");
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), 4);
    for result in results {
        let rule = result["ruleIndex"].as_u64().unwrap() as usize;
        assert_eq!(result["ruleId"], rules[rule]["id"]);
    }
    let location = &results[1]["locations"][0];
    assert_eq!(location["physicalLocation"]["artifactLocation"]["uri"], "config/apps/web.yaml");
    assert_eq!(
        location["physicalLocation"]["region"],
        json!({"startLine": 8, "startColumn": 16, "endLine": 8, "endColumn": 19})
    );
    assert_eq!(
        location["logicalLocations"][0]["fullyQualifiedName"],
        "HelmRelease shop/web spec.chart.spec.version"
    );
    let uri =
        |index: usize| &results[index]["locations"][0]["physicalLocation"]["artifactLocation"];
    assert_eq!(uri(0)["uri"], "config/apps/a%20b.yaml");
    assert_eq!(uri(3)["uri"], "config");
}

#[test]
fn paths_are_those_the_user_can_open() {
    for (base, shown, address) in [
        ("", "a.yaml", "a.yaml"),
        (".", "./a.yaml", "a.yaml"),
        ("./x//y/", "./x//y/a.yaml", "x/y/a.yaml"),
        ("../up", "../up/a.yaml", "../up/a.yaml"),
        ("/abs", "/abs/a.yaml", "file:///abs/a.yaml"),
        ("/", "/a.yaml", "file:///a.yaml"),
    ] {
        assert_eq!(join(base, "a.yaml"), shown, "{base}");
        assert_eq!(uri(shown), address, "{base}");
    }
    assert_eq!(uri("."), ".");
}
