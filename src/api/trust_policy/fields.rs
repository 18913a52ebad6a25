//! Reading fields of a YAML tree and collecting what is wrong with them: every
//! problem at once, each with its place and what to write instead.

use crate::model::bundle::{
    path::RelPath,
    problem::{Code, Problem},
    yaml::{Kind, Node, source::Source},
};

use super::{code, read::Loader};

/// The most problems that are collected.
const MAX_PROBLEMS: usize = 100;

/// Where problems are collected.
pub(super) struct Desk<'a> {
    pub(super) source: &'a Source<'a>,
    pub(super) file: Option<&'a RelPath>,
    pub(super) load: &'a mut Loader<'a>,
    pub(super) problems: Vec<Problem>,
    /// Where lines start that hold a private key, which is never shown.
    hidden: Vec<usize>,
    /// How many obligations there are so far.
    pub(super) obligations: usize,
    /// How many conditions there are so far.
    pub(super) conditions: usize,
}

/// A value and its path, such as `spec.require[0].name`.
#[derive(Clone)]
pub(super) struct Field<'d> {
    pub(super) node: Node<'d>,
    pub(super) path: String,
}

/// A mapping whose fields are known.
pub(super) struct Fields<'d>(Field<'d>);

impl<'a> Desk<'a> {
    pub(super) fn new(
        source: &'a Source<'a>,
        file: Option<&'a RelPath>,
        load: &'a mut Loader<'a>,
    ) -> Self {
        let hidden = private_lines(source.text());
        Self { source, file, load, problems: Vec::new(), hidden, obligations: 0, conditions: 0 }
    }

    /// Notes a problem with a value.
    pub(super) fn report(&mut self, code: Code, field: &Field<'_>, text: String, hint: &str) {
        let problem = Problem::error(code, text).hint(hint);
        self.at(problem, field.node.range(), &field.path);
    }

    /// Notes a problem at a range of the text.
    pub(super) fn at(&mut self, problem: Problem, range: std::ops::Range<usize>, path: &str) {
        if self.problems.len() >= MAX_PROBLEMS {
            return;
        }
        let all = 0..self.source.text().len();
        let show = |start: usize, line: &str| match self.hidden.contains(&start) {
            true => "…".to_owned(),
            false => line.to_owned(),
        };
        let mut problem = problem.at(self.source.place(range, path, all, show));
        if let Some(file) = self.file {
            problem = problem.in_file(file);
        }
        self.problems.push(problem);
    }
}

/// Where the lines of private keys start, should somebody paste one.
fn private_lines(text: &str) -> Vec<usize> {
    let (mut hidden, mut inside, mut start) = (Vec::new(), false, 0);
    for line in text.split_inclusive('\n') {
        inside |= line.contains("PRIVATE KEY");
        if inside {
            hidden.push(start);
        }
        inside &= !line.contains("-----END");
        start += line.len();
    }
    hidden
}

impl<'d> Field<'d> {
    /// The document itself.
    pub(super) fn root(node: Node<'d>) -> Self {
        Self { node, path: String::new() }
    }

    fn child(&self, name: &str, node: Node<'d>) -> Self {
        let path = match self.path.as_str() {
            "" => name.to_owned(),
            path => format!("{path}.{name}"),
        };
        Self { node, path }
    }

    fn wrong(&self, desk: &mut Desk<'_>, wanted: &str, hint: &str) {
        let name = self.path.rsplit('.').next().unwrap_or_default();
        let found = self.node.kind().name();
        desk.report(code::TYPE, self, format!("`{name}` is {found}; expected {wanted}"), hint);
    }

    /// A mapping with no other fields than `known`.
    pub(super) fn fields(&self, desk: &mut Desk<'_>, known: &[&str]) -> Option<Fields<'d>> {
        let fields = self.mapping(desk, known)?;
        for (key, _) in self.node.entries() {
            let name = key.key();
            if !known.contains(&name.as_ref()) {
                let hint = match nearest(&name, known) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("the fields here are `{}`", known.join("`, `")),
                };
                let found = crate::model::text::shown(&name.chars().take(64).collect::<String>());
                let problem = Problem::error(code::FIELD, format!("there is no field `{found}`"));
                let path = self.child(&name, key).path;
                desk.at(problem.hint(hint), key.range(), &path);
            }
        }
        Some(fields)
    }

    /// A mapping whose fields are looked at elsewhere.
    pub(super) fn mapping(&self, desk: &mut Desk<'_>, known: &[&str]) -> Option<Fields<'d>> {
        if self.node.is_map() {
            return Some(Fields(self.clone()));
        }
        self.wrong(desk, "a mapping", &format!("write it with `{}`", known.join("`, `")));
        None
    }

    /// A text that is not empty.
    pub(super) fn text(&self, desk: &mut Desk<'_>) -> Option<&'d str> {
        match self.node.as_str() {
            Some(text) if text.trim().is_empty() => {
                let name = self.path.rsplit('.').next().unwrap_or_default();
                let message = format!("`{name}` is empty");
                desk.report(code::VALUE, self, message, "say what it is, or leave the field out");
                None
            }
            Some(text) => Some(text),
            None => {
                let hint = match self.node.kind() {
                    Kind::Seq | Kind::Map { .. } | Kind::Null => "write a text",
                    _ => "put it in quotes",
                };
                self.wrong(desk, "a string", hint);
                None
            }
        }
    }

    pub(super) fn boolean(&self, desk: &mut Desk<'_>) -> Option<bool> {
        match self.node.kind() {
            Kind::Bool(value) => Some(value),
            _ => {
                self.wrong(desk, "a boolean", "write `true` or `false`, without quotes");
                None
            }
        }
    }

    pub(super) fn integer(&self, desk: &mut Desk<'_>) -> Option<i64> {
        let found = match self.node.kind() {
            Kind::Int => self.node.scalar().and_then(|text| text.parse().ok()),
            _ => None,
        };
        if found.is_none() {
            self.wrong(desk, "an integer", "write a number, without quotes");
        }
        found
    }

    /// The entries of a list that is not empty.
    pub(super) fn items(&self, desk: &mut Desk<'_>) -> Vec<Field<'d>> {
        if self.node.kind() != Kind::Seq {
            self.wrong(desk, "a list", "write its entries with `- ` in front");
            return Vec::new();
        }
        let item = |(at, node)| Field { node, path: format!("{}[{at}]", self.path) };
        let items: Vec<_> = self.node.items().enumerate().map(item).collect();
        if items.is_empty() {
            let name = self.path.rsplit('.').next().unwrap_or_default();
            let message = format!("`{name}` is an empty list");
            desk.report(code::VALUE, self, message, "name at least one, or leave the field out");
        }
        items
    }

    /// A list of texts.
    pub(super) fn texts(&self, desk: &mut Desk<'_>) -> Vec<(Field<'d>, &'d str)> {
        let items = self.items(desk);
        let mut texts: Vec<(Field<'d>, &'d str)> = Vec::new();
        for item in items {
            let Some(text) = item.text(desk) else { continue };
            if texts.iter().any(|(_, known)| *known == text) {
                let message = "the list has an entry twice".to_owned();
                desk.report(code::VALUE, &item, message, "leave it out");
            }
            texts.push((item, text));
        }
        texts
    }
}

impl<'d> Fields<'d> {
    /// The mapping itself.
    pub(super) fn whole(&self) -> &Field<'d> {
        &self.0
    }

    pub(super) fn get(&self, name: &str) -> Option<Field<'d>> {
        self.0.node.get(name).map(|node| self.0.child(name, node))
    }

    pub(super) fn text(&self, desk: &mut Desk<'_>, name: &str) -> Option<&'d str> {
        self.get(name)?.text(desk)
    }

    /// A text that must be there.
    pub(super) fn needed(&self, desk: &mut Desk<'_>, name: &str, hint: &str) -> Option<&'d str> {
        match self.get(name) {
            Some(field) => field.text(desk),
            None => {
                self.missing(desk, name, hint);
                None
            }
        }
    }

    pub(super) fn missing(&self, desk: &mut Desk<'_>, name: &str, hint: &str) {
        desk.report(code::MISSING, &self.0, format!("`{name}` is missing"), hint);
    }

    /// Which of several fields is there; exactly one must be.
    pub(super) fn one_of(&self, desk: &mut Desk<'_>, names: &[&str]) -> Option<Field<'d>> {
        let mut found = names.iter().filter_map(|name| self.get(name));
        let first = found.next();
        let others: Vec<_> = found.collect();
        let list = format!("`{}`", names.join("`, `"));
        if first.is_none() {
            let message = format!("none of {list} is there");
            desk.report(code::MISSING, &self.0, message, "write exactly one of them");
        }
        for other in &others {
            let message = format!("more than one of {list}");
            desk.report(code::FIELD, other, message, "write exactly one of them");
        }
        first.filter(|_| others.is_empty())
    }
}

/// The name that was probably meant.
pub(super) fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    let name: String = name.chars().take(64).collect();
    let distance = |known: &&&str| {
        let plain = |text: &str| text.replace(['-', '_'], "").to_ascii_lowercase();
        let (name, known) = (plain(&name), plain(known));
        // Letters in another order are one slip.
        let sorted = |text: &str| {
            let mut letters: Vec<char> = text.chars().collect();
            letters.sort_unstable();
            letters
        };
        match name != known && sorted(&name) == sorted(&known) {
            true => 1,
            false => edits(&name, &known),
        }
    };
    let near = known.iter().min_by_key(distance)?;
    let allowed = match name.chars().count() {
        0..=2 => 0,
        3..=5 => 1,
        _ => 2,
    };
    (distance(&near) <= allowed).then_some(*near)
}

/// How many letters are to be changed, added or removed (Levenshtein).
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (to, above) in b.iter().zip(row.iter_mut().skip(1)) {
            let change = diagonal + usize::from(from != *to);
            diagonal = *above;
            left = change.min(*above + 1).min(left + 1);
            *above = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_offered() {
        let known = ["builder", "buildType", "signers", "maxAge"];
        for (name, wanted) in [
            ("bilder", Some("builder")),
            ("build-type", Some("buildType")),
            ("max_age", Some("maxAge")),
            ("MAXAGE", Some("maxAge")),
            ("signer", Some("signers")),
            ("maxAeg", Some("maxAge")),
            ("unrelated", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, &known), wanted, "{name}");
        }
        assert_eq!(edits("kitten", "sitting"), 3);
    }

    #[test]
    fn lines_of_private_keys_are_known() {
        let text = "a\n-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\nb\n";
        assert_eq!(private_lines(text), [2, 30, 32]);
        assert_eq!(private_lines("pem: \"-----BEGIN EC PRIVATE KEY-----\\nx\"\n"), [0]);
    }
}
