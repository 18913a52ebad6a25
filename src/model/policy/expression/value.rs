//! What an expression computes with: borrowed from the statement where it can
//! be, so that a large one is never copied.

use std::rc::Rc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

/// A value.
#[derive(Debug, Clone)]
pub(super) enum Val<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    /// Text of the statement or of the expression.
    Str(&'a str),
    /// Text that was made.
    Text(Rc<str>),
    /// A list of the statement.
    Array(&'a [Value]),
    /// A list that was made.
    List(Rc<Vec<Val<'a>>>),
    /// A map of the statement.
    Object(&'a Map<String, Value>),
    /// A map that was made; few entries, as they are written out.
    Map(Rc<Vec<(Val<'a>, Val<'a>)>>),
    Timestamp(Timestamp),
    Duration(SignedDuration),
}

impl<'a> From<&'a Value> for Val<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(number) => match number.as_i64() {
                Some(number) => Self::Int(number),
                None => Self::Double(number.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(text) => Self::Str(text),
            Value::Array(entries) => Self::Array(entries),
            Value::Object(entries) => Self::Object(entries),
        }
    }
}

impl<'a> Val<'a> {
    /// The name of its type, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Int(_) => "an integer",
            Self::Double(_) => "a number",
            Self::Str(_) | Self::Text(_) => "a string",
            Self::Array(_) | Self::List(_) => "a list",
            Self::Object(_) | Self::Map(_) => "a map",
            Self::Timestamp(_) => "a timestamp",
            Self::Duration(_) => "a duration",
        }
    }

    /// The text of a string.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text),
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The length of a list.
    pub(super) fn list_len(&self) -> Option<usize> {
        match self {
            Self::Array(entries) => Some(entries.len()),
            Self::List(entries) => Some(entries.len()),
            _ => None,
        }
    }

    /// The entry of a list.
    pub(super) fn entry(&self, at: usize) -> Option<Val<'a>> {
        match self {
            Self::Array(entries) => entries.get(at).map(Val::from),
            Self::List(entries) => entries.get(at).cloned(),
            _ => None,
        }
    }

    /// The length of a map.
    pub(super) fn map_len(&self) -> Option<usize> {
        match self {
            Self::Object(entries) => Some(entries.len()),
            Self::Map(entries) => Some(entries.len()),
            _ => None,
        }
    }
}
