//! Real peers: the programs that `install` provides, real registries, and the
//! program under test, each in a process of its own.
//!
//! A test makes a [`World`]: a directory that is every process's home, and one
//! registry. Nothing in it reaches beyond loopback. A missing peer fails the
//! test.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests")]

mod again;
mod attest;
mod keyless;
mod keys;
mod layout;
mod lock;
mod ours;
mod proxy;
mod registry;
mod run;
mod samples;
mod sigstore;
mod theirs;
mod together;
mod tokens;

use std::{
    collections::BTreeMap,
    fs,
    io::Read,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use registry::{Access, Kind, Server};
use run::Run;
use serde_json::Value;
use sluicegate::model::digest::Digest;
use tempfile::TempDir;

/// The password of every key.
const PASSWORD: &str = "hello";
/// The user that a registry with logins knows, and the password.
const LOGIN: (&str, &str) = ("alice", "s3cret");
/// What signatures are, as a predicate type.
const SIGNATURE: &str = "https://sigstore.dev/cosign/sign/v1";
/// What provenance is.
const PROVENANCE: &str = "https://slsa.dev/provenance/v1";
/// cosign's flags for signing without any log.
const COSIGN2: [&str; 2] = ["--tlog-upload=false", "-y"];
const COSIGN3: [&str; 3] = ["--use-signing-config=false", "--tlog-upload=false", "-y"];

/// Makes one ignored test of each named function for each registry.
macro_rules! on_registries {
    ($($test:ident)+ => $($name:ident: $kind:ident $access:ident),+ $(,)?) => {
        on_registries!(@ [$($test)+] $([$name $kind $access])+);
    };
    (@ [] $($rest:tt)*) => {};
    (@ [$test:ident $($more:ident)*] $([$name:ident $kind:ident $access:ident])+) => {
        mod $test {
            $(
                #[test]
                #[ignore = "needs real peers: run tests/run"]
                fn $name() {
                    use super::super::{World, registry::{Access, Kind}};
                    super::$test(&World::new(Kind::$kind, Access::$access));
                }
            )+
        }
        on_registries!(@ [$($more)*] $([$name $kind $access])+);
    };
}
use on_registries;

/// A directory of its own, and a registry.
struct World {
    dir: TempDir,
    registry: Server,
}

impl World {
    fn new(kind: Kind, access: Access) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for name in ["home", "docker", "nobody"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        let registry = Server::start(kind, access, dir.path());
        let world = Self { dir, registry };
        if access == Access::Login {
            // What `docker login` would leave behind, by a peer.
            let (user, password) = LOGIN;
            world.crane(&["auth", "login", world.host(), "-u", user, "-p", password]).ok();
        }
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// `127.0.0.1:PORT`.
    fn host(&self) -> &str {
        &self.registry.host
    }

    /// `127.0.0.1:PORT/NAME`, as the peers name things.
    fn at(&self, name: &str) -> String {
        format!("{}/{name}", self.host())
    }

    /// The same for this program.
    fn oci(&self, name: &str) -> String {
        format!("oci://{}", self.at(name))
    }

    fn write(&self, name: &str, content: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// A command with nothing of the user's environment in it. Nobody here sends
    /// loopback to a proxy: this one keeps everything off the internet.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.dir.path()).env_clear().stdin(Stdio::null());
        command.env("PATH", std::env::var_os("PATH").expect("PATH"));
        command.env("TZ", "UTC").env("COSIGN_PASSWORD", PASSWORD);
        for name in ["HTTP_PROXY", "HTTPS_PROXY"] {
            command.env(name, "http://127.0.0.1:1");
        }
        command.env("HOME", self.path("home")).env("DOCKER_CONFIG", self.path("docker"));
        command
    }

    /// A peer.
    fn peer(&self, name: &str, arguments: &[&str]) -> Run {
        let mut command = self.command(&tool(name));
        command.args(arguments);
        for (name, dir) in
            [("CACHE", "home/cache"), ("CONFIG", "home/config"), ("DATA", "home/data")]
        {
            command.env(format!("HELM_{name}_HOME"), self.path(dir));
        }
        if self.registry.access == Access::Tls {
            command.env("SSL_CERT_FILE", self.path("ca.pem"));
        }
        Run::of(command, None)
    }

    fn cosign2(&self, arguments: &[&str]) -> Run {
        self.peer("cosign2", arguments)
    }

    fn cosign3(&self, arguments: &[&str]) -> Run {
        self.peer("cosign3", arguments)
    }

    fn crane(&self, arguments: &[&str]) -> Run {
        self.peer("crane", arguments)
    }

    fn flux(&self, arguments: &[&str]) -> Run {
        self.peer("flux", arguments)
    }

    /// Those flags of oras and helm that this registry needs; `prefix` is
    /// `from-` or `to-` for a copy.
    fn plain(&self, prefix: &str) -> Vec<String> {
        match self.registry.access {
            Access::Tls => Vec::new(),
            Access::Http | Access::Login | Access::Tokens(_) => {
                vec![format!("--{prefix}plain-http")]
            }
        }
    }

    fn oras(&self, arguments: &[&str]) -> Run {
        let plain = self.plain("");
        let plain: Vec<&str> = plain.iter().map(String::as_str).collect();
        let mut words = arguments.split_first().map_or(vec![], |(verb, _)| vec![*verb]);
        // `oras manifest fetch` and the like have two words.
        let rest = match arguments {
            [verb @ ("manifest" | "repo" | "blob"), second, rest @ ..] => {
                words = vec![verb, second];
                rest
            }
            [_, rest @ ..] => rest,
            [] => &[],
        };
        self.peer("oras", &[&words, plain.as_slice(), rest].concat())
    }

    /// The program under test. Verbs that talk to registries are told the
    /// registry's certificate authority.
    fn ours(&self, arguments: &[&str]) -> Run {
        Run::of(self.ours_command(arguments), None)
    }

    fn ours_command(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(Path::new(env!("CARGO_BIN_EXE_sluicegate")));
        command.args(arguments);
        let talks = !matches!(arguments.first(), Some(&("keygen" | "check")) | None);
        if talks && self.registry.access == Access::Tls {
            command.arg("--ca-file").arg(self.path("ca.pem"));
        }
        command
    }

    /// Makes `NAME.key` and `NAME.pub`.
    fn keygen(&self, name: &str) {
        self.ours(&["keygen", "--output-key-prefix", name]).ok();
    }

    /// A key pair of a peer, likewise.
    fn keygen_by(&self, cosign: &str, name: &str) {
        self.peer(cosign, &["generate-key-pair", "--output-key-prefix", name]).ok();
    }

    /// A clone of a repository that holds `examples/shop` as `shop`.
    fn shop(&self) {
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/shop");
        for (name, content) in files(&example) {
            let path = self.path("work/shop").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        self.git(&["init", "--quiet", "--initial-branch=main"]);
        self.git(&["remote", "add", "origin", "git@github.com:acme/shop.git"]);
        self.commit();
    }

    /// Changes a file of the shop, and commits.
    fn change_shop(&self, message: &str) {
        let path = self.path("work/shop/config/shop-values.yaml");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(path, text.replace("Welcome to the shop", message)).unwrap();
        self.commit();
    }

    fn commit(&self) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message=m"]);
    }

    fn git(&self, arguments: &[&str]) {
        let mut command = self.command(Path::new("git"));
        command.current_dir(self.path("work")).args(arguments);
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), "a");
            command.env(format!("GIT_{who}_EMAIL"), "a@example.com");
        }
        command.env("GIT_COMMITTER_DATE", "1700000000 +0000");
        Run::of(command, None).ok();
    }

    /// Publishes the shop without a lock; what it says as JSON.
    fn publish(&self, reference: &str, more: &[&str]) -> Value {
        let arguments = ["publish", "work/shop", reference, "--lock", "off", "-o", "json"];
        self.ours(&[&arguments, more].concat()).json()
    }

    /// Pushes two manifests with flux to `NAME:v1`; their digest.
    fn flux_push(&self, name: &str) -> String {
        self.write("app/configmap.yaml", CONFIG_MAP);
        self.write("app/kustomization.yaml", "resources: [configmap.yaml]\n");
        let place = self.oci(&format!("{name}:v1"));
        let revision = "--revision=v1.0.0@sha1:0123456789abcdef0123456789abcdef01234567";
        let source = "--source=https://example.com/team/app";
        let arguments = ["push", "artifact", &place, "--path=app", source, revision];
        self.flux(&[&arguments[..], &["--reproducible"]].concat()).ok();
        self.digest(&format!("{name}:v1"))
    }

    /// The digest that a peer sees at `NAME:TAG`.
    fn digest(&self, name: &str) -> String {
        self.crane(&["digest", &self.at(name)]).ok().trim().to_owned()
    }

    /// Whether cosign accepts: its exit code.
    fn cosign_verify(&self, cosign: &str, key: &str, name: &str) -> Run {
        self.peer(cosign, &["verify", "--key", key, "--insecure-ignore-tlog", &self.at(name)])
    }

    /// The statements of a type, as cosign 3 verifies them.
    fn cosign_statements(&self, key: &str, kind: &str, name: &str) -> Vec<Value> {
        let place = self.at(name);
        let arguments = ["verify-attestation", "--key", key, "--type", kind];
        let said = self.cosign3(&[&arguments[..], &["--insecure-ignore-tlog", &place]].concat());
        said.ok().lines().map(statement).collect()
    }

    fn verify(&self, key: &str, reference: &str) -> Run {
        self.ours(&["verify", reference, "--key", key, "-o", "json"])
    }
}

const CONFIG_MAP: &str =
    "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: app\n  namespace: team\ndata:\n  a: b\n";

/// The statement in an envelope, as cosign prints it.
fn statement(envelope: &str) -> Value {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let envelope: Value = serde_json::from_str(envelope).expect(envelope);
    let payload = STANDARD.decode(envelope["payload"].as_str().expect("a payload")).unwrap();
    serde_json::from_slice(&payload).unwrap()
}

/// The digests of what oras finds attached.
fn discovered(world: &World, name: &str) -> Vec<String> {
    let found = world.oras(&["discover", "--format", "json", &world.at(name)]).json();
    let none = Vec::new();
    let referrers = found["referrers"].as_array().unwrap_or(&none);
    referrers.iter().map(|r| text(&r["digest"])).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("a text, not {value}")).to_owned()
}

/// Every `key` of the objects in a list.
fn texts(list: &Value, key: &str) -> Vec<String> {
    list.as_array().expect("a list").iter().map(|item| text(&item[key])).collect()
}

/// Every file below a directory, by its path there.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut open = vec![dir.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(&next).unwrap().map(Result::unwrap) {
            match entry.file_type().unwrap().is_dir() {
                true => open.push(entry.path()),
                false => {
                    let name = entry.path().strip_prefix(dir).unwrap().to_str().unwrap().to_owned();
                    files.insert(name, fs::read(entry.path()).unwrap());
                }
            }
        }
    }
    files
}

/// What a publish of the shop packs.
fn packed_shop(world: &World) -> BTreeMap<String, Vec<u8>> {
    let mut files = files(&world.path("work/shop"));
    files.retain(|name, _| !name.ends_with(".md"));
    files
}

/// Where a peer is: as `tests/run` says, else as `install` prints it.
fn tool(name: &str) -> PathBuf {
    if let Some(path) = std::env::var_os(format!("SLUICEGATE_PEER_{}", name.to_uppercase())) {
        return path.into();
    }
    let install = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/install");
    let printed = Command::new(install).arg(name.replace('_', "-")).output().unwrap();
    let said = String::from_utf8_lossy(&printed.stdout);
    let path = said.lines().find_map(|line| line.strip_prefix(&format!("{name}=")));
    match (printed.status.success(), path) {
        (true, Some(path)) => path.into(),
        _ => panic!("the peer `{name}` is missing: {}", String::from_utf8_lossy(&printed.stderr)),
    }
}
