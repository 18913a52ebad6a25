//! Two publishers at once.

use super::*;

on_registries! {
    two_publishers_of_one_artifact
    two_publishers_of_one_tag =>
    olareg: Olareg Http,
    distribution: Distribution Http,
}

/// How often two publishers meet.
const ROUNDS: usize = 3;

fn publish<'a>(directory: &'a str, place: &'a str, key: &'a str) -> Vec<&'a str> {
    vec!["publish", directory, place, "--key", key, "--lock", "off"]
}

/// The statements by `key` at `place`, as `format type`, sorted.
fn statements_by(world: &World, key: &str, place: &str) -> Vec<String> {
    let judged = world.verify(key, place).json();
    let mut found: Vec<_> = judged["evidence"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|evidence| evidence["result"] == "verified")
        .map(|evidence| format!("{} {}", text(&evidence["format"]), text(&evidence["type"])))
        .collect();
    found.sort();
    found
}

fn two_publishers_of_one_artifact(world: &World) {
    world.shop();
    world.keygen("a");
    world.keygen("b");
    let bundles = [format!("bundle {SIGNATURE}"), format!("bundle {PROVENANCE}")];
    let all = [&bundles[..], &[format!("legacy-sig {SIGNATURE}")]].concat();
    for round in 0..ROUNDS {
        let name = format!("shop/config{round}:1.4.0");
        let place = world.oci(&name);
        let runs = [publish("work/shop", &place, "a.key"), publish("work/shop", &place, "b.key")];
        let ended = Run::together(runs.iter().map(|run| world.ours_command(run)).collect());
        if world.registry.kind == Kind::Olareg {
            // With the referrers API nothing is ever lost but a shared `.sig`.
            for (run, key) in ended.into_iter().zip(["a.pub", "b.pub"]) {
                run.ok();
                let found = statements_by(world, key, &place);
                assert!(bundles.iter().all(|bundle| found.contains(bundle)), "{found:?}");
                world.cosign_verify("cosign3", key, &name).ok();
            }
        }
        for run in &runs {
            world.ours(run).ok();
        }
        for (run, key) in runs.iter().zip(["a.pub", "b.pub"]) {
            assert_eq!(statements_by(world, key, &place), all);
            world.cosign_verify("cosign2", key, &name).ok();
            world.cosign_verify("cosign3", key, &name).ok();
            let again = world.ours(&[&run[..], &["-o", "json"]].concat()).json();
            assert_eq!(again["unchanged"], true);
        }
    }
}

/// Two artifacts want one tag: one of them has it, and both are whole.
fn two_publishers_of_one_tag(world: &World) {
    world.shop();
    let shop = files(&world.path("work/shop"));
    for (name, content) in shop {
        world.write(&format!("work/other/{name}"), &String::from_utf8(content).unwrap());
    }
    world.write("work/other/more.yaml", CONFIG_MAP);
    world.commit();
    world.keygen("a");
    world.keygen("b");
    for round in 0..ROUNDS {
        let place = world.oci(&format!("shop/config{round}:production"));
        let command = |(directory, key): (&str, &str)| {
            let mut command = world.ours_command(&publish(directory, &place, key));
            command.args(["-o", "json"]);
            command
        };
        let publishers = [("work/shop", "a.key"), ("work/other", "b.key")];
        let runs = Run::together(publishers.map(command).into());
        let digests: Vec<_> = runs
            .into_iter()
            .zip(publishers)
            .map(|(run, publisher)| match world.registry.kind {
                Kind::Olareg => run,
                // It reads a link to a blob while another upload of the same
                // blob writes it, and then knows neither; a second run ends.
                Kind::Distribution if !run.succeeded() => Run::of(command(publisher), None),
                Kind::Distribution => run,
            })
            .map(|run| text(&run.json()["digest"]))
            .collect();
        let tagged = world.digest(&format!("shop/config{round}:production"));
        assert!(digests.contains(&tagged), "{tagged} is none of {digests:?}");
        for (digest, key) in digests.iter().zip(["a.pub", "b.pub"]) {
            let name = format!("shop/config{round}@{digest}");
            world.verify(key, &world.oci(&name)).ok();
            world.cosign_verify("cosign2", key, &name).ok();
            world.cosign_verify("cosign3", key, &name).ok();
        }
    }
}
