//! What was sent to prove who we are, remembered so that it is taken out of
//! whatever a peer says: a registry may repeat it in the body of an error, in a
//! header, in the URL of a redirect, and in any of the usual encodings.
//!
//! Nobody can recognise every way to write a secret down. What is recognised is
//! what servers write by accident or by habit: as it is, in base64, encoded for
//! URLs, JSON or HTML, in any case, and cut off at its end.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use url::form_urlencoded::byte_serialize;
use zeroize::Zeroizing;

use super::docker_config::Credential;
use crate::edge::secret::Secret;

/// What stands in the place of a secret.
const REDACTED: &str = "[redacted]";
/// How many written forms are remembered: of tokens, which are renewed for as
/// long as a process runs, the latest.
const MAX_FORMS: usize = 400;
/// How much of the beginning of a secret is enough to recognise it.
const BEGINNING: usize = 12;
/// Shorter ones are only taken out of what a peer says, not out of our own
/// words around it, where they are likely to stand by chance.
const SHORT: usize = 4;

/// The secrets that were sent.
#[derive(Default)]
pub(super) struct Sent(Mutex<VecDeque<Secret>>);

impl Sent {
    /// Remembers a credential.
    pub(super) fn note(&self, credential: &Credential) {
        match credential {
            Credential::Password { username, password } => {
                self.note_token(password);
                let both = Zeroizing::new(format!("{username}:{}", password.expose()));
                self.add(encoded(both.as_bytes()));
            }
            Credential::Identity(token) | Credential::Bearer(token) => self.note_token(token),
        }
    }

    /// Remembers a token.
    pub(super) fn note_token(&self, token: &Secret) {
        let plain = token.expose();
        if plain.is_empty() {
            return;
        }
        let json = serde_json::Value::from(plain).to_string();
        let html = [("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("\"", "&#34;"), ("'", "&#39;")];
        let html = html.iter().fold(plain.to_owned(), |text, (from, to)| text.replace(from, to));
        let mut forms = vec![
            token.clone(),
            Secret::new(json.trim_matches('"')),
            Secret::new(html.replace("&#34;", "&quot;")),
            Secret::new(html),
        ];
        forms.extend(for_urls(plain));
        forms.extend(encoded(plain.as_bytes()));
        self.add(forms);
    }

    fn add(&self, forms: Vec<Secret>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for form in forms {
            if !known.iter().any(|other| other.expose() == form.expose()) {
                known.push_back(form);
            }
        }
        while known.len() > MAX_FORMS {
            known.pop_front();
        }
    }

    /// What a peer says, without any secret.
    pub(super) fn said(&self, text: &str) -> String {
        self.without(text, 1)
    }

    /// A message or a line of a log, without secrets that nobody would write by
    /// chance.
    pub(super) fn redact(&self, text: &str) -> String {
        self.without(text, SHORT)
    }

    /// Whether a text holds a secret, or so much of it that this is no chance.
    pub(super) fn is_in(&self, text: &str) -> bool {
        self.without(text, BEGINNING) != text
    }

    fn without(&self, text: &str, shortest: usize) -> String {
        let forms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let forms = || forms.iter().map(Secret::expose).filter(|form| form.len() >= shortest);
        let mut text = text.to_owned();
        for form in forms() {
            if let Some(changed) = taken_out(&text, form) {
                text = changed;
            }
        }
        if !text.contains('%') {
            return text;
        }
        // Encoded further than need be: the word as a whole goes.
        let ends = |c: char| c.is_whitespace() || "`\"'".contains(c);
        let hides = |word: &str| {
            let plain = decoded(word);
            plain != word && forms().any(|form| taken_out(&plain, form).is_some())
        };
        let shown = |word: &str| match hides(word) {
            true => format!("{REDACTED}{}", word.chars().rfind(|c| ends(*c)).unwrap_or(' ')),
            false => word.to_owned(),
        };
        text.split_inclusive(ends).map(shown).collect()
    }
}

/// Bytes in base64, for URLs too.
fn encoded(bytes: &[u8]) -> Vec<Secret> {
    let standard = Zeroizing::new(STANDARD_NO_PAD.encode(bytes));
    let mut forms = vec![Secret::new(URL_SAFE_NO_PAD.encode(bytes))];
    forms.extend(for_urls(&standard));
    forms.push(Secret::new(standard.as_str()));
    forms
}

/// A text as forms and as paths encode it.
fn for_urls(text: &str) -> [Secret; 2] {
    let form: String = byte_serialize(text.as_bytes()).collect();
    [Secret::new(form.replace('+', "%20")), Secret::new(form)]
}

/// A text without percent-encoding; what is none stays.
fn decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, tail @ ..] = rest {
        let hex = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.filter(|_| *first == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A text without a secret, whatever the case, and without what begins like it
/// and was cut off; `None` when there is none of it.
fn taken_out(text: &str, secret: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let secret = Zeroizing::new(secret.to_ascii_lowercase());
    let mut ends = secret.char_indices().map(|(at, c)| at + c.len_utf8());
    let beginning = secret.get(..ends.find(|end| *end >= BEGINNING).unwrap_or(secret.len()))?;
    let (mut out, mut at) = (String::new(), 0);
    while let Some(found) = lower.get(at..).and_then(|rest| rest.find(beginning)) {
        let start = at + found;
        let same = lower.get(start..)?.bytes().zip(secret.bytes()).take_while(|(a, b)| a == b);
        let mut end = start + same.count();
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        out.push_str(text.get(at..start)?);
        out.push_str(REDACTED);
        at = end;
    }
    out.push_str(text.get(at..)?);
    (at > 0).then_some(out)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn oras_debug_log_redaction_in_any_usual_encoding() {
        let sent = Sent::default();
        let password = Secret::new("pa ss/w\"ö<rd>&+%");
        sent.note(&Credential::Password { username: "ci".into(), password: password.clone() });
        let both = format!("ci:{}", password.expose());
        let encode = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
        let base64 = base64::engine::general_purpose::STANDARD.encode(&both);
        for text in [
            password.expose().to_owned(),
            both.clone(),
            base64.clone(),
            base64.to_ascii_uppercase(),
            encode(&base64),
            URL_SAFE_NO_PAD.encode(&both),
            encode(password.expose()),
            encode(password.expose()).to_ascii_lowercase(),
            encode(password.expose()).replace('+', "%20"),
            serde_json::Value::from(password.expose()).to_string(),
            "pa ss/w&quot;ö&lt;rd&gt;&amp;+%".into(),
            "pa ss/w&#34;ö&lt;rd&gt;&amp;+%".into(),
            password.expose().bytes().map(|byte| format!("%{byte:02x}")).collect(),
            base64.get(..16).unwrap().to_owned(),
        ] {
            for context in ["x {} y", "https://h/{}?a={}", "{}", "a{}b{}c"] {
                let shown = sent.said(&context.replace("{}", &text));
                assert!(shown.contains(REDACTED), "{text}: {shown}");
                for part in [password.expose(), &base64, "ss/w", "ss%2"] {
                    assert!(!shown.contains(part), "{text}: {shown}");
                }
            }
        }
        assert_eq!(sent.said("nothing of it, ci"), "nothing of it, ci");
        assert_eq!(sent.said("100%25 is%20nothing"), "100%25 is%20nothing");
    }

    #[test]
    fn short_ones_go_from_what_a_peer_says_only() {
        let sent = Sent::default();
        sent.note_token(&Secret::new("abc"));
        assert_eq!(sent.said("the abc"), "the [redacted]");
        assert_eq!(sent.redact("the abc"), "the abc");
        sent.note_token(&Secret::new("registry"));
        assert_eq!(sent.redact("the registry"), "the [redacted]");
        assert!(!sent.is_in("the registry"));
        sent.note_token(&Secret::new(""));
        assert_eq!(sent.said("x"), "x");
    }

    #[test]
    fn memory_is_bounded_and_the_latest_is_known() {
        let sent = Sent::default();
        for at in 0..1000 {
            sent.note_token(&Secret::new(format!("token-number-{at}-of-many")));
        }
        assert!(sent.0.lock().unwrap().len() <= MAX_FORMS);
        assert!(sent.is_in("token-number-999-of-many"));
    }
}
