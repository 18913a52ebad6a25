//! What git calls the bytes of a file: the id of its blob.
//!
//! A bundle is clean when every packed file has the blob that the commit has at
//! its path. The id is the hash of `blob <length>`, NUL and the bytes
//! (gitformat-pack, "loose objects"), by the hash of the repository.

use sha1::Digest as _;

/// The hash of a git repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GitHash {
    /// SHA-1, of most repositories.
    Sha1,
    /// SHA-256, of repositories made with `--object-format=sha256`.
    Sha256,
}

/// Hashes the bytes of one file as git does.
pub struct BlobHasher(State);

enum State {
    Sha1(sha1::Sha1),
    Sha256(sha2::Sha256),
}

impl BlobHasher {
    /// Begins the blob of a file of `length` bytes.
    pub fn new(hash: GitHash, length: u64) -> Self {
        let mut hasher = Self(match hash {
            GitHash::Sha1 => State::Sha1(sha1::Sha1::new()),
            GitHash::Sha256 => State::Sha256(sha2::Sha256::new()),
        });
        hasher.update(format!("blob {length}\0").as_bytes());
        hasher
    }

    /// Takes in the next bytes of the file.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            State::Sha1(state) => state.update(bytes),
            State::Sha256(state) => state.update(bytes),
        }
    }

    /// The id in hexadecimal digits.
    pub fn finish(self) -> String {
        match self.0 {
            State::Sha1(state) => hex::encode(state.finalize()),
            State::Sha256(state) => hex::encode(state.finalize()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_those_of_git_hash_object() {
        for (hash, bytes, expected) in [
            (GitHash::Sha1, "", "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"),
            (GitHash::Sha1, "hello\n", "ce013625030ba8dba906f756967f9e9ca394464a"),
            (
                GitHash::Sha256,
                "",
                "473a0f4c3be8a93681a267e3b1e9a7dcda1185436fe141f7749120a303721813",
            ),
        ] {
            let mut hasher = BlobHasher::new(hash, bytes.len() as u64);
            hasher.update(bytes.as_bytes());
            assert_eq!(hasher.finish(), expected);
        }
    }
}
