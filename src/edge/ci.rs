//! The environment of a CI run: the variables that CI systems document, and
//! nothing else of the environment. What they mean is `model::source::ci`'s.

use std::{collections::BTreeMap, env, path::Path};

use crate::model::source::ci::{TEKTON_DIRECTORY, VARIABLES};

/// Reads the variables of the CI systems that are known. Tekton is known by a
/// directory, which stands in the map under its path.
pub fn read() -> BTreeMap<String, String> {
    let set = |name: &&str| Some(((*name).to_owned(), env::var(name).ok()?));
    let mut found: BTreeMap<_, _> = VARIABLES.iter().filter_map(set).collect();
    if Path::new(TEKTON_DIRECTORY).is_dir() {
        found.insert(TEKTON_DIRECTORY.to_owned(), String::new());
    }
    found
}
