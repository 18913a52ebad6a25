//! What happens beyond a bound: it is said, and the same whatever was kept.

use super::*;

const NONE: Bounds = Bounds::NONE;

/// Judges files as they are read one after the other, the tally growing.
fn tallied(files: &[(&str, &str)], options: &Options) -> Judgement {
    let path = |name: &str| RelPath::new(name).expect(name);
    let all: Vec<RelPath> = files.iter().map(|(name, _)| path(name)).collect();
    let mut tally = Tally::default();
    let facts = files.iter().map(|(name, text)| {
        let mut facts = read_file(&path(name), text.as_bytes(), tally.keep(options));
        let keeps_problems = tally.keeps_problems(options);
        tally.add(&facts);
        if !keeps_problems {
            facts.forget_problems();
        }
        facts
    });
    judge(facts.collect(), &all.iter().collect(), options)
}

fn config_map(name: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n")
}

#[test]
fn objects() {
    let text: Vec<String> = ["a", "b", "b", "c"].map(config_map).into();
    let files: Vec<_> = ["a.yaml", "b.yaml", "c.yaml", "d.yaml"]
        .into_iter()
        .zip(text.iter().map(String::as_str))
        .collect();
    for (bound, wanted) in [
        (
            4,
            "c.yaml:3:18 error object-duplicate: `ConfigMap b` is defined twice, first in `b.yaml` on line 3",
        ),
        (
            3,
            "-:0:0 error bundle-too-large: the bundle has 4 Kubernetes objects; expected at most 3",
        ),
        (
            1,
            "-:0:0 error bundle-too-large: the bundle has 4 Kubernetes objects; expected at most 1",
        ),
    ] {
        let options = Options { bounds: Bounds { objects: bound, ..NONE }, ..STRICT };
        let wanted = wanted.replace("line 3", "line 1");
        for judgement in [tallied(&files, &options), judged_with(&files, &options)] {
            same(&findings(&judgement), &wanted);
            assert_eq!(judgement.objects.len(), if bound == 4 { 4 } else { 0 });
        }
    }
}

#[test]
fn references() {
    let files = [
        ("a/kustomization.yaml", "resources: [x.yaml, y.yaml]\n"),
        ("b/kustomization.yaml", "resources: [z.yaml]\n"),
    ];
    let bounds = Bounds { references: 2, ..NONE };
    let judgement = tallied(&files, &Options { bounds, ..STRICT });
    same(
        &findings(&judgement),
        "-:0:0 error bundle-too-large: the kustomizations name 3 files; expected at most 2",
    );
}

#[test]
fn charts_and_images() {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{image: a:1}, {image: b:1}]}\n";
    let files = [
        ("a.yaml", RELEASE),
        ("b.yaml", pod),
        ("c.yaml", &release("name: podinfo\n", "name: c\n")),
    ];
    let bounds = Bounds { needs: 3, ..NONE };
    for judgement in [
        tallied(&files, &Options { bounds, ..STRICT }),
        judged_with(&files, &Options { bounds, ..STRICT }),
    ] {
        same(
            &findings(&judgement),
            "-:0:0 error bundle-too-large: the manifests name 4 charts and images to lock; expected at most 3",
        );
        assert!(judgement.problems[0].hint.as_ref().unwrap().contains("--lock off"));
        assert!(judgement.needs.is_empty());
    }
    // Without the lock they are neither kept nor counted against anything.
    let judgement = tallied(&files, &Options { bounds, ..LAX });
    assert_eq!((findings(&judgement).as_str(), judgement.objects.len()), ("", 3));
    assert!(judgement.objects.iter().all(|object| object.images().is_empty()));
}

#[test]
fn problems() {
    let warned = release("6.5.0", "6.x");
    let wrong = "apiVersion: v1\nkind: ConfigMap\nmetadata: {}\n";
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {p: hunter2}\n";
    let more = |severity| {
        format!(
            "-:0:0 {severity} problem-limit: there are more problems than the 2 that are listed\n"
        )
    };
    for (files, wanted, limit) in [
        (&[warned.as_str(), &warned][..], "warning,warning", None),
        (&[&warned, &warned, &warned], "warning,warning", Some("warning")),
        // Errors first, so that what stops is seen.
        (&[&warned, &warned, wrong], "warning,error", Some("warning")),
        (&[wrong, &warned, wrong, wrong], "error,error", Some("error")),
        // Not even kept: the last file is read when there are three already.
        (&[&warned, &warned, &warned, wrong], "warning,warning", Some("error")),
        (&[&warned, &warned, &warned, secret], "warning,warning", Some("error")),
    ] {
        let text = files.iter().enumerate().map(|(at, text)| {
            let name = format!("  name: n{at}\n");
            (format!("{at}.yaml"), text.replace("  name: podinfo\n", &name))
        });
        let files: Vec<(String, String)> = text.collect();
        let files: Vec<_> = files.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        let bounds = Bounds { problems: 2, ..NONE };
        let found = tallied(&files, &Options { bounds, ..STRICT });
        let severities = found.problems.iter().filter(|p| p.code != code::PROBLEM_LIMIT);
        let severities: Vec<_> =
            severities.map(|p| format!("{:?}", p.severity).to_lowercase()).collect();
        assert_eq!(severities.join(","), wanted);
        let text = findings(&found);
        match limit {
            Some(severity) => assert!(text.ends_with(&more(severity)), "{text}"),
            None => assert!(!text.contains("problem-limit"), "{text}"),
        }
        let allowed = tallied(&files, &Options { bounds, allow_secrets: true, ..STRICT });
        let stops = allowed.problems.iter().any(|p| p.severity == Severity::Error);
        assert_eq!(stops, files.iter().any(|(_, text)| *text == wrong));
    }
}

#[test]
fn one_document_cannot_make_millions() {
    let many = |item: &str| vec![item; 50_000].join(",");
    for (name, text) in [
        (
            "a.yaml",
            release("interval: 10m\n", &format!("interval: 10m\n  valuesFrom: [{}]\n", many("5"))),
        ),
        (
            "a.yaml",
            release(
                "interval: 10m\n",
                &format!(
                    "interval: 10m\n  values: {{a: [{}]}}\n",
                    many("{image: {repository: a, tag: 1}}")
                ),
            ),
        ),
        ("kustomization.yaml", format!("resources: [{}]\n", many("5"))),
        ("kustomization.yaml", format!("helmCharts: [{}]\n", many("{}"))),
        ("kustomization.yaml", format!("secretGenerator: [{{literals: [{}]}}]\n", many("a=b"))),
    ] {
        let facts = read_file(&RelPath::new(name).unwrap(), text.as_bytes(), Keep::All);
        let problems = [&facts.problems, &facts.object_problems, &facts.secrets];
        let count: usize = problems.iter().map(|problems| problems.len()).sum();
        assert!((100..=202).contains(&count), "{count}");
        assert!(problems.iter().all(|problems| problems.capacity() <= 512));
    }
    let long = "n".repeat(254);
    one(
        &config_map(&long),
        "a.yaml:3:18 error object-name: a name of the ConfigMap has 254 bytes; Kubernetes takes at most 253",
    );
}
