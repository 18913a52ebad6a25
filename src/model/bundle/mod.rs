//! A bundle: a directory of app config, HelmReleases and what they need.
//!
//! Everything here works on bytes and names that the edge read: parsing the
//! YAML with places kept ([`yaml`]), judging the objects ([`check`]), finding
//! what they name ([`need`]), deciding what is packed ([`ignore`]), and writing
//! and reading the layer ([`pack`], [`unpack`]).

pub mod bounds;
pub mod canonical;
pub mod chart_index;
pub mod charts;
pub mod check;
pub mod constraint;
pub mod diff;
mod glob;
mod helm_release;
pub mod ignore;
mod image;
mod kustomization;
pub mod lock;
pub mod mirror;
pub mod names;
pub mod need;
pub mod object;
pub mod pack;
mod patch;
pub mod path;
pub mod problem;
mod roots;
mod scope;
mod secret;
pub mod select;
mod source_object;
pub mod unpack;
mod workload;
pub mod yaml;
