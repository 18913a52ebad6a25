//! Help, completions and man pages.

use super::Shop;

pub(super) const VERBS: [&str; 13] = [
    "keygen",
    "check",
    "publish",
    "verify",
    "inspect",
    "pull",
    "diff",
    "sign",
    "attest",
    "verify-bundle",
    "sign-bundle",
    "completions",
    "man",
];

#[test]
fn every_verb_shows_examples() {
    let shop = Shop::new();
    let all = shop.run(&["--help"]).ok().out;
    assert!(all.contains("Examples:") && all.contains("Exit codes:"), "{all}");
    for verb in VERBS {
        assert!(all.contains(&format!("\n  {verb} ")), "{verb} is not listed");
        let help = shop.run(&[verb, "--help"]).ok();
        assert!(help.out.contains("Examples:\n  "), "{verb}: {}", help.out);
        assert!(help.out.contains(&format!("sluicegate {verb}")), "{verb}");
        assert_eq!(help.err, "", "{verb}");
    }
    assert!(shop.run(&["diff", "--help"]).ok().out.contains("Nothing is verified"));
}

/// `-h` is what fits on a screen: the common flags first, no limits.
#[test]
fn the_short_help_is_short() {
    let shop = Shop::new();
    for verb in VERBS {
        let (short, long) =
            (shop.run(&[verb, "-h"]).ok().out, shop.run(&[verb, "--help"]).ok().out);
        assert!(short.lines().count() <= 60, "{verb}: {} lines", short.lines().count());
        assert!(!short.contains("--max-manifest"), "{verb}: {short}");
        assert_eq!(long.contains("--max-manifest"), long.contains("\nRegistry:"), "{verb}: {long}");
        let at = |heading: &str| short.find(heading).unwrap_or_else(|| panic!("{verb}: {heading}"));
        let globals = at("\nGlobal options:");
        assert!(at("\nOptions:") < globals, "{verb}: {short}");
        let after = short[globals + 1..]
            .lines()
            .skip(1)
            .filter(|line| line.ends_with(':') && !line.starts_with(' '))
            .count();
        assert_eq!(after, 0, "{verb}: something follows: {short}");
        let reports = ["check", "publish"].contains(&verb);
        assert_eq!(short.contains("`sarif` or `github`"), reports, "{verb}: {short}");
        // No verb gives it yet.
        assert!(!long.contains("4 timed out"), "{verb}");
    }
}

/// What pages say of limits is what the program does without flags.
#[test]
fn documented_defaults_are_the_programs() {
    use sluicegate::edge::registry::Options;
    let program = sluicegate::cli::args::command();
    let verb = |name| program.find_subcommand(name).unwrap().clone();
    let default = |verb: &clap::Command, flag: &str| {
        let argument = verb.get_arguments().find(|arg| arg.get_long() == Some(flag));
        let values = argument.unwrap_or_else(|| panic!("no `--{flag}`")).get_default_values();
        values[0].to_str().unwrap().to_owned()
    };
    let page = std::fs::read_to_string(super::root().join("docs/private-registries.md")).unwrap();
    let rows: Vec<(String, String)> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `--"))
        .filter(|line| line.split('|').count() == 4)
        .map(|line| {
            let flag = line.split([' ', '`']).next().unwrap().to_owned();
            let value = line.split('|').nth(2).unwrap().trim();
            (flag, value.replace([' ', ','], ""))
        })
        .collect();
    assert!(rows.len() >= 6, "{rows:?}");
    for (flag, value) in rows {
        let verb = if flag == "max-size" { verb("pull") } else { verb("verify") };
        assert_eq!(default(&verb, &flag), value, "--{flag}");
    }
    assert_eq!(default(&verb("check"), "max-file"), "8MiB");
    let options = Options::default();
    let verify = verb("verify");
    assert_eq!(format!("{}s", options.deadline.as_secs()), default(&verify, "timeout"));
    assert_eq!(options.limits.gather, options.deadline * 4);
    let mib = |bytes: u64| format!("{}MiB", bytes >> 20);
    assert_eq!(mib(options.limits.manifest), default(&verify, "max-manifest"));
    assert_eq!(mib(options.limits.statement), default(&verify, "max-statement"));
    assert_eq!(mib(options.limits.in_flight), default(&verify, "max-in-flight"));
    assert_eq!(options.limits.statements.to_string(), default(&verify, "max-statements"));
}

#[test]
fn version_is_one_line() {
    let run = Shop::new().run(&["--version"]).ok();
    assert_eq!(run.out, format!("sluicegate {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn completions_name_every_verb() {
    let shop = Shop::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = shop.run(&["completions", shell]).ok().out;
        for verb in VERBS {
            assert!(script.contains(verb), "{shell}: {verb}");
        }
    }
}

#[test]
fn man_pages_are_written() {
    let shop = Shop::new();
    std::fs::create_dir(shop.path("man")).unwrap();
    let view = shop.run(&["man", "man", "-o", "json"]).ok().json();
    let pages = view["pages"].as_array().unwrap();
    assert!(pages.len() > VERBS.len() && pages.contains(&"sluicegate.1".into()), "{view}");
    let text = shop.run(&["man", "man"]).ok().out;
    assert_eq!(text, format!("{} man pages in man\n", pages.len()));
    assert_eq!(std::fs::read_dir(shop.path("man")).unwrap().count(), pages.len());
    for verb in VERBS {
        let page = shop.path(&format!("man/sluicegate-{verb}.1"));
        assert!(std::fs::read_to_string(&page).unwrap().contains(verb), "{}", page.display());
    }
    let page = std::fs::read_to_string(shop.path("man/sluicegate-publish.1")).unwrap();
    for text in ["The largest manifest that is parsed", "Trust these certificate", "COSIGN"] {
        assert!(page.contains(text), "`{text}` is in no man page");
    }
    let page = std::fs::read_to_string(shop.path("man/sluicegate-attest.1")).unwrap();
    let synopsis = page.lines().find(|line| line.starts_with("\\fBsluicegate attest")).unwrap();
    assert!(synopsis.contains("\\fB\\-\\-type\\fR \\fIURI\\fR"), "{synopsis}");
    assert!(!synopsis.contains("<\\fB"), "{synopsis}");
    let run = shop.run(&["man", "nowhere"]);
    assert_eq!(run.code, 2);
    assert!(run.err.contains("`nowhere`") && run.err.contains("hint: "), "{}", run.err);
}

#[test]
fn nothing_typed_is_wrong_usage() {
    let shop = Shop::new();
    for arguments in [&[][..], &["publsh"], &["verify", "--nope"], &["verify"]] {
        let run = shop.run(arguments);
        assert_eq!((run.code, run.out.as_str()), (2, ""), "{arguments:?}");
        assert!(run.err.contains("Usage:") || run.err.contains("error:"), "{}", run.err);
    }
}
