//! What the documentation says is true: its links lead somewhere, its snippets
//! parse, its tables equal the code, and the commands it shows exist.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

#[test]
fn links_lead_somewhere() {
    let mut broken = Vec::new();
    let mut links = 0;
    for (page, text) in pages() {
        let folder = page.parent().expect("a page is in a folder");
        for target in
            without_code(&text).split("](").skip(1).filter_map(|rest| rest.split(')').next())
        {
            if target.contains("://") || target.starts_with('#') {
                continue;
            }
            links += 1;
            let file = target.split('#').next().unwrap_or(target);
            if !root().join(folder).join(file).exists() {
                broken.push(format!("{}: {target}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
    assert!(links > 20, "only {links} links were found");
}

#[test]
fn snippets_parse() {
    let mut parsed = 0;
    for (page, text) in pages() {
        for (language, body) in blocks(&text) {
            let what = || format!("{}: a block of {language}", page.display());
            match language.as_str() {
                "json" => {
                    serde_json::from_str::<serde_json::Value>(&body)
                        .unwrap_or_else(|e| panic!("{}: {e}", what()));
                }
                "yaml" => {
                    serde_saphyr::from_multiple::<serde_json::Value>(&body)
                        .unwrap_or_else(|e| panic!("{}: {e}", what()));
                }
                _ => continue,
            }
            parsed += 1;
        }
    }
    assert!(parsed >= 5, "only {parsed} snippets were found");
}

/// No page names the machine it was written on.
#[test]
fn pages_are_about_no_machine() {
    for (page, text) in pages() {
        for word in ["/root/", "/home/", "/work/"] {
            assert!(!text.contains(word), "{} names `{word}`", page.display());
        }
    }
}

#[test]
fn uris_page_equals_the_code() {
    let code = syn::parse_file(&read("src/model/uris.rs")).expect("parse");
    let constants: BTreeSet<String> = code
        .items
        .iter()
        .filter_map(|item| match item {
            syn::Item::Const(constant) => literal(&constant.expr),
            _ => None,
        })
        .collect();
    let page: BTreeSet<String> = first_cells(&read("docs/uris.md"))
        .into_iter()
        .filter(|cell| cell.starts_with("https://"))
        .collect();
    assert_eq!(page, constants, "docs/uris.md (left) and src/model/uris.rs (right) differ");
    assert!(constants.len() > 10);
}

/// SARIF links to the headings, which are the codes, and says the sentences.
#[test]
fn check_page_equals_the_code() {
    let page = read("docs/check.md");
    let rules = page.split("\n## The rules").nth(1).expect("the rules");
    let written: BTreeMap<&str, &str> = rules
        .split("\n### `")
        .skip(1)
        .filter_map(|section| section.split_once("`\n\n"))
        .map(|(code, text)| (code, text.trim()))
        .collect();
    let known = sluicegate::model::bundle::problem::code::ALL;
    let known: BTreeMap<&str, &str> = known.iter().map(|(code, doc)| (code.0, *doc)).collect();
    assert_eq!(written, known, "docs/check.md (left) and problem/code.rs (right) differ");
    // No file declares a code elsewhere.
    for path in files(&root().join("src/model"), "rs") {
        let text = fs::read_to_string(&path).expect("read");
        let code = text.split("#[cfg(test)]").next().unwrap_or(&text);
        let own = path.ends_with("problem/code.rs")
            || path.ends_with("trust_policy/code.rs")
            || path.ends_with("tests.rs");
        assert!(own || !code.contains("Code(\""), "{} declares a code", path.display());
    }
}

/// Each `sluicegate VERB --flag` that a page shows is one that `--help` knows.
#[test]

fn commands_exist() {
    let mut wrong = Vec::new();
    let mut help = BTreeMap::new();
    for (page, text) in pages() {
        for (verb, flags) in commands(&text) {
            let known = help.entry(verb.clone()).or_insert_with(|| help_of(&verb));
            for flag in flags.iter().filter(|flag| !has_word(known, flag)) {
                wrong.push(format!("{}: `sluicegate {verb}` has no `{flag}`", page.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
    assert!(help.len() > 8, "only {} verbs are documented: {:?}", help.len(), help.keys());
}

#[test]
fn commands_are_found() {
    let page = "Run\n\n    $ sluicegate verify oci://h/r:1 \\\n        --key cosign.pub -o json\n\nor\n\n\
                ```sh\nsluicegate publish ./config oci://h/r:1 --tag a,b | cat --all\n```\n\
                and `sluicegate keygen --output-key-prefix ci`; `sluicegate policy init --from x`; not sluicegate itself --really.\n";
    let found: Vec<(String, Vec<String>)> = commands(page);
    let expected = [
        ("verify", vec!["--key", "-o"]),
        ("publish", vec!["--tag"]),
        ("keygen", vec!["--output-key-prefix"]),
        ("policy init", vec!["--from"]),
    ];
    let expected: Vec<(String, Vec<String>)> = expected
        .into_iter()
        .map(|(verb, flags)| (verb.to_owned(), flags.into_iter().map(str::to_owned).collect()))
        .collect();
    assert_eq!(found, expected);
}

fn literal(expression: &syn::Expr) -> Option<String> {
    match expression {
        syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) => Some(text.value()),
        _ => None,
    }
}

/// What stands in backticks in the first cell of each row of a page's tables.
fn first_cells(page: &str) -> Vec<String> {
    page.lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .map(str::to_owned)
        .collect()
}

/// Verb and flags of each command that a page shows: lines of code that start
/// with the program's name, and inline code that does.
fn commands(page: &str) -> Vec<(String, Vec<String>)> {
    let joined = page.replace("\\\n", " ");
    let mut found = Vec::new();
    for line in joined.lines() {
        let code = line.trim_start().trim_start_matches(['-', '$', '|']).trim_start();
        let inline = line.split('`').skip(1).step_by(2);
        for text in inline.chain([code]).filter_map(|text| text.strip_prefix("sluicegate ")) {
            let before_pipe = text.split([';', '|', '>', '`']).next().unwrap_or(text);
            let mut words = before_pipe.split_whitespace().peekable();
            let Some(verb) = words.next().filter(|verb| is_verb(verb)) else { continue };
            let mut verb = verb.to_owned();
            if verb == "policy"
                && let Some(inner) = words.next_if(|word| is_verb(word))
            {
                verb = format!("{verb} {inner}");
            }
            let flags = words.filter(|word| word.starts_with('-') && word.len() > 1);
            let flags = flags.map(|word| word.split('=').next().unwrap_or(word).to_owned());
            found.push((verb, flags.collect()));
        }
    }
    found
}

fn is_verb(word: &str) -> bool {
    const PROSE: [&str; 3] = ["itself", "is", "and"];
    word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-') && !PROSE.contains(&word)
}

fn has_word(text: &str, word: &str) -> bool {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).any(|part| part == word)
}

fn help_of(verb: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_sluicegate"))
        .args(verb.split(' ').chain(["--help"]))
        .output()
        .expect("run the program");
    assert!(output.status.success(), "`sluicegate {verb} --help` failed");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// The fenced blocks of a page with their language.
fn blocks(page: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open: Option<(String, String)> = None;
    for line in page.lines() {
        match (&mut open, line.trim_start().strip_prefix("```")) {
            (None, Some(language)) => open = Some((language.to_owned(), String::new())),
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some((_, body)), None) => {
                body.push_str(line);
                body.push('\n');
            }
            (None, None) => {}
        }
    }
    found
}

fn without_code(page: &str) -> String {
    let mut code = false;
    let lines = page.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        code ^= fence;
        !fence && !code
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Every page with its path from the project's root.
fn pages() -> Vec<(PathBuf, String)> {
    let found = ["docs", "examples"].iter().flat_map(|folder| files(&root().join(folder), "md"));
    let mut pages: Vec<PathBuf> = found.collect();
    pages.extend(["README.md", "CONTRIBUTING.md"].map(|name| root().join(name)));
    let page = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("read");
        (path.strip_prefix(root()).expect("below the root").to_path_buf(), text)
    };
    pages.into_iter().map(page).collect()
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let (mut folders, mut found) = (vec![folder.to_path_buf()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("list") {
            let path = entry.expect("entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}
