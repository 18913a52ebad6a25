//! A private Sigstore of real parts, one for all tests of this process: Fulcio,
//! Rekor v2, a timestamp authority and two issuers (`sigstore/run.py`).

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::OnceLock,
};

use super::*;

/// Where everything is.
pub struct Sigstore {
    dir: PathBuf,
    endpoints: Value,
    /// Its standard input is open as long as this process lives, and then it
    /// ends with all that it started, and deletes its directory.
    _process: Child,
}

/// How long all parts may take to start.
const PATIENCE: Duration = Duration::from_secs(120);

/// The one of this process.
pub fn sigstore() -> &'static Sigstore {
    static ONE: OnceLock<Sigstore> = OnceLock::new();
    ONE.get_or_init(Sigstore::start)
}

impl Sigstore {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap().keep();
        let log = dir.join("run.log");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/sigstore/run.py");
        let mut command = Command::new("python3");
        command.arg(script).arg(&dir);
        for name in ["fulcio", "rekor_server", "timestamp_server"] {
            command.arg(tool(name));
        }
        command.env_remove("HTTP_PROXY").env_remove("HTTPS_PROXY");
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        command.stderr(fs::File::create(&log).unwrap());
        let mut process = command.spawn().expect("python3");
        let started = Instant::now();
        while !dir.join("ready").exists() {
            let said = || fs::read_to_string(&log).unwrap_or_default();
            assert!(process.try_wait().unwrap().is_none(), "Sigstore ended: {}", said());
            assert!(started.elapsed() < PATIENCE, "Sigstore is not ready: {}", said());
            std::thread::sleep(Duration::from_millis(50));
        }
        let endpoints = fs::read_to_string(dir.join("endpoints.json")).unwrap();
        let endpoints = serde_json::from_str(&endpoints).unwrap();
        Self { dir, endpoints, _process: process }
    }

    /// A file that it wrote.
    pub fn file(&self, name: &str) -> String {
        self.dir.join(name).to_str().unwrap().to_owned()
    }

    /// The URL of a part: `fulcio`, `rekor`, `tsa`, `issuer`, `github`.
    pub fn url(&self, name: &str) -> &str {
        self.endpoints[name].as_str().unwrap()
    }

    /// A token of an issuer; `query` says for whom.
    pub fn token(&self, issuer: &str, query: &str) -> String {
        let host = self.url(issuer).strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(host).unwrap();
        write!(stream, "GET /token?{query} HTTP/1.0\r\nHost: {host}\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, token) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(" 200 "), "{answer}");
        token.to_owned()
    }

    /// The signing configuration with the URL of one part replaced.
    pub fn config_with(&self, part: &str, url: &str) -> Value {
        let text = fs::read_to_string(self.file("signing_config.json")).unwrap();
        let mut config: Value = serde_json::from_str(&text).unwrap();
        config[part][0]["url"] = url.into();
        config
    }

    /// The trust root, for changing it.
    pub fn root(&self) -> Value {
        let text = fs::read_to_string(self.file("trusted_root.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    }
}
