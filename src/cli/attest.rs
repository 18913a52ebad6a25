//! `sluicegate attest`.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
    process::ExitCode,
};

use bytes::Bytes;

use crate::flow::{
    attest,
    error::{Error, Result},
    progress::Event,
};

use super::{args::Attest, context, keys::Given, output::Printer, sign::View, stdin};

/// The largest predicate that is read, in bytes: it must fit into a statement
/// that every reader reads.
const MAX_PREDICATE: u64 = 2 * 1024 * 1024;

pub(super) async fn run(args: Attest, printer: &Printer) -> Result<ExitCode> {
    let uri = url::Url::parse(&args.predicate_type).map_err(|error| {
        Error::usage(
            format!("the predicate type `{}` is not a URI: {error}", args.predicate_type),
            "give a URI such as `https://in-toto.io/attestation/test-result/v0.1`",
        )
    })?;
    if uri.as_str() == crate::model::uris::SIGNATURE {
        return Err(Error::usage("a signature is not attested", "use `sluicegate sign`"));
    }
    let keys = args.key.into_iter().collect();
    let given = Given::new(keys, args.password, args.keyless, &args.registry)?;
    let name = args.predicate.display().to_string();
    let predicate = attest::predicate(&name, &read(&args.predicate).await?)?;
    let registries = context::registries(&args.registry, &[&args.reference], printer).await?;
    let signers = given.signers(printer).await?;
    printer.glance()(Event::Step("attesting"));
    let outcome = attest::attest(
        &registries,
        &args.reference,
        signers,
        (&args.predicate_type, &predicate),
        args.same_key,
    )
    .await?;
    let view = View::new("sluicegate.dev/attest/v1", &args.reference, &outcome);
    printer.result(&view, || view.text("attested")).map_err(super::stdout)?;
    Ok(ExitCode::SUCCESS)
}

async fn read(path: &Path) -> Result<Bytes> {
    let failed = |error: io::Error| {
        Error::usage(
            format!("cannot read the predicate `{}`: {error}", path.display()),
            "give a JSON file, or `-` for standard input",
        )
    };
    let limit = MAX_PREDICATE + 1;
    let bytes = match path.as_os_str() == "-" {
        true => stdin::read(limit).await.map(|bytes| bytes.to_vec()),
        false => File::open(path).and_then(|file| {
            let mut bytes = Vec::new();
            file.take(limit).read_to_end(&mut bytes).map(|_| bytes)
        }),
    }
    .map_err(failed)?;
    if bytes.len() as u64 > MAX_PREDICATE {
        return Err(failed(io::Error::other(format!("it is larger than {MAX_PREDICATE} bytes"))));
    }
    Ok(bytes.into())
}
