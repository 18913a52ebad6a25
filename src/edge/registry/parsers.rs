//! The parsers of this edge that are private to it, opened for the fuzz targets
//! in `fuzz/`; nothing else uses them, and none of them runs or asks anything.

use std::path::Path;

use reqwest::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};

use super::{challenge, docker_config};
use crate::model::reference::Repository;

/// How many challenges a `WWW-Authenticate` header holds.
pub fn challenges(header: &[u8]) -> usize {
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_bytes(header) {
        headers.append(WWW_AUTHENTICATE, value);
    }
    challenge::challenges(&headers).len()
}

/// Whether a docker config file holds a credential for `repository` itself,
/// without asking a credential helper; `None` when it is malformed.
pub fn docker_config(file: &[u8], repository: &Repository) -> Option<bool> {
    let path = Path::new("config.json");
    let config = docker_config::parse(path, file).ok()?;
    docker_config::stored(path, &config, repository).ok().map(|found| found.is_some())
}
