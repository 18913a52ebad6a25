#!/usr/bin/env python3
"""A private Sigstore on loopback: Fulcio, Rekor v2 and a timestamp authority, all real, and two OIDC
issuers that hand out tokens to whoever asks.

    run.py DIR FULCIO REKOR_SERVER TIMESTAMP_SERVER

DIR is made if it is not there, deleted at the end, and gets, last of all, `ready`:

    trusted_root.json     for verifiers; no CT log, so certificates carry no SCT
    signing_config.json   for signers
    endpoints.json        {"fulcio", "rekor", "tsa", "issuer", "github", "pids": {name: pid}}

Tokens, for the audience `sigstore` and ten minutes unless told otherwise (`aud`, `seconds`):

    GET {issuer}/token?email=alice@example.com
    GET {github}/token?repository=acme/shop&ref=refs/heads/main&workflow=release.yml&sha=<40 hex>&run=7

Everything ends with this process, which ends when its standard input is closed: whoever started it
cannot forget it.
"""

import base64
import datetime
import hashlib
import http.server
import json
import pathlib
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = datetime.timedelta(days=1)
NOW = datetime.datetime.now(datetime.timezone.utc)
VALID = {"start": (NOW - DAY).strftime("%Y-%m-%dT%H:%M:%SZ")}
READY_SECONDS = 30


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def b64(data):
    return base64.b64encode(data).decode()


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def new_key():
    return ec.generate_private_key(ec.SECP256R1())


def spki(key):
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.DER, form)


def pem(key, password):
    if password:
        cipher = serialization.BestAvailableEncryption(password)
    else:
        cipher = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, cipher)


def certificate(name, key, parent=None, purpose=None):
    """A certificate for `key`: a root, or below `parent` (certificate, key) for one `purpose`."""
    subject = x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "test"), x509.NameAttribute(NameOID.COMMON_NAME, name)]
    )
    issuer, signer = (parent[0].subject, parent[1]) if parent else (subject, key)
    leaf = purpose is not None
    usage = x509.KeyUsage(
        digital_signature=leaf,
        key_cert_sign=not leaf,
        crl_sign=not leaf,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + 365 * DAY)
        .add_extension(x509.BasicConstraints(ca=not leaf, path_length=None if leaf else 1), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if leaf:
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=True)
    return builder.sign(signer, hashes.SHA256())


def pem_chain(*chain):
    return b"".join(c.public_bytes(serialization.Encoding.PEM) for c in chain)


def mail_claims(query):
    return {"sub": query["email"], "email": query["email"], "email_verified": True}


def github_claims(query):
    """What Fulcio's issuer type `github-workflow` reads."""
    repository = query.get("repository", "acme/shop")
    ref = query.get("ref", "refs/heads/main")
    sha = query.get("sha", "a" * 40)
    workflow = query.get("workflow", "release.yml")
    at = f"{repository}/.github/workflows/{workflow}@{ref}"
    return {
        "sub": f"repo:{repository}:ref:{ref}",
        "repository": repository,
        "repository_id": "1",
        "repository_owner": repository.split("/")[0],
        "repository_owner_id": "2",
        "repository_visibility": "public",
        "ref": ref,
        "sha": sha,
        "event_name": query.get("event", "push"),
        "workflow": workflow,
        "workflow_ref": at,
        "workflow_sha": sha,
        "job_workflow_ref": at,
        "job_workflow_sha": sha,
        "run_id": query.get("run", "7"),
        "run_attempt": "1",
        "runner_environment": "github-hosted",
    }


def start_issuer(claims_of):
    """Serves discovery, keys and `/token`; returns the issuer's URL."""
    key = rsa.generate_private_key(65537, 2048)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    modulus = b64url(key.public_key().public_numbers().n.to_bytes(256, "big"))
    pages = {
        "/.well-known/openid-configuration": {
            "issuer": url,
            "jwks_uri": f"{url}/keys",
            "authorization_endpoint": f"{url}/auth",
            "token_endpoint": f"{url}/token",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        },
        "/keys": {"keys": [{"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "1", "n": modulus, "e": "AQAB"}]},
    }

    def token(query):
        now = int(time.time())
        times = {"iat": now - 5, "nbf": now - 5, "exp": now + int(query.get("seconds", "600"))}
        claims = {"iss": url, "aud": query.get("aud", "sigstore"), **times, **claims_of(query)}
        parts = [{"alg": "RS256", "kid": "1"}, claims]
        signed = ".".join(b64url(json.dumps(part).encode()) for part in parts)
        return signed + "." + b64url(key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            parsed = urllib.parse.urlparse(self.path)
            query = dict(urllib.parse.parse_qsl(parsed.query))
            if parsed.path == "/token":
                text = token(query)
            elif parsed.path == "/github/token":  # as GitHub's runner answers
                text = json.dumps({"value": token({**query, "aud": query["audience"]})})
            else:
                text = json.dumps(pages.get(parsed.path, {}))
            body = text.encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return url


class Services:
    """The three servers, each a process that is ended here."""

    def __init__(self, folder):
        self.folder = folder
        self.processes = {}

    def write(self, name, data):
        path = self.folder / name
        path.write_bytes(data if isinstance(data, bytes) else json.dumps(data, indent=1).encode())
        return str(path)

    def start(self, name, program, probe, **flags):
        log = self.folder / f"{name}.log"
        words = [f"--{flag.replace('_', '-')}={value}" for flag, value in flags.items()]
        with log.open("w") as out:
            process = subprocess.Popen([program, "serve", *words], stdout=out, stderr=out, stdin=subprocess.DEVNULL)
        self.processes[name] = process
        end = time.monotonic() + READY_SECONDS
        while time.monotonic() < end:
            if process.poll() is not None:
                sys.exit(f"{name} ended:\n{log.read_text()}")
            try:
                urllib.request.urlopen(probe, timeout=1)
                return
            except OSError:
                time.sleep(0.05)
        sys.exit(f"{name} is not ready after {READY_SECONDS} s:\n{log.read_text()}")

    def end(self):
        for process in self.processes.values():
            process.kill()
            process.wait()


def authority(name, url, *chain):
    ders = [c.public_bytes(serialization.Encoding.DER) for c in chain]
    return {
        "subject": {"organization": "test", "commonName": name},
        "uri": url,
        "validFor": VALID,
        "certChain": {"certificates": [{"rawBytes": b64(der)} for der in ders]},
    }


def service(url, version):
    return {"url": url, "majorApiVersion": version, "validFor": VALID, "operator": "test"}


def run(services, fulcio, rekor, tsa):
    mail, github = start_issuer(mail_claims), start_issuer(github_claims)
    loopback = "127.0.0.1"

    ca_key = new_key()
    ca = certificate("fulcio", ca_key)
    issuers = {
        mail: {"IssuerURL": mail, "ClientID": "sigstore", "Type": "email"},
        github: {"IssuerURL": github, "ClientID": "sigstore", "Type": "github-workflow"},
    }
    port = free_port()
    fulcio_url = f"http://{loopback}:{port}"
    services.start(
        "fulcio",
        fulcio,
        f"{fulcio_url}/healthz",
        host=loopback,
        port=port,
        grpc_host=loopback,
        grpc_port=free_port(),
        metrics_port=free_port(),
        ca="fileca",
        fileca_cert=services.write("fulcio.pem", pem_chain(ca)),
        fileca_key=services.write("fulcio.key", pem(ca_key, b"pw")),
        fileca_key_passwd="pw",
        fileca_watch="false",
        ct_log_url="",
        config_path=services.write("fulcio.json", {"OIDCIssuers": issuers}),
        legacy_unix_domain_socket=services.folder / "fulcio.sock",
    )

    log_key = new_key()
    port = free_port()
    rekor_url = f"http://{loopback}:{port}"
    services.start(
        "rekor",
        rekor,
        f"{rekor_url}/healthz",
        http_port=port,
        grpc_port=free_port(),
        http_metrics_port=free_port(),
        hostname="rekor.test",
        signer_filepath=services.write("rekor.key", pem(log_key, None)),
        storage_dir=services.folder / "rekor",
        checkpoint_interval="1s",
    )

    root_key, tsa_key = new_key(), new_key()
    root = certificate("timestamp root", root_key)
    leaf = certificate("timestamp", tsa_key, (root, root_key), ExtendedKeyUsageOID.TIME_STAMPING)
    port = free_port()
    tsa_url = f"http://{loopback}:{port}/api/v1/timestamp"
    services.start(
        "tsa",
        tsa,
        f"http://{loopback}:{port}/ping",
        host=loopback,
        port=port,
        timestamp_signer="file",
        file_signer_key_path=services.write("tsa.key", pem(tsa_key, b"pw")),
        file_signer_passwd="pw",
        certificate_chain_path=services.write("tsa.pem", pem_chain(leaf, root)),
        disable_ntp_monitoring="true",
    )

    log_id = {"keyId": b64(hashlib.sha256(spki(log_key)).digest())}
    public = {"rawBytes": b64(spki(log_key)), "keyDetails": "PKIX_ECDSA_P256_SHA_256", "validFor": VALID}
    log = {"baseUrl": "http://rekor.test", "hashAlgorithm": "SHA2_256", "publicKey": public}
    services.write(
        "trusted_root.json",
        {
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [{**log, "logId": log_id, "checkpointKeyId": log_id}],
            "certificateAuthorities": [authority("fulcio", fulcio_url, ca)],
            "ctlogs": [],
            "timestampAuthorities": [authority("timestamp root", tsa_url, leaf, root)],
        },
    )
    services.write(
        "signing_config.json",
        {
            "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
            "caUrls": [service(fulcio_url, 1)],
            "oidcUrls": [service(mail, 1)],
            "rekorTlogUrls": [service(rekor_url, 2)],
            "rekorTlogConfig": {"selector": "ANY"},
            "tsaUrls": [service(tsa_url, 1)],
            "tsaConfig": {"selector": "ANY"},
        },
    )
    pids = {name: process.pid for name, process in services.processes.items()}
    urls = {"fulcio": fulcio_url, "rekor": rekor_url, "tsa": tsa_url, "issuer": mail, "github": github}
    services.write("endpoints.json", {**urls, "pids": pids})
    services.write("ready", b"ready\n")


def main():
    if len(sys.argv) != 5:
        sys.exit("usage: run.py DIR FULCIO REKOR_SERVER TIMESTAMP_SERVER")
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    services = Services(folder)
    try:
        run(services, *sys.argv[2:])
        sys.stdin.read()
    finally:
        services.end()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
