//! The files that make a policy: its own, and what it refers to. Bounded reads,
//! nothing else.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use crate::api::trust_policy::{Ask, MAX_FILE, Missing};

/// The largest file of public keys that is read, in bytes.
const MAX_KEYS: u64 = 64 << 10;
/// The largest trust root that is read, in bytes.
pub const MAX_ROOT: u64 = 4 << 20;
/// The most keys of a Secret.
const MAX_SECRET: usize = 100;

/// Where the things are that a policy refers to.
#[derive(Debug, Clone, Default)]
pub struct Files {
    /// The directory of the policy's file.
    pub base: PathBuf,
    /// Directories that stand for Secrets, by name.
    pub secrets: BTreeMap<String, PathBuf>,
}

impl Files {
    /// Reads what a policy refers to.
    ///
    /// # Errors
    /// [`Missing`] saying what was looked for and what to do.
    pub fn load(&self, ask: Ask<'_>) -> Result<Vec<u8>, Missing> {
        match ask {
            Ask::KeyFile(path) => wanted(&self.base.join(path), MAX_KEYS, "a public key"),
            Ask::RootFile(path) => wanted(&self.base.join(path), MAX_ROOT, "a trust root"),
            Ask::KeySecret(name) => self.secret(name).and_then(keys),
            Ask::RootSecret(name) => {
                let path = self.secret(name)?.join("trusted_root.json");
                wanted(&path, MAX_ROOT, "a trust root")
            }
        }
    }

    fn secret(&self, name: &str) -> Result<&Path, Missing> {
        self.secrets.get(name).map(PathBuf::as_path).ok_or_else(|| Missing {
            message: format!("the Secret `{name}` is in a cluster, and this is not one"),
            hint: format!(
                "say where its files are, `--secret {name}=DIR`; or write `pem` or `file` instead"
            ),
        })
    }
}

/// Every `*.pub` of a directory, in the order of their names.
fn keys(dir: &Path) -> Result<Vec<u8>, Missing> {
    let failed = |error: io::Error| Missing {
        message: format!("cannot read the directory `{}`: {error}", dir.display()),
        hint: "give the directory that holds the Secret's files".into(),
    };
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "pub") {
            paths.push(path);
        }
        if paths.len() > MAX_SECRET {
            break;
        }
    }
    paths.sort();
    let mut all = Vec::new();
    for path in &paths {
        all.extend(wanted(path, MAX_KEYS, "a public key")?);
        all.push(b'\n');
    }
    match paths.len() {
        1..=MAX_SECRET => Ok(all),
        count => Err(Missing {
            message: format!("the directory `{}` holds {count} files `*.pub`", dir.display()),
            hint: format!("put the signer's public keys there, 1 to {MAX_SECRET} of them"),
        }),
    }
}

fn wanted(path: &Path, limit: u64, what: &str) -> Result<Vec<u8>, Missing> {
    read(path, limit).map_err(|error| Missing {
        message: format!("cannot read `{}`: {error}", path.display()),
        hint: format!("name a file with {what}; paths are relative to the policy's file"),
    })
}

/// Reads a policy's file, and one byte more than it may have.
///
/// # Errors
/// When it cannot be read.
pub fn policy(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_FILE as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// As `edge::files::read_bounded`: edges do not know each other.
fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > limit {
        true => Err(io::Error::other(format!("it is larger than {limit} bytes"))),
        false => Ok(bytes),
    }
}
