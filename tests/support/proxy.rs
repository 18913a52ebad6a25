//! A forward proxy on this machine (RFC 9110, sections 7.2 and 9.3.6): names
//! lead where the test says, and nowhere else. So a test can speak to hosts
//! that are not there, as a CI job behind a proxy does.

use std::{
    collections::BTreeMap,
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// How long a peer may stay silent.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running proxy; stops when dropped.
pub struct Proxy {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Starts one for which each `host:port` leads to an address here.
    pub fn start(names: &[(&str, &str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let owned = |(name, to): &(&str, &str)| ((*name).to_owned(), (*to).to_owned());
        let names: Arc<BTreeMap<_, _>> = Arc::new(names.iter().map(owned).collect());
        let (asked, stop) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<AtomicBool>::default());
        let (log, stopped) = (Arc::clone(&asked), Arc::clone(&stop));
        let thread = thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if stopped.load(Ordering::SeqCst) {
                    break;
                }
                let (names, log) = (Arc::clone(&names), Arc::clone(&log));
                // A peer that hangs up is its own business.
                thread::spawn(move || drop(serve(stream, &names, &log)));
            }
        });
        Self { address, asked, stop, thread: Some(thread) }
    }

    /// What `HTTP_PROXY` and `HTTPS_PROXY` are to say.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// `METHOD TARGET` of everything that was asked.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn serve(
    mut client: TcpStream,
    names: &BTreeMap<String, String>,
    log: &Mutex<Vec<String>>,
) -> io::Result<()> {
    client.set_read_timeout(Some(PATIENCE))?;
    let head = head(&mut client)?;
    let mut lines = head.split("\r\n");
    let request = lines.next().unwrap_or_default();
    let mut words = request.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    log.lock().unwrap().push(format!("{method} {target}"));
    let (host, path) = match target.strip_prefix("http://") {
        Some(rest) => {
            let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
            let port = if host.contains(':') { "" } else { ":80" };
            (format!("{host}{port}"), format!("/{path}"))
        }
        None => (target.to_owned(), String::new()),
    };
    let Some(to) = names.get(&host) else {
        return client.write_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n");
    };
    let mut server = TcpStream::connect(to)?;
    server.set_read_timeout(Some(PATIENCE))?;
    if method == "CONNECT" {
        client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    } else {
        // One request a connection: the next may be for another host.
        write!(server, "{method} {path} HTTP/1.1\r\nConnection: close\r\n")?;
        let kept = |line: &&str| !line.to_ascii_lowercase().contains("connection:");
        for line in lines.filter(|line| !line.is_empty()).filter(kept) {
            write!(server, "{line}\r\n")?;
        }
        server.write_all(b"\r\n")?;
    }
    let (from_client, to_server) = (client.try_clone()?, server.try_clone()?);
    let upwards = thread::spawn(move || pass(from_client, to_server));
    pass(server, client);
    let _ = upwards.join();
    Ok(())
}

/// Everything up to the empty line, byte by byte: what follows is not ours.
fn head(client: &mut TcpStream) -> io::Result<String> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && head.len() < 64 << 10 {
        client.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

fn pass(mut from: TcpStream, mut to: TcpStream) {
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}
