//! `diff` between artifacts and directories.

use super::{ARTIFACT, MANIFEST, Shop};

#[test]
fn how_a_file_is_written_and_where_does_not_matter() {
    let shop = Shop::published();
    shop.write(
        "other/moved/here.json",
        r#"{"kind": "ConfigMap", "apiVersion": "v1",
        "data": {"colour": "red"}, "metadata": {"namespace": "shop", "name": "shop"}}"#,
    );
    let run = shop.run(&["diff", ARTIFACT, "other"]).ok();
    assert!(run.out.contains("no differences"), "{}", run.out);
    shop.write(
        "list/all.yaml",
        &format!(
            "apiVersion: v1\nkind: List\nitems:\n- {}",
            MANIFEST.trim_end().replace('\n', "\n  ")
        ),
    );
    let run = shop.run(&["diff", ARTIFACT, "list"]).ok();
    assert!(run.out.contains("no differences"), "{}", run.out);
}

#[test]
fn objects_charts_and_files_are_told() {
    let shop = Shop::new();
    let release = "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\n\
                   metadata: {name: web, namespace: shop}\nspec:\n  interval: 5m\n  chart:\n    \
                   spec:\n      chart: podinfo\n      version: 6.5.0\n      sourceRef: \
                   {kind: HelmRepository, name: charts}\n";
    shop.write("old/web.yaml", release);
    shop.write("old/gone.yaml", MANIFEST);
    shop.write("old/values.yaml", "replicas: 1\n");
    shop.write("new/web.yaml", &release.replace("6.5.0", "6.6.0"));
    shop.write("new/values.yaml", "replicas: 2\n");
    let view = shop.run(&["diff", "old", "new", "-o", "json"]).ok().json();
    assert_eq!(view["changes"], true);
    assert_eq!(view["removed"][0]["name"], "shop");
    let chart = &view["charts"][0];
    assert_eq!((&chart["from"], &chart["to"]), (&"6.5.0".into(), &"6.6.0".into()));
    assert!(view["changed"][0]["diff"].as_str().unwrap().contains("6.6.0"));
    assert_eq!(view["files"]["changed"], serde_json::json!(["values.yaml"]));
    let text = shop.run(&["diff", "old", "new"]).ok().out;
    let at = |part: &str| text.find(part).unwrap_or_else(|| panic!("{part}: {text}"));
    assert!(
        at("charts (1)") < at("removed (1)") && at("removed (1)") < at("changed (1)"),
        "{text}"
    );
}

#[test]
fn what_is_ignored_is_ignored_on_both_sides() {
    let shop = Shop::published();
    shop.write("config/notes.jpg", "Flux leaves it out");
    let run = shop.run(&["diff", ARTIFACT, "config"]).ok();
    assert!(run.out.contains("no differences"), "{}", run.out);
}

#[test]
fn a_secret_is_never_shown() {
    let shop = Shop::new();
    let secret = |value: &str| {
        format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\nstringData: {{p: {value}}}\n")
    };
    shop.write("old/s.yaml", &secret("hunter2-before"));
    shop.write("new/s.yaml", &secret("hunter2-after"));
    for format in ["text", "json", "yaml"] {
        let run = shop.run(&["diff", "old", "new", "-o", format]).ok();
        assert!(!(run.out + &run.err).contains("hunter2"), "{format}");
    }
}

#[test]
fn a_directory_that_cannot_be_published_is_not_compared() {
    let shop = Shop::published();
    shop.write("config/shop.yaml", "a: b: c\n");
    let run = shop.run(&["diff", ARTIFACT, "config"]);
    assert_eq!((run.code, run.out.as_str()), (2, ""), "{}", run.err);
    assert!(run.err.contains("shop.yaml:1"), "{}", run.err);
}

/// What a log of CI would obey: GitHub's runner trims a line and looks for
/// `::`, and finds `##[` anywhere.
#[track_caller]
fn commands_no_runner(run: &super::Run) {
    for line in run.out.split(['\n', '\r']).chain(run.err.split(['\n', '\r'])) {
        assert!(!line.trim().starts_with("::") && !line.contains("##["), "{line:?}");
        assert!(!line.chars().any(|c| c.is_control() || c == '\u{202e}'), "{line:?}");
    }
}

#[test]
fn what_an_artifact_holds_is_no_command_in_a_ci_log() {
    let shop = Shop::new();
    let text = |more: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: s}}\ndata:\n  run: |\n    \
             ::add-mask::true\n    ::stop-commands::tok\n    x ##[add-mask]true\n{more}"
        )
    };
    shop.write("old/s.yaml", &text("    a\n"));
    shop.write("new/s.yaml", &text("    b\n    ::error::x\n    \u{202e}\n  note: \"\\x9b31m\"\n"));
    for format in ["text", "json", "yaml"] {
        let run = shop.run(&["diff", "old", "new", "-o", format]).ok();
        assert!(run.out.contains("stop-commands"), "{format}: {}", run.out);
        commands_no_runner(&run);
    }
    let to = ["publish", "config", ARTIFACT, "--key", "a.key", "--lock", "off", "--quiet"];
    let hostile = ["--annotation", "x=::add-mask::true\n::error::y ##[add-mask]true\u{202e}\u{85}"];
    commands_no_runner(&shop.run(&[&to[..], &hostile].concat()).ok());
    for format in ["text", "json", "yaml"] {
        for verb in [&["inspect", ARTIFACT][..], &["verify", ARTIFACT, "--key", "a.pub"]] {
            commands_no_runner(&shop.run(&[verb, &["-o", format]].concat()).ok());
        }
    }
    commands_no_runner(&shop.run(&["verify", "x\n::error::y ##[add-mask]z", "--key", "a.pub"]));
}
