//! A bundle: a directory of app config, HelmReleases and what they need.
//!
//! Everything here works on bytes and names that the edge read: parsing the
//! YAML with places kept ([`yaml`]), judging the objects ([`check`]), finding
//! what they name ([`need`]), deciding what is packed ([`ignore`]), and writing
//! and reading the layer ([`pack`], [`unpack`]).

pub mod chart_index;
pub mod check;
pub mod constraint;
pub mod diff;
mod glob;
pub mod ignore;
pub mod lock;
pub mod mirror;
pub mod names;
pub mod need;
pub mod object;
pub mod pack;
pub mod path;
pub mod problem;
pub mod select;
pub mod unpack;
