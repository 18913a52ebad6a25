//! `sluicegate diff`.

use std::process::ExitCode;

use crate::flow::error::Result;

use super::{args::Diff, output::Printer};

pub(super) async fn run(_args: Diff, _printer: &Printer) -> Result<ExitCode> {
    Ok(ExitCode::SUCCESS)
}
