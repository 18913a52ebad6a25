//! Signing keys: cosign's encrypted key files, and plain ones of other tools.
//!
//! Formats: PEM `ENCRYPTED SIGSTORE PRIVATE KEY` (written) and `ENCRYPTED
//! COSIGN PRIVATE KEY` (read), a JSON with scrypt and NaCl secretbox around a
//! PKCS#8 key (interop §3.1). ECDSA P-256 only: the one algorithm on which
//! cosign 2, cosign 3 and Flux agree. Neither key nor password appears in any
//! error; both are zeroed after use.

use std::{
    fs::{self, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use aws_lc_rs::{
    encoding::{AsDer, PublicKeyX509Der},
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair},
};
use crypto_secretbox::{KeyInit, XSalsa20Poly1305, aead::Aead};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::model::evidence::key::{Fingerprint, KeyError, PublicKey};

/// The largest key file that is read.
const MAX_FILE: u64 = 64 * 1024;
/// The label of the files that are written.
const LABEL: &str = "ENCRYPTED SIGSTORE PRIVATE KEY";
/// The label that older cosign wrote.
const OLD_LABEL: &str = "ENCRYPTED COSIGN PRIVATE KEY";
/// scrypt's cost of the files that are written, as cosign writes it.
const LOG_N: u8 = 16;
/// The costs that are read (N = 32768, 65536, 131072); anything else would let
/// a key file exhaust memory.
const LOG_N_READ: [u8; 3] = [15, 16, 17];

/// A private key that can sign.
pub struct SigningKey {
    pair: EcdsaKeyPair,
    public: PublicKey,
}

impl SigningKey {
    /// A new P-256 key.
    ///
    /// # Errors
    /// [`SignerError::Crypto`] when the system has no randomness.
    pub fn generate() -> Result<Self, SignerError> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING)
            .map_err(|_| SignerError::Crypto)?;
        Self::new(pair)
    }

    fn from_der(der: &[u8]) -> Result<Self, SignerError> {
        let pair = EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_ASN1_SIGNING, der)
            .map_err(|_| SignerError::Algorithm)?;
        Self::new(pair)
    }

    fn new(pair: EcdsaKeyPair) -> Result<Self, SignerError> {
        let spki = AsDer::<PublicKeyX509Der<'_>>::as_der(pair.public_key())
            .map_err(|_| SignerError::Crypto)?;
        let public =
            PublicKey::from_spki(spki.as_ref().to_vec()).map_err(|_| SignerError::Crypto)?;
        Ok(Self { pair, public })
    }

    /// The public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// What distinguishes this key.
    pub fn fingerprint(&self) -> Fingerprint {
        self.public.fingerprint()
    }

    /// Signs `message`: ECDSA P-256 with SHA-256, ASN.1 DER.
    ///
    /// # Errors
    /// [`SignerError::Crypto`].
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        let signature =
            self.pair.sign(&SystemRandom::new(), message).map_err(|_| SignerError::Crypto)?;
        Ok(signature.as_ref().to_vec())
    }

    /// The key file that cosign reads, encrypted with `password`.
    ///
    /// # Errors
    /// [`SignerError::Crypto`].
    pub fn to_encrypted_pem(&self, password: &[u8]) -> Result<Zeroizing<String>, SignerError> {
        let der = self.pair.to_pkcs8v1().map_err(|_| SignerError::Crypto)?;
        encrypt(der.as_ref(), password)
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey({})", self.fingerprint())
    }
}

/// A key that was loaded.
#[derive(Debug)]
pub struct Loaded {
    /// The key.
    pub key: SigningKey,
    /// Whether the file was not encrypted.
    pub in_clear: bool,
}

/// Loads a signing key from a path or `env://VAR`. `password` is asked only
/// when the key is encrypted.
///
/// # Errors
/// [`SignerError`] naming the reference, never its content.
pub fn load(
    reference: &str,
    password: &mut dyn FnMut(&str) -> Result<Zeroizing<String>, SignerError>,
) -> Result<Loaded, SignerError> {
    let text = read(reference)?;
    seed();
    parse(&text, reference, password)
}

/// Looks whether there is a private key that could be loaded, without its
/// password.
///
/// # Errors
/// As [`load`], but for the password.
pub fn look_at(reference: &str) -> Result<(), SignerError> {
    let no_password = || SignerError::NoPassword { reference: reference.into() };
    match parse(&read(reference)?, reference, &mut |_| Err(no_password())) {
        Ok(_) | Err(SignerError::NoPassword { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Starts to seed the random numbers that signing needs, which takes longer
/// than a signature; the key is decrypted meanwhile.
fn seed() {
    std::thread::spawn(|| aws_lc_rs::rand::fill(&mut [0; 1]));
}

/// Parses a private key; `reference` says in errors where it came from.
///
/// # Errors
/// As [`load`].
pub fn parse(
    text: &[u8],
    reference: &str,
    password: &mut dyn FnMut(&str) -> Result<Zeroizing<String>, SignerError>,
) -> Result<Loaded, SignerError> {
    let bad =
        |fault: &str| SignerError::Malformed { reference: reference.into(), fault: fault.into() };
    let blocks = pem::parse_many(text).map_err(|_| bad("it is not PEM"))?;
    let only = blocks.len() == 1;
    // OpenSSL writes the curve in a block of its own before a SEC1 key.
    let chosen = blocks.into_iter().find(|block| only || block.tag().ends_with("PRIVATE KEY"));
    let block = chosen.ok_or_else(|| bad("it holds no private key"))?;
    let tag = block.tag().to_owned();
    let content = Zeroizing::new(block.into_contents());
    let (key, in_clear) = match tag.as_str() {
        LABEL | OLD_LABEL => {
            let sealed = Sealed::parse(&content, reference)?;
            let password = password(reference)?;
            let der = sealed.unseal(password.as_bytes(), reference)?;
            // cosign refuses SEC1 inside an encrypted file; so what is accepted
            // here is accepted there.
            if !is_pkcs8(&der) {
                return Err(bad("the encrypted key is not PKCS#8"));
            }
            (SigningKey::from_der(&der)?, false)
        }
        "PRIVATE KEY" | "EC PRIVATE KEY" => (SigningKey::from_der(&content)?, true),
        "PUBLIC KEY" => return Err(bad("it is a public key; signing needs the private half")),
        "ENCRYPTED PRIVATE KEY" => {
            return Err(bad(
                "it is encrypted PKCS#8, which cosign does not read either; import it with `cosign import-key-pair`",
            ));
        }
        _ => return Err(bad("it is not a private key that is supported")),
    };
    Ok(Loaded { key, in_clear })
}

/// Loads the public keys of a path or `env://VAR`.
///
/// # Errors
/// [`SignerError`] naming the reference.
pub fn load_public(reference: &str) -> Result<Vec<PublicKey>, SignerError> {
    let text = read(reference)?;
    PublicKey::from_pem(&text)
        .map_err(|source| SignerError::Public { reference: reference.into(), source })
}

/// The files that [`write_pair`] would write. None may exist, and the directory
/// must.
///
/// # Errors
/// [`SignerError::Write`].
pub fn check_pair(prefix: &Path) -> Result<(PathBuf, PathBuf), SignerError> {
    let with = |extension: &str| {
        let mut path = prefix.as_os_str().to_owned();
        path.push(extension);
        PathBuf::from(path)
    };
    let (private, public) = (with(".key"), with(".pub"));
    for path in [&private, &public] {
        // A link that leads nowhere is there as well.
        if path.symlink_metadata().is_ok() {
            return Err(exists(path));
        }
    }
    let parent = private.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = fs::metadata(parent.unwrap_or(Path::new(".")));
    let fault = match directory {
        Ok(found) if found.is_dir() => return Ok((private, public)),
        Ok(_) => io::ErrorKind::NotADirectory.into(),
        Err(error) => error,
    };
    Err(SignerError::Write { path: private, source: fault })
}

/// Writes `<prefix>.key` (0600) and `<prefix>.pub` (0644); neither may exist.
///
/// # Errors
/// [`SignerError::Write`]; when the second file cannot be written, the first is
/// removed again.
pub fn write_pair(
    prefix: &Path,
    key: &SigningKey,
    password: &[u8],
) -> Result<(PathBuf, PathBuf), SignerError> {
    let (private, public) = check_pair(prefix)?;
    let pem = key.to_encrypted_pem(password)?;
    create(&private, pem.as_bytes(), 0o600)?;
    if let Err(error) = create(&public, key.public().to_pem().as_bytes(), 0o644) {
        let _ = fs::remove_file(&private);
        return Err(error);
    }
    Ok((private, public))
}

fn create(path: &Path, bytes: &[u8], mode: u32) -> Result<(), SignerError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    let written = options.open(path).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => exists(path),
        _ => SignerError::Write { path: path.to_owned(), source },
    })
}

fn exists(path: &Path) -> SignerError {
    SignerError::Write { path: path.to_owned(), source: io::ErrorKind::AlreadyExists.into() }
}

fn read(reference: &str) -> Result<Zeroizing<Vec<u8>>, SignerError> {
    if reference.contains("-----") || reference.contains('\n') {
        return Err(SignerError::Inline);
    }
    if let Some(name) = reference.strip_prefix("env://") {
        return match std::env::var(name) {
            Ok(text) => Ok(Zeroizing::new(text.into_bytes())),
            Err(_) => Err(SignerError::NoVariable { name: name.into() }),
        };
    }
    if let Some((scheme, _)) = reference.split_once("://") {
        return Err(SignerError::Scheme { scheme: scheme.into() });
    }
    if reference.starts_with("pkcs11:") {
        return Err(SignerError::Scheme { scheme: "pkcs11".into() });
    }
    let failed = |source| SignerError::Read { path: reference.into(), source };
    let mut text = Zeroizing::new(Vec::new());
    let file = fs::File::open(reference).map_err(failed)?;
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(failed(io::Error::other("it is not a regular file")));
    }
    file.take(MAX_FILE + 1).read_to_end(&mut text).map_err(failed)?;
    if text.len() as u64 > MAX_FILE {
        return Err(failed(io::Error::other("it is larger than 64 KiB")));
    }
    Ok(text)
}

/// The JSON inside a cosign key file.
#[derive(Serialize, Deserialize)]
struct Envelope {
    kdf: Kdf,
    cipher: Cipher,
    ciphertext: String,
}

#[derive(Serialize, Deserialize)]
struct Kdf {
    name: String,
    params: KdfParams,
    salt: String,
}

#[derive(Serialize, Deserialize)]
struct KdfParams {
    #[serde(rename = "N")]
    n: u64,
    r: u32,
    p: u32,
}

#[derive(Serialize, Deserialize)]
struct Cipher {
    name: String,
    nonce: String,
}

fn encrypt(der: &[u8], password: &[u8]) -> Result<Zeroizing<String>, SignerError> {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let (mut salt, mut nonce) = ([0; 32], [0; 24]);
    aws_lc_rs::rand::fill(&mut salt).map_err(|_| SignerError::Crypto)?;
    aws_lc_rs::rand::fill(&mut nonce).map_err(|_| SignerError::Crypto)?;
    let sealed = secretbox(password, &salt, LOG_N)?
        .encrypt((&nonce).into(), der)
        .map_err(|_| SignerError::Crypto)?;
    let envelope = Envelope {
        kdf: Kdf {
            name: "scrypt".into(),
            params: KdfParams { n: 1 << LOG_N, r: 8, p: 1 },
            salt: STANDARD.encode(salt),
        },
        cipher: Cipher { name: "nacl/secretbox".into(), nonce: STANDARD.encode(nonce) },
        ciphertext: STANDARD.encode(sealed),
    };
    let json = serde_json::to_vec(&envelope).map_err(|_| SignerError::Crypto)?;
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    Ok(Zeroizing::new(pem::encode_config(&pem::Pem::new(LABEL, json), config)))
}

/// The encrypted content of a key file, found well-formed.
pub struct Sealed {
    log_n: u8,
    salt: Vec<u8>,
    nonce: [u8; 24],
    sealed: Vec<u8>,
}

impl Sealed {
    /// Reads the JSON of a key file.
    ///
    /// # Errors
    /// [`SignerError::Malformed`].
    pub fn parse(json: &[u8], reference: &str) -> Result<Self, SignerError> {
        use base64::{Engine, engine::general_purpose::STANDARD};
        let bad = |fault: &str| SignerError::Malformed {
            reference: reference.into(),
            fault: fault.into(),
        };
        let envelope: Envelope =
            serde_json::from_slice(json).map_err(|_| bad("its content is not cosign's JSON"))?;
        let KdfParams { n, r, p } = envelope.kdf.params;
        let log_n = LOG_N_READ.into_iter().find(|log| n == 1 << log);
        let (Some(log_n), "scrypt", "nacl/secretbox", 8, 1) =
            (log_n, envelope.kdf.name.as_str(), envelope.cipher.name.as_str(), r, p)
        else {
            return Err(bad(
                "its cipher or scrypt parameters are not among cosign's; expected `scrypt` with N 32768, 65536 or 131072, r 8, p 1 and `nacl/secretbox`",
            ));
        };
        let decode = |text: &str| STANDARD.decode(text).map_err(|_| bad("its base64 is malformed"));
        let nonce = decode(&envelope.cipher.nonce)?;
        Ok(Self {
            log_n,
            salt: decode(&envelope.kdf.salt)?,
            nonce: nonce.try_into().map_err(|_| bad("its nonce is not 24 bytes"))?,
            sealed: decode(&envelope.ciphertext)?,
        })
    }

    /// Decrypts it.
    fn unseal(&self, password: &[u8], reference: &str) -> Result<Zeroizing<Vec<u8>>, SignerError> {
        let secretbox = secretbox(password, &self.salt, self.log_n)?;
        match secretbox.decrypt((&self.nonce).into(), self.sealed.as_slice()) {
            Ok(opened) => Ok(Zeroizing::new(opened)),
            Err(_) => Err(SignerError::Password { reference: reference.into() }),
        }
    }
}

/// Opens the JSON of a key file.
///
/// # Errors
/// [`SignerError::Malformed`], or [`SignerError::Password`] when everything is
/// well-formed and the password does not fit.
pub fn decrypt(
    json: &[u8],
    password: &[u8],
    reference: &str,
) -> Result<Zeroizing<Vec<u8>>, SignerError> {
    Sealed::parse(json, reference)?.unseal(password, reference)
}

fn secretbox(password: &[u8], salt: &[u8], log_n: u8) -> Result<XSalsa20Poly1305, SignerError> {
    let mut key = [0; 32];
    let params = scrypt::Params::new(log_n, 8, 1).map_err(|_| SignerError::Crypto)?;
    scrypt::scrypt(password, salt, &params, &mut key).map_err(|_| SignerError::Crypto)?;
    let secretbox = XSalsa20Poly1305::new((&key).into());
    key.zeroize();
    Ok(secretbox)
}

/// Whether DER is PKCS#8 (`SEQUENCE { INTEGER version, SEQUENCE algorithm …`)
/// rather than SEC1 (`SEQUENCE { INTEGER 1, OCTET STRING …`).
fn is_pkcs8(der: &[u8]) -> bool {
    let body = match der {
        [0x30, length, body @ ..] if *length < 0x80 => body,
        [0x30, 0x81, _, body @ ..] => body,
        [0x30, 0x82, _, _, body @ ..] => body,
        _ => return false,
    };
    matches!(body, [0x02, 0x01, _, 0x30, ..])
}

/// A key that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SignerError {
    /// The file cannot be read.
    #[error("cannot read the key `{path}`")]
    Read {
        /// The path.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The file cannot be written.
    #[error("cannot write the key `{path}`")]
    Write {
        /// The path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The environment variable is not set or not UTF-8.
    #[error("the environment variable `{name}` that should hold the key is not set")]
    NoVariable {
        /// The variable.
        name: String,
    },
    /// A key reference of a kind that is not supported.
    #[error(
        "key references of the kind `{scheme}` are not supported; expected the path of a key file or `env://VARIABLE`"
    )]
    Scheme {
        /// The kind, such as `awskms`.
        scheme: String,
    },
    /// The text of a key where its place is expected. It is not quoted: it may
    /// be a private key.
    #[error("the text of a key was given; expected the path of a key file or `env://VARIABLE`")]
    Inline,
    /// The text is no key.
    #[error("`{reference}` is not a usable private key: {fault}")]
    Malformed {
        /// The path or variable.
        reference: String,
        /// What is wrong.
        fault: String,
    },
    /// The text is no public key.
    #[error("`{reference}` is not a usable public key")]
    Public {
        /// The path or variable.
        reference: String,
        /// What is wrong.
        source: KeyError,
    },
    /// The password does not open the key.
    #[error("the password does not open `{reference}`")]
    Password {
        /// The path or variable.
        reference: String,
    },
    /// There is no password.
    #[error("`{reference}` is encrypted and there is no password")]
    NoPassword {
        /// The path or variable.
        reference: String,
    },
    /// A key of another algorithm or curve.
    #[error("the key is not ECDSA P-256, the only kind on which cosign and Flux agree")]
    Algorithm,
    /// The cryptographic library failed.
    #[error("the cryptographic library failed")]
    Crypto,
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests {
    use super::*;

    fn load_text(text: &str, password: &str) -> Result<Loaded, SignerError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        let password = password.to_owned();
        load(file.path().to_str().unwrap(), &mut |_| Ok(Zeroizing::new(password.clone())))
    }

    #[test]
    fn an_encrypted_key_is_read_back_and_only_with_its_password() {
        let key = SigningKey::generate().unwrap();
        let pem = key.to_encrypted_pem(b"secret").unwrap();
        assert!(pem.starts_with("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n"));
        let loaded = load_text(&pem, "secret").unwrap();
        assert_eq!(loaded.key.fingerprint(), key.fingerprint());
        assert!(!loaded.in_clear);
        let signature = loaded.key.sign(b"message").unwrap();
        assert!(key.public().verifies(b"message", &signature));
        assert!(!key.public().verifies(b"other", &signature));
        let wrong = load_text(&pem, "other").unwrap_err();
        assert!(matches!(wrong, SignerError::Password { .. }), "{wrong}");
        let old = pem.replace("SIGSTORE", "COSIGN");
        assert_eq!(load_text(&old, "secret").unwrap().key.fingerprint(), key.fingerprint());
    }

    #[test]
    fn parameters_that_exhaust_memory_are_refused() {
        let key = SigningKey::generate().unwrap();
        let pem = key.to_encrypted_pem(b"").unwrap();
        let json = String::from_utf8(pem::parse(pem.as_bytes()).unwrap().into_contents()).unwrap();
        for (from, to) in [
            ("\"N\":65536", "\"N\":1073741824"),
            ("\"N\":65536", "\"N\":2"),
            ("\"r\":8", "\"r\":1024"),
            ("\"p\":1", "\"p\":64"),
            ("scrypt", "argon2"),
            ("nacl/secretbox", "aes"),
        ] {
            assert!(json.contains(from), "{from}");
            let error = decrypt(json.replacen(from, to, 1).as_bytes(), b"", "k").unwrap_err();
            assert!(error.to_string().contains("parameters"), "{to}: {error}");
        }
    }

    #[test]
    fn plain_keys_of_other_tools_are_read_and_said_to_be_in_clear() {
        let key = SigningKey::generate().unwrap();
        let der = key.pair.to_pkcs8v1().unwrap();
        let text = pem::encode(&pem::Pem::new("PRIVATE KEY", der.as_ref().to_vec()));
        let loaded = load_text(&text, "").unwrap();
        assert!(loaded.in_clear);
        assert_eq!(loaded.key.fingerprint(), key.fingerprint());
    }

    #[test]
    fn other_references_say_what_is_supported() {
        let mut none = |_: &str| Ok(Zeroizing::new(String::new()));
        for reference in
            ["awskms:///alias/x", "gcpkms://x", "k8s://ns/secret", "https://x/y", "pkcs11:x"]
        {
            let error = load(reference, &mut none).unwrap_err().to_string();
            assert!(error.contains("env://VARIABLE"), "{reference}: {error}");
        }
        let error = load("env://SLUICEGATE_NO_SUCH_VARIABLE", &mut none).unwrap_err().to_string();
        assert!(error.contains("SLUICEGATE_NO_SUCH_VARIABLE"), "{error}");
        let error = load_text("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "")
            .unwrap_err();
        assert!(error.to_string().contains("public key"), "{error}");
    }

    #[test]
    fn a_pair_is_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let prefix = dir.path().join("cosign");
        let key = SigningKey::generate().unwrap();
        let (private, public) = write_pair(&prefix, &key, b"").unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&private).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let before = fs::read(&private).unwrap();
        assert!(write_pair(&prefix, &key, b"").is_err());
        fs::remove_file(&public).unwrap();
        assert!(write_pair(&prefix, &key, b"").is_err());
        assert!(!public.exists());
        assert_eq!(fs::read(&private).unwrap(), before);
        assert!(
            load_public(private.to_str().unwrap()).unwrap_err().to_string().contains("public key")
        );
    }
}
