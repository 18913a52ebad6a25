//! Conditions in CEL over what a statement says.

use serde_json::Value;

/// A condition that a statement must meet.
#[derive(Debug, Clone)]
pub struct Condition {
    /// The expression.
    pub expression: Expression,
    /// What it demands, in words.
    pub message: String,
}

/// A CEL expression that was read.
#[derive(Debug, Clone)]
pub struct Expression {
    text: String,
}

/// What an expression sees.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// `statement`: the in-toto statement.
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
        Ok(Self { text: text.to_owned() })
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
        let _ = input;
        Err(ExpressionError("conditions are not evaluated".into()))
    }
}

/// An expression that is refused, or that gives no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ExpressionError(pub String);
