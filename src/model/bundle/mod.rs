//! A bundle: a directory of app config, HelmReleases and what they need.
//!
//! Everything here works on bytes and names that the edge read: parsing the
//! YAML with places kept ([`yaml`]), judging the objects ([`check`]), finding
//! what they name ([`need`]), deciding what is packed ([`ignore`]), and writing
//! and reading the layer ([`pack`], [`unpack`]).

mod charts;
pub mod check;
mod helm_release;
mod image;
mod kustomization;
pub mod lock;
pub mod need;
pub mod object;
pub mod path;
pub mod problem;
mod roots;
mod scope;
mod secret;
mod source_object;
mod workload;
pub mod yaml;
