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
fn a_secret_in_a_list_of_any_kind_is_never_shown() {
    let shop = Shop::new();
    let list = |head: &str, value: &str| {
        format!(
            "{head}metadata: {{name: l}}\nitems:\n- apiVersion: v1\n  kind: Secret\n  \
             metadata: {{name: s}}\n  stringData: {{p: {value}}}\n"
        )
    };
    for head in ["apiVersion: v1\nkind: List\n", "apiVersion: x/v1\nkind: Bundle\n"] {
        shop.write("old/s.yaml", &list(head, "hunter2-before"));
        shop.write("new/s.yaml", &list(head, "hunter2-after"));
        let run = shop.run(&["diff", "old", "new"]).ok();
        assert!(run.out.contains("~ Secret s"), "{head}: {}", run.out);
        assert!(!(run.out + &run.err).contains("hunter2"), "{head}");
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

/// The example of the repository, as `old` and as `new`.
fn example(shop: &Shop) {
    for side in ["old", "new"] {
        copy(&super::root().join("examples/shop"), &shop.path(side));
    }
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to),
            false => _ = std::fs::copy(entry.path(), to).unwrap(),
        }
    }
}

#[test]
fn a_chart_that_another_object_selects_is_told() {
    let shop = Shop::new();
    example(&shop);
    let source = shop.path("new/sources/podinfo.yaml");
    let text = std::fs::read_to_string(&source).unwrap();
    assert!(text.contains("6.9.1"));
    std::fs::write(source, text.replace("6.9.1", "6.9.2")).unwrap();
    let view = shop.run(&["diff", "old", "new", "-o", "json"]).ok().json();
    let charts = view["charts"].as_array().unwrap();
    assert_eq!(charts.len(), 1, "{view:#}");
    assert_eq!(charts[0]["object"]["kind"], "HelmRelease");
    assert_eq!(charts[0]["name"], "oci://ghcr.io/stefanprodan/charts/podinfo");
    assert_eq!((&charts[0]["from"], &charts[0]["to"]), (&"6.9.1".into(), &"6.9.2".into()));
    let text = shop.run(&["diff", "old", "new"]).ok().out;
    assert!(text.contains("charts (1)\n  ~ HelmRelease"), "{text}");
    assert!(text.contains("podinfo  6.9.1 → 6.9.2"), "{text}");
}

#[test]
fn the_chart_of_a_release_that_is_gone_is_named_with_its_version() {
    let shop = Shop::new();
    example(&shop);
    let kustomization = shop.path("new/kustomization.yaml");
    let text = std::fs::read_to_string(&kustomization).unwrap();
    let kept = text.lines().take_while(|line| *line != "patches:");
    let kept: Vec<_> = kept.filter(|line| !line.contains("releases/podinfo")).collect();
    std::fs::write(kustomization, kept.join("\n") + "\n").unwrap();
    std::fs::remove_dir_all(shop.path("new/patches")).unwrap();
    std::fs::remove_file(shop.path("new/releases/podinfo.yaml")).unwrap();
    let run = shop.run(&["diff", "old", "new"]);
    assert!(
        run.out.contains("oci://ghcr.io/stefanprodan/charts/podinfo  6.9.1"),
        "{}{}",
        run.out,
        run.err
    );
}

#[test]
fn problems_name_the_directory_that_has_them() {
    let shop = Shop::new();
    shop.write("good/shop.yaml", MANIFEST);
    shop.write("bad/shop.yaml", "a: b: c\n");
    for order in [["good", "bad"], ["bad", "good"]] {
        let run = shop.run(&["diff", order[0], order[1]]);
        assert_eq!(run.code, 2, "{}", run.err);
        assert!(run.err.contains("bad/shop.yaml:1"), "{}", run.err);
        assert!(!run.err.contains("good/"), "{}", run.err);
    }
}

#[test]
fn directories_are_read_with_the_flags_of_check() {
    let shop = Shop::new();
    shop.write("old/shop.yaml", MANIFEST);
    shop.write("new/shop.yaml", MANIFEST);
    shop.write("new/broken.yaml", "a: b: c\n");
    assert_eq!(shop.run(&["diff", "old", "new"]).code, 2);
    let run = shop.run(&["diff", "old", "new", "--ignore", "broken.yaml"]).ok();
    assert!(run.out.contains("no differences"), "{}", run.out);
    std::os::unix::fs::symlink("shop.yaml", shop.path("old/again.txt")).unwrap();
    assert_eq!(shop.run(&["diff", "old", "old"]).code, 2);
    shop.run(&["diff", "old", "old", "--resolve-symlinks"]).ok();
    let run = shop.run(&["diff", "old", "old", "--resolve-symlinks", "--max-file", "1"]);
    assert_eq!(run.code, 2, "{}", run.err);
}

#[test]
fn objects_in_files_of_any_name_are_compared() {
    let shop = Shop::new();
    for (side, value) in [("old", "hunter2-a"), ("new", "hunter2-b")] {
        shop.write(&format!("{side}/kustomization.yaml"), "resources: [secret.txt]\n");
        let secret = format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\nstringData: {{p: {value}}}\n"
        );
        shop.write(&format!("{side}/secret.txt"), &secret);
    }
    let run = shop.run(&["diff", "old", "new"]).ok();
    assert!(run.out.contains("~ Secret s"), "{}", run.out);
    assert!(!run.out.contains("hunter2"), "{}", run.out);
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
