//! Functions and arithmetic of expressions (cel-spec, "List of Standard
//! Definitions").

use std::rc::Rc;

use jiff::{SignedDuration, Timestamp};
use regex::Regex;

use super::{
    ExpressionError, Function, Operator,
    eval::{Purse, Result, mismatch, overflow},
    value::Val,
};
use crate::model::policy::duration;

/// The longest pattern whose matching costs little.
const SHORT_PATTERN: usize = 64;

/// What matching costs: a pattern with many states looks at each byte often.
pub(super) fn cost_of_matching(regex: &Regex, text: &str) -> u64 {
    let pattern = regex.as_str();
    let simple = pattern.len() <= SHORT_PATTERN && !pattern.contains('{');
    text.len() as u64 * if simple { 1 } else { 16 } + 16
}

/// Calls a function; the parser saw to the number of arguments.
pub(super) fn call<'a>(
    function: Function,
    first: Val<'a>,
    second: Option<&Val<'a>>,
    purse: &Purse,
) -> Result<Val<'a>> {
    match function {
        Function::Size => size(&first, purse),
        Function::Contains => texts("contains", &first, second, purse, |a, b| a.contains(b)),
        Function::StartsWith => texts("startsWith", &first, second, purse, |a, b| a.starts_with(b)),
        Function::EndsWith => texts("endsWith", &first, second, purse, |a, b| a.ends_with(b)),
        Function::LowerAscii => cased("lowerAscii", &first, purse, str::to_ascii_lowercase),
        Function::UpperAscii => cased("upperAscii", &first, purse, str::to_ascii_uppercase),
        Function::Text => text(first, purse),
        Function::Int => int(&first),
        Function::Double => match &first {
            Val::Double(_) => Ok(first),
            #[expect(clippy::cast_precision_loss, reason = "as CEL does")]
            Val::Int(value) => Ok(Val::Double(*value as f64)),
            other => parsed(other, "double").map(Val::Double),
        },
        Function::Timestamp => match &first {
            Val::Timestamp(_) => Ok(first),
            other => parsed(other, "timestamp").map(Val::Timestamp),
        },
        Function::Duration => match &first {
            Val::Duration(_) => Ok(first),
            other => {
                let text = other.text().ok_or_else(|| mismatch("duration", other))?;
                duration::parse(text)
                    .map(Val::Duration)
                    .ok_or_else(|| ExpressionError::new("not a duration such as `72h30m`"))
            }
        },
    }
}

fn size<'a>(value: &Val<'a>, purse: &Purse) -> Result<Val<'a>> {
    let size = match value.text() {
        Some(text) => {
            purse.read(text)?;
            Some(text.chars().count())
        }
        None => value.list_len().or(value.map_len()),
    };
    let size = size.ok_or_else(|| mismatch("size", value))?;
    i64::try_from(size).map(Val::Int).map_err(|_| overflow())
}

fn texts<'a>(
    name: &str,
    first: &Val<'a>,
    second: Option<&Val<'a>>,
    purse: &Purse,
    holds: fn(&str, &str) -> bool,
) -> Result<Val<'a>> {
    let text = first.text().ok_or_else(|| mismatch(name, first))?;
    let second = second.unwrap_or(&Val::Null);
    let part = second.text().ok_or_else(|| mismatch(name, second))?;
    purse.read(text)?;
    purse.read(part)?;
    Ok(Val::Bool(holds(text, part)))
}

fn cased<'a>(
    name: &str,
    value: &Val<'a>,
    purse: &Purse,
    change: fn(&str) -> String,
) -> Result<Val<'a>> {
    let text = value.text().ok_or_else(|| mismatch(name, value))?;
    purse.make(text.len())?;
    Ok(Val::Text(Rc::from(change(text))))
}

fn text<'a>(value: Val<'a>, purse: &Purse) -> Result<Val<'a>> {
    let made = match &value {
        Val::Str(_) | Val::Text(_) => return Ok(value),
        Val::Bool(value) => value.to_string(),
        Val::Int(value) => value.to_string(),
        Val::Double(value) => value.to_string(),
        Val::Timestamp(value) => value.to_string(),
        other => return Err(mismatch("string", other)),
    };
    purse.make(made.len())?;
    Ok(Val::Text(Rc::from(made)))
}

fn int<'a>(value: &Val<'a>) -> Result<Val<'a>> {
    match value {
        Val::Int(value) => Ok(Val::Int(*value)),
        Val::Timestamp(time) => Ok(Val::Int(time.as_second())),
        Val::Double(value) => {
            let whole = value.trunc();
            match (-9.2e18..9.2e18).contains(&whole) {
                #[expect(clippy::cast_possible_truncation, reason = "it was compared")]
                true => Ok(Val::Int(whole as i64)),
                false => Err(overflow()),
            }
        }
        other => parsed(other, "int").map(Val::Int),
    }
}

fn parsed<T: std::str::FromStr>(value: &Val<'_>, name: &str) -> Result<T> {
    let text = value.text().ok_or_else(|| mismatch(name, value))?;
    let wrong = || ExpressionError(format!("`{name}` of a text that is none"));
    // What is longer is none of them, and is not read.
    if text.len() > 64 {
        return Err(wrong());
    }
    text.parse().map_err(|_| wrong())
}

/// `+ - * / %` of anything but lists.
pub(super) fn arithmetic<'a>(
    operator: Operator,
    left: &Val<'a>,
    right: &Val<'a>,
    purse: &Purse,
) -> Result<Val<'a>> {
    let wrong = || {
        let (left, right) = (left.kind(), right.kind());
        Err(ExpressionError(format!("an operator does not take {left} and {right}")))
    };
    if let (Some(first), Some(second), Operator::Add) = (left.text(), right.text(), operator) {
        purse.make(first.len() + second.len())?;
        return Ok(Val::Text(Rc::from(format!("{first}{second}"))));
    }
    match (left, right) {
        (Val::Int(left), Val::Int(right)) => integers(operator, *left, *right),
        (Val::Double(left), Val::Double(right)) => match operator {
            Operator::Add => Ok(Val::Double(left + right)),
            Operator::Subtract => Ok(Val::Double(left - right)),
            Operator::Multiply => Ok(Val::Double(left * right)),
            Operator::Divide => Ok(Val::Double(left / right)),
            _ => wrong(),
        },
        (Val::Timestamp(time), Val::Duration(length))
        | (Val::Duration(length), Val::Timestamp(time)) => {
            let first = matches!(left, Val::Timestamp(_));
            moved(operator, *time, *length, first).unwrap_or_else(wrong)
        }
        (Val::Timestamp(left), Val::Timestamp(right)) if operator == Operator::Subtract => {
            Ok(Val::Duration(left.duration_since(*right)))
        }
        (Val::Duration(left), Val::Duration(right)) => {
            let sum = match operator {
                Operator::Add => left.checked_add(*right),
                Operator::Subtract => left.checked_sub(*right),
                _ => return wrong(),
            };
            sum.map(Val::Duration).ok_or_else(overflow)
        }
        _ => wrong(),
    }
}

fn integers<'a>(operator: Operator, left: i64, right: i64) -> Result<Val<'a>> {
    if right == 0 && matches!(operator, Operator::Divide | Operator::Remainder) {
        return Err(ExpressionError::new("a division by zero"));
    }
    let value = match operator {
        Operator::Add => left.checked_add(right),
        Operator::Subtract => left.checked_sub(right),
        Operator::Multiply => left.checked_mul(right),
        Operator::Divide => left.checked_div(right),
        Operator::Remainder => left.checked_rem(right),
        _ => None,
    };
    value.map(Val::Int).ok_or_else(overflow)
}

/// A time and a length; `None` where the operator has no meaning for them.
fn moved<'a>(
    operator: Operator,
    time: Timestamp,
    length: SignedDuration,
    time_first: bool,
) -> Option<Result<Val<'a>>> {
    let moved = match operator {
        Operator::Add => time.checked_add(length),
        Operator::Subtract if time_first => time.checked_sub(length),
        _ => return None,
    };
    Some(moved.map(Val::Timestamp).map_err(|_| overflow()))
}
