//! Reads certificates and the client key from files, and makes sure that they
//! are what they should be: reqwest accepts a garbage PEM in silence.

use std::{io::Read as _, path::Path};

use reqwest::{Certificate, Client, Identity};
use zeroize::Zeroizing;

use super::{
    Result,
    error::{Fault, RegistryError},
    options::Options,
};

const MAX_FILE: u64 = 4 * 1024 * 1024;

/// What TLS connections need beside the platform's certificates.
#[derive(Debug, Default)]
pub(super) struct Tls {
    pub(super) roots: Vec<Certificate>,
    pub(super) identity: Option<Identity>,
}

impl Tls {
    /// Reads and checks the files that the options name.
    pub(super) fn read(options: &Options) -> Result<Self> {
        let roots = match &options.ca_file {
            Some(file) => {
                let action = || format!("read the CA certificates of `{}`", file.display());
                roots_of(file).map_err(|fault| RegistryError::new(action(), fault))?
            }
            None => Vec::new(),
        };
        let identity = match (&options.client_cert, &options.client_key) {
            (Some(cert), Some(key)) => Some(identity_of(cert, key)?),
            (None, None) => None,
            _ => {
                return Err(RegistryError::new(
                    "set up the client certificate",
                    Fault::Malformed(
                        "expected both a client certificate and a client key, got one of them"
                            .into(),
                    ),
                ));
            }
        };
        Ok(Self { roots, identity })
    }
}

fn roots_of(file: &Path) -> Result<Vec<Certificate>, Fault> {
    let sections = sections_of(file)?;
    let mut roots = Vec::new();
    for section in sections.iter().filter(|section| section.tag() == "CERTIFICATE") {
        let root = Certificate::from_der(section.contents()).map_err(|_| not_a_certificate())?;
        // Only building a client shows whether the certificate can be used.
        Client::builder()
            .tls_certs_only([root.clone()])
            .build()
            .map_err(|_| not_a_certificate())?;
        roots.push(root);
    }
    if roots.is_empty() {
        return Err(Fault::Malformed("expected at least one PEM section `CERTIFICATE`".into()));
    }
    Ok(roots)
}

fn not_a_certificate() -> Fault {
    Fault::Malformed("a PEM section `CERTIFICATE` holds no X.509 certificate".into())
}

fn identity_of(cert: &Path, key: &Path) -> Result<Identity> {
    let read = |file: &Path, wanted: &'static str, fits: fn(&str) -> bool| {
        let action = || format!("read the client certificate's {wanted} of `{}`", file.display());
        let sections = sections_of(file).map_err(|fault| RegistryError::new(action(), fault))?;
        let mut text = Zeroizing::new(String::new());
        for section in sections.iter().filter(|section| fits(section.tag())) {
            text.push_str(&Zeroizing::new(pem::encode(section)));
        }
        if text.is_empty() {
            let fault = Fault::Malformed(format!("expected a PEM section with the {wanted}"));
            return Err(RegistryError::new(action(), fault));
        }
        Ok(text)
    };
    let certificates = read(cert, "certificate", |tag| tag == "CERTIFICATE")?;
    let key_text = read(key, "unencrypted private key", |tag| {
        matches!(tag, "PRIVATE KEY" | "EC PRIVATE KEY" | "RSA PRIVATE KEY")
    })?;
    let both = Zeroizing::new(format!("{}{}", *key_text, *certificates));
    let checked = Identity::from_pem(both.as_bytes()).and_then(|identity| {
        Client::builder().tls_certs_only([]).identity(identity.clone()).build()?;
        Ok(identity)
    });
    checked.map_err(|_| {
        RegistryError::new(
            format!("use the client certificate `{}` with `{}`", cert.display(), key.display()),
            Fault::Malformed("expected a certificate and the key that belongs to it".into()),
        )
    })
}

fn sections_of(file: &Path) -> Result<Vec<pem::Pem>, Fault> {
    let mut bytes = Zeroizing::new(Vec::new());
    std::fs::File::open(file)?.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(Fault::TooLarge { limit: MAX_FILE });
    }
    pem::parse_many(&*bytes).map_err(|_| Fault::Malformed("expected PEM".into()))
}
