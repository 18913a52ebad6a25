//! Real registries on loopback, each killed when dropped.

use super::*;
use crate::support::tokens::{Algorithm, ISSUER, SERVICE, Tokens};

/// Which registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// With the referrers API.
    Olareg,
    /// Debian's docker-registry: without it.
    Distribution,
}

/// How it is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anybody, over HTTP.
    Http,
    /// Anybody, over TLS with a certificate authority of its own: `ca.pem`.
    Tls,
    /// Users of a password file, over HTTP.
    Login,
    /// Whoever has a token of a token service, over HTTP.
    Tokens(Algorithm),
}

/// A registry that runs.
pub struct Server {
    pub host: String,
    pub kind: Kind,
    pub access: Access,
    /// The token service that the registry trusts.
    pub tokens: Option<Tokens>,
    /// What was asked, one line each: distribution only.
    log: PathBuf,
    _process: Process,
}

/// A process that ends with its handle.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// How long a registry may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

impl Server {
    /// Starts one; its files are in `dir`.
    pub fn start(kind: Kind, access: Access, dir: &Path) -> Self {
        let tokens = match access {
            Access::Tokens(algorithm) => Some(Tokens::start(algorithm, LOGIN, dir)),
            Access::Tls => {
                certificates(dir);
                None
            }
            Access::Http | Access::Login => None,
        };
        // Somebody else may take the port between our look and the start.
        for _ in 0..10 {
            let port = free_port();
            let log = dir.join(format!("registry-{port}.log"));
            let mut command = match kind {
                Kind::Olareg => olareg(access, dir, port),
                Kind::Distribution => distribution(access, tokens.as_ref(), dir, port),
            };
            let asked = dir.join(format!("registry-{port}.access"));
            command.stdin(Stdio::null()).stdout(fs::File::create(&asked).unwrap());
            command.stderr(fs::File::create(&log).unwrap());
            let mut process = Process(command.spawn().unwrap());
            if answers(&mut process, port) {
                let host = format!("127.0.0.1:{port}");
                return Self { host, kind, access, tokens, log: asked, _process: process };
            }
            let ended = process.0.try_wait().unwrap();
            assert!(ended.is_some(), "the registry does not answer: {}", read(&log));
        }
        panic!("no registry starts");
    }
}

impl Server {
    /// The requests so far, in Apache's combined format.
    pub fn access_log(&self) -> String {
        read(&self.log)
    }
}

fn olareg(access: Access, dir: &Path, port: u16) -> Command {
    assert!(matches!(access, Access::Http | Access::Tls), "olareg knows no users");
    let mut command = Command::new(tool("olareg"));
    command.args(["serve", "--addr", "127.0.0.1", "--store-type", "mem"]);
    command.args(["--port", &port.to_string()]);
    if access == Access::Tls {
        command.arg("--tls-cert").arg(dir.join("tls.pem"));
        command.arg("--tls-key").arg(dir.join("tls.key"));
    }
    command
}

fn distribution(access: Access, tokens: Option<&Tokens>, dir: &Path, port: u16) -> Command {
    let root = dir.join(format!("registry-{port}"));
    let mut config = format!(
        "version: 0.1\nlog: {{level: info}}\n\
         storage: {{filesystem: {{rootdirectory: {}}}, delete: {{enabled: true}}}}\n\
         http:\n  addr: 127.0.0.1:{port}\n",
        root.display()
    );
    match access {
        Access::Http => {}
        Access::Tokens(_) => config.push_str(&format!(
            "auth: {{token: {{realm: '{}', service: {SERVICE}, issuer: {ISSUER}, \
             rootcertbundle: {}/token.pem}}}}\n",
            tokens.map(Tokens::realm).unwrap_or_default(),
            dir.display()
        )),
        Access::Tls => config.push_str(&format!(
            "  tls: {{certificate: {0}/tls.pem, key: {0}/tls.key}}\n",
            dir.display()
        )),
        Access::Login => {
            let users = dir.join("htpasswd");
            let made = Command::new(tool("htpasswd")).args(["-Bbn", LOGIN.0, LOGIN.1]).output();
            fs::write(&users, made.unwrap().stdout).unwrap();
            config.push_str(&format!(
                "auth: {{htpasswd: {{realm: test, path: {}}}}}\n",
                users.display()
            ));
        }
    }
    let path = dir.join(format!("registry-{port}.yml"));
    fs::write(&path, config).unwrap();
    let mut command = Command::new(tool("docker_registry"));
    command.arg("serve").arg(path).env("OTEL_TRACES_EXPORTER", "none");
    command
}

/// Whether the process accepts connections before it ends or patience does.
fn answers(process: &mut Process, port: u16) -> bool {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if process.0.try_wait().unwrap().is_some() {
            return false;
        }
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            // One that could not have the port is about to end.
            std::thread::sleep(Duration::from_millis(50));
            return process.0.try_wait().unwrap().is_none();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

/// A port that nobody has now.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn read(path: &Path) -> String {
    let mut text = String::new();
    let _ = fs::File::open(path).and_then(|mut file| file.read_to_string(&mut text));
    text
}

/// A certificate authority (`ca.pem`) and a server's certificate (`tls.pem`,
/// `tls.key`) for loopback.
fn certificates(dir: &Path) {
    fs::write(
        dir.join("server.ext"),
        "subjectAltName=DNS:localhost,DNS:registry.example,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n\
         keyUsage=digitalSignature\nextendedKeyUsage=serverAuth\n",
    )
    .unwrap();
    let curve = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    for line in [
        &format!(
            "req -x509 {curve} -days 30 -subj /CN=ca -addext basicConstraints=critical,CA:TRUE \
             -addext keyUsage=critical,keyCertSign,cRLSign -keyout ca.key -out ca.pem"
        ),
        &format!("req -new {curve} -subj /CN=localhost -keyout tls.key -out tls.csr"),
        "x509 -req -in tls.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 \
         -extfile server.ext -out tls.pem",
    ] {
        let mut command = Command::new("openssl");
        command.current_dir(dir).args(line.split_whitespace());
        Run::of(command, None).ok();
    }
}
