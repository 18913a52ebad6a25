use std::collections::BTreeSet;

use super::*;

/// The capabilities that are not there yet; a row that waits names one.
const LATER: [&str; 4] = ["policies", "promotions", "the gate", "webhooks"];

/// How the names of tests begin that keep out what went wrong in a project.
const PROJECTS: [&str; 17] = [
    "argocd_image_updater_",
    "conforma_",
    "cosign_",
    "flux_",
    "ggcr_",
    "gh_",
    "gitops_promoter_",
    "hostile_registry_",
    "kargo_",
    "kyverno_",
    "notation_",
    "oras_",
    "policy_controller_",
    "ratify_",
    "sigstore_",
    "sigstore_go_",
    "source_controller_",
];

struct Row {
    advisory: String,
    tests: Vec<String>,
    later: Option<String>,
}

/// The rows of the table: `| advisories | what must not happen | tests |`.
fn rows() -> Vec<Row> {
    let page = fs::read_to_string(root().join("docs/security.md")).unwrap();
    let table = page.split("## Mistakes of others").nth(1).expect("the section");
    let table = table.split("\n## ").next().unwrap_or(table);
    let rows = table.lines().filter(|line| line.starts_with("| ")).skip(1);
    rows.filter(|line| !line.starts_with("|--"))
        .map(|line| {
            let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
            let [advisory, rule, tests] = cells[..] else { panic!("three cells: {line}") };
            assert!(!advisory.is_empty() && rule.len() > 10, "{line}");
            Row {
                advisory: advisory.into(),
                tests: tests.split('`').skip(1).step_by(2).map(str::to_owned).collect(),
                later: tests.strip_prefix("with ").map(str::to_owned),
            }
        })
        .collect()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The names of all functions that are tests, and those that say an advisory.
fn functions() -> BTreeSet<String> {
    let (mut folders, mut found) =
        (vec![root().join("src"), root().join("tests")], BTreeSet::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let mut test = false;
                for line in text.lines().map(str::trim) {
                    test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
                    let function = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
                    if let Some(function) = function.filter(|_| std::mem::take(&mut test)) {
                        found.extend(function.split('(').next().map(str::to_owned));
                    }
                }
            }
        }
    }
    found
}

#[test]
fn each_advisory_has_a_test_or_says_what_will_bring_it() {
    let (rows, functions) = (rows(), functions());
    assert!(rows.len() > 30, "only {} rows", rows.len());
    for row in &rows {
        match &row.later {
            Some(later) => {
                assert!(LATER.contains(&later.as_str()), "{}: with {later}", row.advisory);
                assert!(row.tests.is_empty(), "{}", row.advisory);
            }
            None => assert!(!row.tests.is_empty(), "{} has no test", row.advisory),
        }
        for test in &row.tests {
            assert!(functions.contains(test), "{}: there is no test `{test}`", row.advisory);
        }
    }
}

#[test]
fn each_test_that_names_an_advisory_is_in_the_table() {
    let named: BTreeSet<String> = rows().into_iter().flat_map(|row| row.tests).collect();
    let is_advisory = |name: &&String| {
        ["cve_", "ghsa_"].iter().any(|word| name.contains(word))
            || PROJECTS.iter().any(|project| name.starts_with(project))
    };
    let functions = functions();
    let missing: Vec<_> =
        functions.iter().filter(is_advisory).filter(|name| !named.contains(*name)).collect();
    assert!(missing.is_empty(), "docs/security.md does not name {missing:#?}");
}

/// The tables of what an attacker can do: `| attacker | tries | comes to | tests |`.
#[test]
fn each_outcome_for_an_attacker_is_shown_by_tests_that_exist() {
    let page = fs::read_to_string(root().join("docs/attacker.md")).unwrap();
    let functions = functions();
    let mut rows = 0;
    for line in page.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [attacker, does, outcome, tests] = cells[..] else { panic!("four cells: {line}") };
        if attacker == "attacker" {
            continue;
        }
        rows += 1;
        assert!(does.len() > 10 && outcome.len() > 7, "{line}");
        let tests: Vec<_> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty(), "nothing shows it: {line}");
        for test in tests {
            assert!(functions.contains(test), "{does}: there is no test `{test}`");
        }
    }
    assert!(rows > 25, "only {rows} rows");
}
