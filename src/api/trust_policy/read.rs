//! Reading a policy from a file: the document, and what surrounds the
//! obligations.

use crate::model::{
    bundle::{
        path::RelPath,
        problem::Problem,
        yaml::{self, Document, YamlError, source::Source},
    },
    evidence::root::TrustRoot,
    policy::{Policy, signers::Who},
};

use super::{
    API_VERSION, KIND, MAX_FILE, code,
    fields::{Desk, Field, Fields},
    obligation,
};

/// Something that a policy refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask<'a> {
    /// A file of public keys, relative to the policy's.
    KeyFile(&'a str),
    /// The public keys of a Secret: all of them, one after the other.
    KeySecret(&'a str),
    /// A file with a trust root, relative to the policy's.
    RootFile(&'a str),
    /// The `trusted_root.json` of a Secret.
    RootSecret(&'a str),
}

/// Why something that a policy refers to is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// What was looked for, and why it cannot be had.
    pub message: String,
    /// What to do.
    pub hint: String,
}

/// Who reads what a policy refers to.
pub type Loader<'a> = dyn FnMut(Ask<'_>) -> Result<Vec<u8>, Missing> + 'a;

/// A policy file, and what was given besides.
#[derive(Debug)]
pub struct Given<'a> {
    /// The bytes of the file.
    pub bytes: &'a [u8],
    /// Its name, for problems.
    pub file: Option<&'a RelPath>,
    /// A trust root that outweighs what the file says.
    pub root: Option<TrustRoot>,
}

/// A policy that was read.
#[derive(Debug, Clone)]
pub struct Read {
    /// The policy.
    pub policy: Policy,
    /// Where the name stands, as a problem's place, for problems of the whole.
    pub about: Problem,
}

/// Reads the one policy of a file.
///
/// # Errors
/// Every problem of it, at least one.
pub fn read<'a>(given: Given<'a>, load: &'a mut Loader<'a>) -> Result<Read, Vec<Problem>> {
    let whole = |message: String, hint: &str| {
        let problem = Problem::error(code::SYNTAX, message).hint(hint);
        vec![match given.file {
            Some(file) => problem.in_file(file),
            None => problem,
        }]
    };
    if given.bytes.len() > MAX_FILE {
        return Err(whole("the file is larger than 1 MiB".into(), "write a smaller policy"));
    }
    let text = yaml::text(given.bytes)
        .map_err(|error| whole(error.to_string(), "write it as UTF-8 text"))?;
    let source = Source::new(text);
    let documents: Vec<Result<Document<'_>, YamlError>> = yaml::documents(text).collect();
    let mut desk = Desk::new(&source, given.file, load);
    let read = documents_of(&mut desk, &documents, given.root);
    let mut problems = desk.problems;
    match read {
        Some(read) if problems.is_empty() => Ok(read),
        _ => {
            problems.sort_by_key(|problem| problem.place.as_ref().map(|place| place.start));
            Err(problems)
        }
    }
}

/// The one policy among the documents.
fn documents_of(
    desk: &mut Desk<'_>,
    documents: &[Result<Document<'_>, YamlError>],
    root: Option<TrustRoot>,
) -> Option<Read> {
    let mut found = None;
    for document in documents {
        let node = match document {
            Ok(document) => document.root(),
            Err(error) => {
                let problem = Problem::error(code::SYNTAX, error.to_string());
                desk.at(problem.hint("correct the YAML"), error.at.clone(), "");
                continue;
            }
        };
        match (node.is_null(), found) {
            (true, _) => {}
            (false, None) => found = Some(node),
            (false, Some(_)) => desk.report(
                code::KIND,
                &Field::root(node),
                "the file holds a second document".into(),
                "keep each TrustPolicy in a file of its own",
            ),
        }
    }
    match found {
        Some(node) => policy(desk, &Field::root(node), root),
        None if desk.problems.is_empty() => {
            let problem = Problem::error(code::KIND, "the file holds no TrustPolicy");
            let hint = "`sluicegate policy init --from REF` writes a first one";
            desk.at(problem.hint(hint), 0..0, "");
            None
        }
        None => None,
    }
}

fn policy(desk: &mut Desk<'_>, root: &Field<'_>, given: Option<TrustRoot>) -> Option<Read> {
    let known = ["apiVersion", "kind", "metadata", "spec"];
    let fields = root.mapping(desk, &known)?;
    let before = desk.problems.len();
    for (name, wanted) in [("kind", KIND), ("apiVersion", API_VERSION)] {
        let hint = format!("write `{name}: {wanted}`");
        let found = fields.needed(desk, name, &hint);
        if let (Some(found), Some(field)) = (found.filter(|f| *f != wanted), fields.get(name)) {
            let found = crate::model::text::shown(found);
            let message = format!("`{name}` is `{found}`; expected `{wanted}`");
            desk.report(code::KIND, &field, message, &hint);
        }
    }
    if desk.problems.len() > before && fields.get("kind").is_some() {
        // It is something else: what it has besides is none of our business.
        return None;
    }
    root.fields(desk, &known);
    let name = name(desk, &fields);
    let Some(spec) = fields.get("spec") else {
        fields.missing(desk, "spec", "say what is demanded: `spec: {require: [...]}`");
        return None;
    };
    let spec = spec.fields(desk, &["require", "trustedRoot"])?;
    let require = match spec.get("require") {
        Some(list) => obligation::obligations(desk, &list, 0),
        None => {
            spec.missing(desk, "require", "name at least one obligation");
            return None;
        }
    };
    let written = spec.get("trustedRoot").map(|field| trusted_root(desk, &field, given.is_some()));
    let mut policy = Policy { name: name.map(str::to_owned), require, root: None };
    policy.root = match (given, written) {
        (Some(given), _) => Some(given),
        (None, Some(written)) => written,
        (None, None) if names_identities(&policy) => TrustRoot::public_good().ok(),
        (None, None) => None,
    };
    let about = about(desk, &fields);
    Some(Read { policy, about })
}

/// The place of the policy's name.
fn about(desk: &Desk<'_>, fields: &Fields<'_>) -> Problem {
    let node = fields.get("metadata").unwrap_or_else(|| fields.whole().clone());
    let all = 0..desk.source.text().len();
    let place = desk.source.place(node.node.range(), &node.path, all, |_, line| line.to_owned());
    let problem = Problem::warning(code::TAG, "").at(place);
    match desk.file {
        Some(file) => problem.in_file(file),
        None => problem,
    }
}

fn names_identities(policy: &Policy) -> bool {
    let mut entries = policy.demands().into_iter().flat_map(|demand| &demand.signers);
    entries.any(|entry| !matches!(entry.who, Who::Keys(_)))
}

fn name<'d>(desk: &mut Desk<'_>, fields: &Fields<'d>) -> Option<&'d str> {
    let hint = "write `metadata: {name: production}`";
    let Some(metadata) = fields.get("metadata") else {
        fields.missing(desk, "metadata", hint);
        return None;
    };
    let metadata = metadata.fields(desk, &["name", "namespace", "labels", "annotations"])?;
    let name = metadata.needed(desk, "name", hint)?;
    if !is_name(name)
        && let Some(field) = metadata.get("name")
    {
        let message = "the name has letters that a name has not".to_owned();
        desk.report(code::VALUE, &field, message, "use letters, digits, `-`, `_` and `.`");
    }
    Some(name)
}

/// Whether a text can name a policy or an obligation: it is printed, and stands
/// in paths such as `scanned/sbom`.
pub(super) fn is_name(text: &str) -> bool {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    text.len() <= 63
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(fine)
}

/// The trust root that the file names; not read when another outweighs it.
fn trusted_root(desk: &mut Desk<'_>, field: &Field<'_>, outweighed: bool) -> Option<TrustRoot> {
    let names = ["file", "secretRef"];
    let fields = field.fields(desk, &names)?;
    let chosen = fields.one_of(desk, &names)?;
    let (text, secret) = file_or_secret(desk, &chosen)?;
    if outweighed {
        return None;
    }
    let ask = if secret { Ask::RootSecret(text) } else { Ask::RootFile(text) };
    match (desk.load)(ask) {
        Err(Missing { message, hint }) => {
            desk.report(code::KEY, &chosen, message, &hint);
            None
        }
        Ok(bytes) => match TrustRoot::parse(&bytes) {
            Ok(root) => Some(root),
            Err(error) => {
                let hint = "take the `trusted_root.json` of the Sigstore that is meant";
                desk.report(code::KEY, &chosen, error.to_string(), hint);
                None
            }
        },
    }
}

/// A path, or the name of a Secret.
pub(super) fn file_or_secret<'d>(
    desk: &mut Desk<'_>,
    chosen: &Field<'d>,
) -> Option<(&'d str, bool)> {
    if !chosen.path.ends_with("secretRef") {
        return Some((chosen.text(desk)?, false));
    }
    let reference = chosen.fields(desk, &["name"])?;
    Some((reference.needed(desk, "name", "write `secretRef: {name: NAME}`")?, true))
}
