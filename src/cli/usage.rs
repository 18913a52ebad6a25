//! What the parser of the command line refuses, for programs: when it refuses,
//! nothing is parsed, so that the format and the verb are looked for by hand.

use clap::ValueEnum;

use crate::flow::error::Error;

use super::args::{self, Output};

/// The format that is asked for anywhere on the command line; the last one.
pub fn format(typed: &[String]) -> Output {
    let before = |word: &&String| word.as_str() != "--";
    let words: Vec<&str> = typed.iter().take_while(before).map(String::as_str).collect();
    let mut named = words.iter().enumerate().filter_map(|(at, word)| {
        let value = match word.strip_prefix("--output") {
            Some("") => words.get(at + 1).copied(),
            Some(rest) => rest.strip_prefix('='),
            None => short(word, words.get(at + 1).copied()),
        };
        Output::from_str(value?, false).ok()
    });
    named.next_back().unwrap_or(Output::Text)
}

/// The value of `-o`, which may follow other letters: `-qojson`.
fn short<'a>(word: &'a str, next: Option<&'a str>) -> Option<&'a str> {
    let letters = word.strip_prefix('-').filter(|letters| !letters.starts_with('-'))?;
    let rest = letters.trim_start_matches(['q', 'v']).strip_prefix('o')?;
    match rest.strip_prefix('=').unwrap_or(rest) {
        "" => next,
        value => Some(value),
    }
}

/// The verb that is typed, when there is one.
pub fn verb(typed: &[String]) -> Option<String> {
    let program = args::command();
    typed.iter().find(|word| program.find_subcommand(word).is_some()).cloned()
}

/// What the parser does not see: a switch that takes its value with `=` only.
pub fn advice(typed: &[String]) -> Option<String> {
    typed.windows(2).find_map(|pair| match pair {
        [flag, value]
            if ["--keep-tag", "--plain-http"].contains(&flag.as_str())
                && ["true", "false"].contains(&value.as_str()) =>
        {
            Some(format!("write `{flag}={value}`"))
        }
        _ => None,
    })
}

/// The parser's words as an error: its first paragraph in one line, its tips and
/// `advice` as the hint.
pub fn error(error: &clap::Error, advice: Option<String>) -> Error {
    let text = error.render().to_string();
    let mut paragraphs = text
        .split("\n\n")
        .map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "));
    let first = paragraphs.next().unwrap_or_default();
    let message = first.strip_prefix("error: ").unwrap_or(&first).to_owned();
    let mut hints: Vec<String> = paragraphs
        .filter(|paragraph| !paragraph.starts_with("Usage:"))
        .map(|paragraph| match paragraph.strip_prefix("tip: ") {
            Some(tip) => tip.to_owned(),
            None => paragraph.replace("For more information, try '--help'.", "`--help` says more"),
        })
        .collect();
    hints.retain(|hint| !hint.is_empty());
    hints.splice(0..0, advice);
    Error::Usage { message, hint: (!hints.is_empty()).then(|| hints.join("; ")) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn the_format_is_found_wherever_it_stands() {
        for line in [
            "-o json verify",
            "verify -o json",
            "verify -ojson",
            "verify -o=json",
            "verify --output json",
            "verify --output=json --nope",
            "verify -qo json",
            "verify -o yaml -o json",
            "verify -o json -o nope",
        ] {
            assert_eq!(format(&words(line)), Output::Json, "{line}");
        }
        assert_eq!(format(&words("verify -o yaml")), Output::Yaml);
        for line in
            ["verify", "verify -o", "verify -- -o json", "--outputs json", "-o nope", "-x json"]
        {
            assert_eq!(format(&words(line)), Output::Text, "{line}");
        }
    }

    #[test]
    fn the_verb_is_found() {
        assert_eq!(verb(&words("-o json verify --nope")).as_deref(), Some("verify"));
        assert_eq!(verb(&words("publsh")), None);
    }

    #[test]
    fn the_words_are_one_line_and_a_hint() {
        let refused = args::command()
            .try_get_matches_from(["sluicegate", "inspct", "x"])
            .expect_err("refused");
        let said = error(&refused, None);
        assert_eq!(said.to_string(), "unrecognized subcommand 'inspct'");
        assert_eq!(
            said.hint().as_deref(),
            Some("a similar subcommand exists: 'inspect'; `--help` says more")
        );
        let refused =
            args::command().try_get_matches_from(["sluicegate", "verify"]).expect_err("refused");
        assert_eq!(
            error(&refused, None).to_string(),
            "the following required arguments were not provided: <REFERENCE>"
        );
    }
}
