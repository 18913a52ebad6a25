//! What an expression says of its input (cel-spec, "Evaluation").
//!
//! Each step pays for what it looks at from one purse; an empty purse is an
//! error, so that no expression and no statement keep a worker busy.

use std::{cell::Cell, cmp::Ordering, rc::Rc};

use serde_json::Value;

use super::{
    BUDGET, ExpressionError, Function, Input, Literal, Macro, MacroKind, Node, Operator, Variable,
    functions, value::Val,
};

/// What an entry of a list that is made costs: it takes memory.
const ENTRY: u64 = 8;

pub(super) type Result<T> = std::result::Result<T, ExpressionError>;

/// Whether the expression is true of the input.
pub(super) fn evaluate(root: &Node, input: Input<'_>) -> Result<bool> {
    let bench = Bench { input, purse: Purse(Cell::new(BUDGET)) };
    match bench.eval(root, &[])? {
        Val::Bool(answer) => Ok(answer),
        other => Err(ExpressionError(format!("it is {}, not a boolean", other.kind()))),
    }
}

/// What may still be spent.
pub(super) struct Purse(Cell<u64>);

impl Purse {
    /// Pays; an error when there is not enough.
    pub(super) fn pay(&self, cost: u64) -> Result<()> {
        match self.0.get().checked_sub(cost) {
            Some(left) => {
                self.0.set(left);
                Ok(())
            }
            None => {
                self.0.set(0);
                Err(ExpressionError::new("it takes too many steps on this statement"))
            }
        }
    }

    /// Pays for reading a text.
    pub(super) fn read(&self, text: &str) -> Result<()> {
        self.pay(text.len() as u64 / 16)
    }

    /// Pays for making a text.
    pub(super) fn make(&self, length: usize) -> Result<()> {
        self.pay(length as u64 / 4)
    }
}

struct Bench<'a> {
    input: Input<'a>,
    purse: Purse,
}

/// What macros call their entries; at most one, since they do not nest.
type Locals<'l, 'a> = &'l [(&'l str, Val<'a>)];

impl<'a> Bench<'a> {
    fn eval(&self, node: &'a Node, locals: Locals<'_, 'a>) -> Result<Val<'a>> {
        self.purse.pay(1)?;
        match node {
            Node::Literal(literal) => Ok(match literal {
                Literal::Null => Val::Null,
                Literal::Bool(value) => Val::Bool(*value),
                Literal::Int(value) => Val::Int(*value),
                Literal::Double(value) => Val::Double(*value),
                Literal::Text(text) => Val::Str(text),
            }),
            Node::Variable(variable) => Ok(Val::from(match variable {
                Variable::Statement => self.input.statement,
                Variable::Predicate => self.input.predicate,
                Variable::Artifact => self.input.artifact,
            })),
            Node::Local(name) => match locals.iter().find(|(local, _)| local == name) {
                Some((_, value)) => Ok(value.clone()),
                None => Err(ExpressionError(format!("`{name}` is not known"))),
            },
            Node::Select(operand, field) => {
                let operand = self.eval(operand, locals)?;
                self.field(&operand, field)?.ok_or_else(|| no_field(field))
            }
            Node::Has(operand, field) => {
                let operand = self.eval(operand, locals)?;
                Ok(Val::Bool(self.field(&operand, field)?.is_some()))
            }
            Node::Not(operand) => Ok(Val::Bool(!self.boolean(operand, locals)?)),
            Node::Negate(operand) => match self.eval(operand, locals)? {
                Val::Int(value) => value.checked_neg().map(Val::Int).ok_or_else(overflow),
                Val::Double(value) => Ok(Val::Double(-value)),
                other => Err(ExpressionError(format!("`-` of {}", other.kind()))),
            },
            Node::And(terms) => self.join(terms, locals, false),
            Node::Or(terms) => self.join(terms, locals, true),
            Node::Choice(parts) => {
                let [condition, yes, no] = &**parts;
                let chosen = if self.boolean(condition, locals)? { yes } else { no };
                self.eval(chosen, locals)
            }
            Node::Matches(text, regex) => {
                let found = self.eval(text, locals)?;
                let text = found.text().ok_or_else(|| mismatch("matches", &found))?;
                self.purse.pay(functions::cost_of_matching(regex, text))?;
                Ok(Val::Bool(regex.is_match(text)))
            }
            _ => self.eval_compound(node, locals),
        }
    }

    /// Apart from [`Self::eval`], so that its frames are small.
    fn eval_compound(&self, node: &'a Node, locals: Locals<'_, 'a>) -> Result<Val<'a>> {
        match node {
            Node::List(entries) => {
                self.purse.pay(ENTRY * entries.len() as u64)?;
                let entries: Result<Vec<_>> =
                    entries.iter().map(|e| self.eval(e, locals)).collect();
                Ok(Val::List(Rc::new(entries?)))
            }
            Node::Map(entries) => self.map(entries, locals),
            Node::Index(operand, index) => {
                let operand = self.eval(operand, locals)?;
                let index = self.eval(index, locals)?;
                self.index(&operand, &index)
            }
            Node::Binary(operator, sides) => {
                let [left, right] = &**sides;
                let (left, right) = (self.eval(left, locals)?, self.eval(right, locals)?);
                self.binary(*operator, left, right)
            }
            Node::Call(function, arguments) => {
                let mut values = arguments.iter().map(|argument| self.eval(argument, locals));
                let (first, second) = (values.next().transpose()?, values.next().transpose()?);
                self.call(*function, first, second)
            }
            Node::Macro(found) => self.comprehend(found, locals),
            _ => Err(ExpressionError::new("it has a part that is not evaluated")),
        }
    }

    fn boolean(&self, node: &'a Node, locals: Locals<'_, 'a>) -> Result<bool> {
        match self.eval(node, locals)? {
            Val::Bool(value) => Ok(value),
            other => Err(ExpressionError(format!("{} where a boolean belongs", other.kind()))),
        }
    }

    /// `&&` (`decisive` false) and `||` (true): a decisive term decides whatever
    /// the others are, errors included.
    fn join(&self, terms: &'a [Node], locals: Locals<'_, 'a>, decisive: bool) -> Result<Val<'a>> {
        let mut failed = None;
        for term in terms {
            match self.boolean(term, locals) {
                Ok(value) if value == decisive => return Ok(Val::Bool(decisive)),
                Ok(_) => {}
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(Val::Bool(!decisive)), Err)
    }

    fn map(&self, entries: &'a [(Node, Node)], locals: Locals<'_, 'a>) -> Result<Val<'a>> {
        let mut made: Vec<(Val<'a>, Val<'a>)> = Vec::new();
        for (key, value) in entries {
            self.purse.pay(2 * ENTRY)?;
            let (key, value) = (self.eval(key, locals)?, self.eval(value, locals)?);
            if !matches!(key, Val::Str(_) | Val::Text(_) | Val::Int(_) | Val::Bool(_)) {
                return Err(ExpressionError(format!("{} as a key", key.kind())));
            }
            for (known, _) in &made {
                if self.equal(known, &key)? {
                    return Err(ExpressionError::new("a map has a key twice"));
                }
            }
            made.push((key, value));
        }
        Ok(Val::Map(Rc::new(made)))
    }

    /// The field of a map; an error for anything else.
    fn field(&self, operand: &Val<'a>, field: &str) -> Result<Option<Val<'a>>> {
        self.purse.read(field)?;
        match operand {
            Val::Object(entries) => Ok(entries.get(field).map(Val::from)),
            Val::Map(entries) => {
                self.purse.pay(entries.len() as u64)?;
                let found = entries.iter().find(|(key, _)| key.text() == Some(field));
                Ok(found.map(|(_, value)| value.clone()))
            }
            other => Err(ExpressionError(format!("`.{field}` of {}", other.kind()))),
        }
    }

    fn index(&self, operand: &Val<'a>, index: &Val<'a>) -> Result<Val<'a>> {
        if operand.list_len().is_some() {
            let at = match index {
                Val::Int(at) => usize::try_from(*at).ok(),
                Val::Double(at) if at.fract() == 0.0 && (0.0..1e15).contains(at) => {
                    format!("{at}").parse().ok()
                }
                other => return Err(ExpressionError(format!("{} as an index", other.kind()))),
            };
            return at
                .and_then(|at| operand.entry(at))
                .ok_or_else(|| ExpressionError::new("an index is outside its list"));
        }
        match (operand, index.text()) {
            (Val::Object(_) | Val::Map(_), Some(field)) => {
                self.field(operand, field)?.ok_or_else(|| no_field(field))
            }
            (Val::Object(_), None) => Err(ExpressionError::new("no such key")),
            (Val::Map(entries), None) => {
                for (key, value) in entries.iter() {
                    if self.equal(key, index)? {
                        return Ok(value.clone());
                    }
                }
                Err(ExpressionError::new("no such key"))
            }
            (other, _) => Err(ExpressionError(format!("`[…]` of {}", other.kind()))),
        }
    }

    fn binary(&self, operator: Operator, left: Val<'a>, right: Val<'a>) -> Result<Val<'a>> {
        let order = |wanted: fn(Ordering) -> bool| {
            // What is not a number is in no order to anything.
            Ok(Val::Bool(self.compare(&left, &right)?.is_some_and(wanted)))
        };
        match operator {
            Operator::Equal => Ok(Val::Bool(self.equal(&left, &right)?)),
            Operator::NotEqual => Ok(Val::Bool(!self.equal(&left, &right)?)),
            Operator::Less => order(Ordering::is_lt),
            Operator::LessOrEqual => order(Ordering::is_le),
            Operator::Greater => order(Ordering::is_gt),
            Operator::GreaterOrEqual => order(Ordering::is_ge),
            Operator::In => self.is_in(&left, &right),
            Operator::Add if left.list_len().is_some() => self.concatenate(&left, &right),
            _ => functions::arithmetic(operator, &left, &right, &self.purse),
        }
    }

    fn concatenate(&self, left: &Val<'a>, right: &Val<'a>) -> Result<Val<'a>> {
        let (Some(first), Some(second)) = (left.list_len(), right.list_len()) else {
            return Err(mismatch("+", right));
        };
        self.purse.pay(ENTRY * (first as u64 + second as u64))?;
        let entries = (0..first).filter_map(|at| left.entry(at));
        let entries = entries.chain((0..second).filter_map(|at| right.entry(at)));
        Ok(Val::List(Rc::new(entries.collect())))
    }

    fn is_in(&self, wanted: &Val<'a>, range: &Val<'a>) -> Result<Val<'a>> {
        if let Some(length) = range.list_len() {
            for at in 0..length {
                if let Some(entry) = range.entry(at)
                    && self.equal(&entry, wanted)?
                {
                    return Ok(Val::Bool(true));
                }
            }
            return Ok(Val::Bool(false));
        }
        match (range, wanted.text()) {
            (Val::Object(_) | Val::Map(_), Some(key)) => {
                Ok(Val::Bool(self.field(range, key)?.is_some()))
            }
            (Val::Object(_), None) => Ok(Val::Bool(false)),
            (Val::Map(entries), None) => {
                for (key, _) in entries.iter() {
                    if self.equal(key, wanted)? {
                        return Ok(Val::Bool(true));
                    }
                }
                Ok(Val::Bool(false))
            }
            (other, _) => Err(mismatch("in", other)),
        }
    }

    /// Equality; values of different types are not equal, numbers compare
    /// whatever they are written as.
    fn equal(&self, left: &Val<'a>, right: &Val<'a>) -> Result<bool> {
        self.purse.pay(1)?;
        if let (Some(left), Some(right)) = (left.text(), right.text()) {
            if left.len() == right.len() {
                self.purse.read(left)?;
            }
            return Ok(left == right);
        }
        if let (Val::Array(left), Val::Array(right)) = (left, right) {
            return self.same_lists(left, right);
        }
        if let (Some(first), Some(second)) = (left.list_len(), right.list_len()) {
            return self.all(first == second, first, |at| {
                match (left.entry(at), right.entry(at)) {
                    (Some(left), Some(right)) => self.equal(&left, &right),
                    _ => Ok(false),
                }
            });
        }
        match (left, right) {
            (Val::Null, Val::Null) => Ok(true),
            (Val::Bool(left), Val::Bool(right)) => Ok(left == right),
            (Val::Timestamp(left), Val::Timestamp(right)) => Ok(left == right),
            (Val::Duration(left), Val::Duration(right)) => Ok(left == right),
            (Val::Int(_) | Val::Double(_), Val::Int(_) | Val::Double(_)) => {
                Ok(numbers(left, right) == Some(Ordering::Equal))
            }
            (Val::Object(entries), Val::Object(others)) => {
                if entries.len() != others.len() {
                    return Ok(false);
                }
                for (key, value) in *entries {
                    self.purse.read(key)?;
                    let Some(other) = others.get(key) else { return Ok(false) };
                    if !self.equal(&Val::from(value), &Val::from(other))? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            (Val::Map(entries), other) | (other, Val::Map(entries)) => {
                if other.map_len() != Some(entries.len()) {
                    return Ok(false);
                }
                for (key, value) in entries.iter() {
                    // A key that is not there makes them differ; an empty purse
                    // stays an error.
                    let Ok(found) = self.index(other, key) else {
                        return self.purse.pay(1).map(|()| false);
                    };
                    if !self.equal(value, &found)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    fn same_lists(&self, left: &'a [Value], right: &'a [Value]) -> Result<bool> {
        let mut pairs = left.iter().zip(right);
        self.all(left.len() == right.len(), left.len(), |_| match pairs.next() {
            Some((left, right)) => self.equal(&Val::from(left), &Val::from(right)),
            None => Ok(true),
        })
    }

    fn all(
        &self,
        fits: bool,
        count: usize,
        mut holds: impl FnMut(usize) -> Result<bool>,
    ) -> Result<bool> {
        for at in 0..if fits { count } else { 0 } {
            if !holds(at)? {
                return Ok(false);
            }
        }
        Ok(fits)
    }

    /// The order of two values of one type; `None` with a number that is none.
    fn compare(&self, left: &Val<'a>, right: &Val<'a>) -> Result<Option<Ordering>> {
        if let (Some(left), Some(right)) = (left.text(), right.text()) {
            self.purse.read(if left.len() < right.len() { left } else { right })?;
            return Ok(Some(left.cmp(right)));
        }
        match (left, right) {
            (Val::Bool(left), Val::Bool(right)) => Ok(Some(left.cmp(right))),
            (Val::Timestamp(left), Val::Timestamp(right)) => Ok(Some(left.cmp(right))),
            (Val::Duration(left), Val::Duration(right)) => Ok(Some(left.cmp(right))),
            (Val::Int(_) | Val::Double(_), Val::Int(_) | Val::Double(_)) => {
                Ok(numbers(left, right))
            }
            _ => {
                let (left, right) = (left.kind(), right.kind());
                Err(ExpressionError(format!("{left} and {right} have no order")))
            }
        }
    }

    fn call(
        &self,
        function: Function,
        first: Option<Val<'a>>,
        second: Option<Val<'a>>,
    ) -> Result<Val<'a>> {
        match (first, second) {
            (Some(first), second) => functions::call(function, first, second.as_ref(), &self.purse),
            (None, _) => Err(ExpressionError::new("a function without arguments")),
        }
    }

    /// The macros that look at each entry of a list, or at each key of a map.
    fn comprehend(&self, found: &'a Macro, locals: Locals<'_, 'a>) -> Result<Val<'a>> {
        let range = self.eval(&found.range, locals)?;
        let mut outcome = Outcome::default();
        match &range {
            Val::Object(entries) => {
                for key in entries.keys() {
                    if self.visit(found, Val::Str(key), &mut outcome)? {
                        break;
                    }
                }
            }
            Val::Map(entries) => {
                for (key, _) in entries.iter() {
                    if self.visit(found, key.clone(), &mut outcome)? {
                        break;
                    }
                }
            }
            other => {
                let length = other.list_len().ok_or_else(|| mismatch("a macro", other))?;
                for entry in (0..length).filter_map(|at| other.entry(at)) {
                    if self.visit(found, entry, &mut outcome)? {
                        break;
                    }
                }
            }
        }
        outcome.finish(found.kind)
    }

    /// Looks at one entry; whether that decides.
    fn visit(&self, found: &'a Macro, entry: Val<'a>, outcome: &mut Outcome<'a>) -> Result<bool> {
        let locals = [(found.name.as_str(), entry)];
        if let Some(condition) = &found.condition
            && !self.boolean(condition, &locals)?
        {
            return Ok(false);
        }
        match found.kind {
            MacroKind::All | MacroKind::Exists => {
                let decisive = found.kind == MacroKind::Exists;
                match self.boolean(&found.body, &locals) {
                    Ok(value) if value == decisive => {
                        outcome.decided = true;
                        return Ok(true);
                    }
                    Ok(_) => {}
                    // An empty purse does not fill again.
                    Err(error) => {
                        self.purse.pay(1)?;
                        outcome.failed.get_or_insert(error);
                    }
                }
            }
            MacroKind::ExistsOne => {
                outcome.count += usize::from(self.boolean(&found.body, &locals)?);
            }
            MacroKind::Map => {
                self.purse.pay(ENTRY)?;
                outcome.kept.push(self.eval(&found.body, &locals)?);
            }
            MacroKind::Filter => {
                if self.boolean(&found.body, &locals)? {
                    self.purse.pay(ENTRY)?;
                    let [(_, entry)] = locals;
                    outcome.kept.push(entry);
                }
            }
        }
        Ok(false)
    }
}

/// What looking at entries came to so far.
#[derive(Default)]
struct Outcome<'a> {
    /// Whether an entry decided an `all` or an `exists`.
    decided: bool,
    /// The first error that no entry outweighed.
    failed: Option<ExpressionError>,
    count: usize,
    kept: Vec<Val<'a>>,
}

impl<'a> Outcome<'a> {
    fn finish(self, kind: MacroKind) -> Result<Val<'a>> {
        match (kind, self.decided, self.failed) {
            (MacroKind::All, true, _) => Ok(Val::Bool(false)),
            (MacroKind::Exists, true, _) => Ok(Val::Bool(true)),
            (_, _, Some(error)) => Err(error),
            (MacroKind::All, ..) => Ok(Val::Bool(true)),
            (MacroKind::Exists, ..) => Ok(Val::Bool(false)),
            (MacroKind::ExistsOne, ..) => Ok(Val::Bool(self.count == 1)),
            (MacroKind::Map | MacroKind::Filter, ..) => Ok(Val::List(Rc::new(self.kept))),
        }
    }
}

/// The order of two numbers, exact where an integer is larger than a double
/// tells apart.
fn numbers(left: &Val<'_>, right: &Val<'_>) -> Option<Ordering> {
    match (left, right) {
        (Val::Int(left), Val::Int(right)) => Some(left.cmp(right)),
        (Val::Double(left), Val::Double(right)) => left.partial_cmp(right),
        (Val::Int(int), Val::Double(double)) => mixed(*int, *double),
        (Val::Double(double), Val::Int(int)) => mixed(*int, *double).map(Ordering::reverse),
        _ => None,
    }
}

fn mixed(int: i64, double: f64) -> Option<Ordering> {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if double.is_nan() {
        return None;
    }
    if double >= LIMIT {
        return Some(Ordering::Less);
    }
    if double < -LIMIT {
        return Some(Ordering::Greater);
    }
    let whole = double.trunc();
    #[expect(clippy::cast_possible_truncation, reason = "between the limits it fits")]
    let order = int.cmp(&(whole as i64));
    Some(order.then_with(|| 0.0.partial_cmp(&(double - whole)).unwrap_or(Ordering::Equal)))
}

fn no_field(field: &str) -> ExpressionError {
    ExpressionError(format!("there is no `{}`", crate::model::text::shown(field)))
}

pub(super) fn overflow() -> ExpressionError {
    ExpressionError::new("a number or a time is too large")
}

pub(super) fn mismatch(what: &str, found: &Val<'_>) -> ExpressionError {
    ExpressionError(format!("`{what}` does not take {}", found.kind()))
}
