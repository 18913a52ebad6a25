//! Conditions in CEL over what a statement says.
//!
//! A condition sees `statement` (the in-toto statement), `predicate` (its
//! predicate) and `artifact` (`digest`, `annotations`, `reference`, `tag`), and
//! must be `true`; `false`, another type or an error does not meet it. What is
//! absent is an error: ask with `has(predicate.a)` first.
//!
//! The language is the part of CEL (cel-spec, "langdef") that conditions need:
//!
//! - literals, lists, maps, `.` and `[…]`, `? :`, `&& || !`, `== != < <= > >=`,
//!   `in`, `+ - * / %`; numbers compare across their types.
//! - `has`, `all`, `exists`, `exists_one`, `map`, `filter`; none inside the body
//!   of another.
//! - `size`, `contains`, `startsWith`, `endsWith`, `matches` (of a literal
//!   pattern), `lowerAscii`, `upperAscii`, `string`, `int`, `double`,
//!   `timestamp`, `duration`.
//!
//! Neither bytes, unsigned literals, messages nor type names, and nothing that
//! asks a clock or a network: an expression says the same whenever and wherever
//! it is asked.
//!
//! Why not the `cel` crate: docs/decisions/0009-cel.md. Its meaning is ours: a
//! test compares the two.
//!
//! Work is bounded by construction: texts are short, trees are flat, each step
//! costs what it looks at, and when [`BUDGET`] is spent the answer is an error.

use std::fmt;

use regex::Regex;
use serde_json::Value;

mod eval;
mod functions;
mod lexer;
mod parser;
mod value;

/// The longest expression, in bytes.
pub const MAX_LENGTH: usize = 4096;
/// How much one evaluation may look at: nodes of the expression, entries of
/// lists and maps, and sixteenths of texts.
pub const BUDGET: u64 = 4_000_000;

/// A condition that a statement must meet.
#[derive(Debug, Clone)]
pub struct Condition {
    /// The expression.
    pub expression: Expression,
    /// What it demands, in words.
    pub message: String,
}

/// A CEL expression that was read.
#[derive(Clone)]
pub struct Expression {
    text: String,
    root: Node,
}

/// What an expression sees.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// `statement`: the in-toto statement; its `predicate` is that below.
    pub statement: &'a Value,
    /// `predicate`: its predicate.
    pub predicate: &'a Value,
    /// `artifact`: digest, annotations, reference and tag.
    pub artifact: &'a Value,
}

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    /// [`ExpressionError`] saying what is refused.
    pub fn parse(text: &str) -> Result<Self, ExpressionError> {
        if text.len() > MAX_LENGTH {
            let why = format!("{} bytes long; at most {MAX_LENGTH} are read", text.len());
            return Err(ExpressionError(why));
        }
        Ok(Self { text: text.to_owned(), root: parser::parse(text)? })
    }

    /// The expression as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What it says of the input.
    ///
    /// # Errors
    /// [`ExpressionError`] for anything but a boolean.
    pub fn evaluate(&self, input: Input<'_>) -> Result<bool, ExpressionError> {
        eval::evaluate(&self.root, input)
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Expression({})", self.text)
    }
}

/// An expression that is refused, or that gives no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ExpressionError(pub String);

impl ExpressionError {
    fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// A node of an expression. The parser bounds how deep they nest.
#[derive(Clone)]
enum Node {
    /// A literal.
    Literal(Literal),
    /// One of the three variables.
    Variable(Variable),
    /// What a macro calls the entry that it looks at.
    Local(String),
    /// `[a, b]`.
    List(Vec<Node>),
    /// `{a: b}`.
    Map(Vec<(Node, Node)>),
    /// `a.b`.
    Select(Box<Node>, String),
    /// `a[b]`.
    Index(Box<Node>, Box<Node>),
    /// `has(a.b)`.
    Has(Box<Node>, String),
    /// `!a`.
    Not(Box<Node>),
    /// `-a`.
    Negate(Box<Node>),
    /// `a && b && c`: flat, so that a long one is not deep.
    And(Vec<Node>),
    /// `a || b || c`.
    Or(Vec<Node>),
    /// `a ? b : c`.
    Choice(Box<[Node; 3]>),
    /// An operator between two.
    Binary(Operator, Box<[Node; 2]>),
    /// A function of its arguments, the receiver first.
    Call(Function, Vec<Node>),
    /// `a.matches('…')`.
    Matches(Box<Node>, Regex),
    /// `a.all(x, p)` and its like.
    Macro(Box<Macro>),
}

/// `range.kind(name, body)`, for `map` possibly with a condition.
#[derive(Clone)]
struct Macro {
    kind: MacroKind,
    range: Node,
    name: String,
    condition: Option<Node>,
    body: Node,
}

/// The macros that look at each entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MacroKind {
    All,
    Exists,
    ExistsOne,
    Map,
    Filter,
}

/// A literal.
#[derive(Debug, Clone)]
enum Literal {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(String),
}

/// What an expression may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Variable {
    Statement,
    Predicate,
    Artifact,
}

/// An operator between two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

/// The functions, other than `matches`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Function {
    Size,
    Contains,
    StartsWith,
    EndsWith,
    LowerAscii,
    UpperAscii,
    Text,
    Int,
    Double,
    Timestamp,
    Duration,
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests;
