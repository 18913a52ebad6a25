//! Reading the signers of an obligation.

use jiff::Timestamp;
use url::Url;

use crate::model::{
    evidence::key::{KeyError, PublicKey},
    policy::{
        pattern::{Glob, Pattern, PatternError},
        signers::{GitHub, GitLab, Matcher, SignerEntry, Who},
    },
};

use super::{
    MAX_SIGNERS, code,
    fields::{Desk, Field, Fields},
    read::{Ask, Missing, file_or_secret},
};

/// The ways to name a signer.
const WAYS: [&str; 4] = ["key", "identity", "githubActions", "gitlab"];

/// The signers of an obligation. Nobody may be named twice: two entries that
/// one signer meets would not be two.
pub(super) fn signers(desk: &mut Desk<'_>, field: &Field<'_>) -> Vec<SignerEntry> {
    let items = field.items(desk);
    if items.len() > MAX_SIGNERS {
        let message = format!("{} signers; at most {MAX_SIGNERS} are read", items.len());
        desk.report(code::LIMIT, field, message, "name fewer, or use `any`");
        return Vec::new();
    }
    let mut entries: Vec<SignerEntry> = Vec::new();
    for item in items {
        let Some(entry) = signer(desk, &item) else { continue };
        if let Some(twice) = entries.iter().find_map(|known| shared(&known.who, &entry.who)) {
            let message = format!("{twice} is in two entries of this obligation");
            let hint = "name each signer once; a threshold counts different signers";
            desk.report(code::SIGNERS, &item, message, hint);
        }
        entries.push(entry);
    }
    entries
}

/// Whom two entries share, as far as that can be told.
fn shared(a: &Who, b: &Who) -> Option<String> {
    match (a, b) {
        (Who::Keys(keys), Who::Keys(others)) => {
            let known = |key: &&PublicKey| {
                others.iter().any(|other| other.fingerprint() == key.fingerprint())
            };
            let key = keys.iter().find(known)?;
            Some(format!("the key `{}`", key.fingerprint()))
        }
        (Who::Keys(_), _) | (_, Who::Keys(_)) => None,
        _ => (a.words() == b.words()).then(|| a.words()),
    }
}

fn signer(desk: &mut Desk<'_>, field: &Field<'_>) -> Option<SignerEntry> {
    let known = [WAYS.as_slice(), &["validFrom", "validUntil"]].concat();
    let fields = field.fields(desk, &known)?;
    let valid_from = time(desk, &fields, "validFrom");
    let valid_until = time(desk, &fields, "validUntil");
    if let (Some(from), Some(until)) = (valid_from, valid_until)
        && from >= until
    {
        let message = "`validUntil` is not after `validFrom`: nothing would ever count".to_owned();
        desk.report(code::VALUE, field, message, "exchange the two, or correct one of them");
    }
    let chosen = fields.one_of(desk, &WAYS)?;
    let who = match chosen.path.rsplit('.').next() {
        Some("key") => key(desk, &chosen),
        Some("identity") => identity(desk, &chosen),
        Some("githubActions") => github(desk, &chosen),
        _ => gitlab(desk, &chosen),
    }?;
    Some(SignerEntry { who, valid_from, valid_until })
}

fn time(desk: &mut Desk<'_>, fields: &Fields<'_>, name: &str) -> Option<Timestamp> {
    let field = fields.get(name)?;
    let text = field.text(desk)?;
    let found = text.parse().ok();
    if found.is_none() {
        let message = format!("`{name}` is no time");
        desk.report(code::VALUE, &field, message, "write it as `2026-01-31T00:00:00Z`");
    }
    found
}

fn key(desk: &mut Desk<'_>, field: &Field<'_>) -> Option<Who> {
    let names = ["pem", "file", "secretRef"];
    let fields = field.fields(desk, &names)?;
    let chosen = fields.one_of(desk, &names)?;
    let bytes = if chosen.path.ends_with("pem") {
        chosen.text(desk)?.as_bytes().to_vec()
    } else {
        let (text, secret) = file_or_secret(desk, &chosen)?;
        let ask = if secret { Ask::KeySecret(text) } else { Ask::KeyFile(text) };
        match (desk.load)(ask) {
            Ok(bytes) => bytes,
            Err(Missing { message, hint }) => {
                desk.report(code::KEY, &chosen, message, &hint);
                return None;
            }
        }
    };
    match PublicKey::from_pem(&bytes) {
        Ok(keys) => Some(Who::Keys(keys)),
        Err(error) => {
            let hint = match error {
                KeyError::Private => "replace it, and take the private key for lost: make another",
                _ => "write the text of a public key such as `cosign.pub`",
            };
            desk.report(code::KEY, &chosen, error.to_string(), hint);
            None
        }
    }
}

fn identity(desk: &mut Desk<'_>, field: &Field<'_>) -> Option<Who> {
    let known = ["issuer", "issuerPattern", "subject", "subjectPattern"];
    let fields = field.fields(desk, &known)?;
    let issuer = matcher(desk, &fields, ["issuer", "issuerPattern"]);
    let subject = matcher(desk, &fields, ["subject", "subjectPattern"]);
    Some(Who::Identity { issuer: issuer?, subject: subject? })
}

fn matcher(desk: &mut Desk<'_>, fields: &Fields<'_>, names: [&str; 2]) -> Option<Matcher> {
    let chosen = fields.one_of(desk, &names)?;
    let text = chosen.text(desk)?;
    if !chosen.path.ends_with("Pattern") {
        return Some(Matcher::Exact(text.to_owned()));
    }
    match Pattern::parse(text) {
        Ok(pattern) => Some(Matcher::Pattern(pattern)),
        Err(error) => {
            refused(desk, &chosen, &error);
            None
        }
    }
}

fn refused(desk: &mut Desk<'_>, field: &Field<'_>, error: &PatternError) {
    desk.report(code::PATTERN, field, error.what.clone(), &error.hint);
}

fn github(desk: &mut Desk<'_>, field: &Field<'_>) -> Option<Who> {
    let known =
        ["repository", "workflow", "ref", "builder", "repositoryId", "server", "issuer", "events"];
    let fields = field.fields(desk, &known)?;
    let repository = path_of(desk, &fields, "repository", "such as `acme/shop`");
    let workflow = workflow(desk, &fields);
    let reference = reference(desk, &fields);
    let server = server(desk, &fields, "https://github.com");
    let builder = builder(desk, &fields);
    let repository_id = repository_id(desk, &fields);
    let issuer = fields.text(desk, "issuer").map(str::to_owned);
    let events = fields.get("events").map(|field| field.texts(desk)).unwrap_or_default();
    let server = server?;
    Some(Who::GitHub(GitHub {
        issuer: issuer.unwrap_or_else(|| GitHub::issuer_of(&server)),
        server,
        repository: repository?.to_owned(),
        workflow: workflow?.to_owned(),
        reference: reference?,
        builder,
        repository_id,
        events: events.into_iter().map(|(_, text)| text.to_owned()).collect(),
    }))
}

fn gitlab(desk: &mut Desk<'_>, field: &Field<'_>) -> Option<Who> {
    let fields = field.fields(desk, &["project", "ref", "server", "config"])?;
    let project = path_of(desk, &fields, "project", "such as `acme/shop`");
    let reference = reference(desk, &fields);
    let server = server(desk, &fields, "https://gitlab.com");
    let config = fields.text(desk, "config").unwrap_or(".gitlab-ci.yml").to_owned();
    Some(Who::GitLab(GitLab {
        server: server?,
        project: project?.to_owned(),
        reference: reference?,
        config,
    }))
}

/// The path of a repository on its server: at least an owner and a name.
fn path_of<'d>(
    desk: &mut Desk<'_>,
    fields: &Fields<'d>,
    name: &str,
    hint: &str,
) -> Option<&'d str> {
    let text = fields.needed(desk, name, &format!("write it {hint}"))?;
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let part = |part: &str| !part.is_empty() && part.chars().all(fine);
    if (text.split('/').count() < 2 || !text.split('/').all(part))
        && let Some(field) = fields.get(name)
    {
        let message = format!("`{name}` is not the path of one repository");
        let hint = format!("write owner and name without the server, {hint}");
        desk.report(code::VALUE, &field, message, &hint);
    }
    Some(text)
}

fn workflow<'d>(desk: &mut Desk<'_>, fields: &Fields<'d>) -> Option<&'d str> {
    let text = fields.needed(desk, "workflow", "name its file, such as `release.yml`")?;
    let file = text.rsplit('/').next().unwrap_or(text);
    let file = file.split('@').next().unwrap_or(file);
    if (file != text || file.contains('*'))
        && let Some(field) = fields.get("workflow")
    {
        let message = "`workflow` is not the name of a file below `.github/workflows`".to_owned();
        let hint = format!("write `{}`", file.replace('*', ""));
        desk.report(code::VALUE, &field, message, &hint);
    }
    Some(text)
}

fn builder(desk: &mut Desk<'_>, fields: &Fields<'_>) -> Option<String> {
    let field = fields.get("builder")?;
    let text = field.text(desk)?;
    if !text.contains("/.github/workflows/") || !text.contains('@') || text.contains("://") {
        let message = "`builder` is not a reusable workflow with its ref".to_owned();
        let hint = "write it as `acme/builders/.github/workflows/build.yml@refs/tags/v1`, without \
                    the server";
        desk.report(code::VALUE, &field, message, hint);
    }
    Some(text.to_owned())
}

fn repository_id(desk: &mut Desk<'_>, fields: &Fields<'_>) -> Option<String> {
    let field = fields.get("repositoryId")?;
    let text = field.text(desk)?;
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        let message = "`repositoryId` is not a number".to_owned();
        let hint = "take the `id` that `gh api repos/OWNER/NAME` shows, in quotes";
        desk.report(code::VALUE, &field, message, hint);
    }
    Some(text.to_owned())
}

/// The ref of a CI run: a glob, of full refs.
fn reference(desk: &mut Desk<'_>, fields: &Fields<'_>) -> Option<Glob> {
    match fields.get("ref") {
        Some(field) => {
            let text = field.text(desk)?;
            ref_glob(desk, &field, text)
        }
        None => {
            fields.missing(desk, "ref", "say for which ref it runs, such as `refs/heads/main`");
            None
        }
    }
}

/// A glob of full refs.
pub(super) fn ref_glob(desk: &mut Desk<'_>, field: &Field<'_>, text: &str) -> Option<Glob> {
    let glob = match Glob::parse(text) {
        Ok(glob) => glob,
        Err(error) => {
            refused(desk, field, &error);
            return None;
        }
    };
    if !text.starts_with("refs/") && !text.starts_with('*') {
        let message = format!("`{text}` is not a full ref and would never match");
        let hint = format!("write `refs/heads/{text}` or `refs/tags/{text}`");
        desk.report(code::PATTERN, field, message, &hint);
    }
    Some(glob)
}

/// A server as claims have it: `https://host`, in lower case.
fn server(desk: &mut Desk<'_>, fields: &Fields<'_>, usual: &str) -> Option<String> {
    let Some(field) = fields.get("server") else { return Some(usual.to_owned()) };
    let text = field.text(desk)?;
    let bare = |url: &Url| {
        // Url compares schemes and hosts in lower case (conforma EC-2014).
        let path = matches!(url.path(), "" | "/") && url.query().is_none();
        url.scheme() == "https" && path && url.username().is_empty() && url.fragment().is_none()
    };
    match Url::parse(text).ok().filter(bare) {
        Some(url) => Some(url.as_str().trim_end_matches('/').to_owned()),
        None => {
            let message = "`server` is not the `https` URL of a server".to_owned();
            desk.report(code::VALUE, &field, message, &format!("write it as `{usual}`"));
            None
        }
    }
}
