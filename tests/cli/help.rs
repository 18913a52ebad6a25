//! Help, completions and man pages.

use super::Shop;

const VERBS: [&str; 12] = [
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
    shop.run(&["man", "man"]).ok();
    for verb in VERBS {
        let page = shop.path(&format!("man/sluicegate-{verb}.1"));
        assert!(std::fs::read_to_string(&page).unwrap().contains(verb), "{}", page.display());
    }
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
