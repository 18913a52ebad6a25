//! The grammar of expressions (cel-spec, "Syntax"), by precedence climbing.
//! What an expression may name is decided here, so that a policy with a wrong
//! one does not load.

use regex::RegexBuilder;

use super::{
    ExpressionError, Function, Literal, Macro, MacroKind, Node, Operator, Variable,
    lexer::{self, Token, error},
};

/// How deep an expression may nest.
const MAX_DEPTH: usize = 48;
/// What a compiled pattern may take, in bytes.
const MAX_COMPILED: usize = 256 << 10;
/// Names that CEL keeps for itself.
const RESERVED: [&str; 20] = [
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
    "true",
    "false",
];

/// Reads an expression.
pub(super) fn parse(text: &str) -> Result<Node> {
    let tokens = lexer::tokens(text)?;
    let mut parser = Parser { tokens, next: 0, end: text.len(), depth: 0, locals: Vec::new() };
    let node = parser.expression()?;
    match parser.peek() {
        None => Ok(node.0),
        Some(_) => Err(parser.unexpected("the end of the expression")),
    }
}

struct Parser {
    tokens: Vec<(Token, usize)>,
    next: usize,
    end: usize,
    depth: usize,
    /// What the macros around call their entries.
    locals: Vec<String>,
}

/// A node and how deep it is.
type Deep = (Node, usize);
type Result<T> = std::result::Result<T, ExpressionError>;

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|(token, _)| token)
    }

    /// Where the next word starts.
    fn at(&self) -> usize {
        self.tokens.get(self.next).map_or(self.end, |(_, at)| *at)
    }

    fn take(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Sign(found)) if *found == sign);
        self.next += usize::from(found);
        found
    }

    fn expect(&mut self, sign: &str) -> Result<()> {
        match self.take(sign) {
            true => Ok(()),
            false => Err(self.unexpected(&format!("`{sign}`"))),
        }
    }

    fn unexpected(&self, wanted: &str) -> ExpressionError {
        let found = match self.peek() {
            None => "the end".to_owned(),
            Some(Token::Name(name)) => format!("`{name}`"),
            Some(Token::Sign(sign)) => format!("`{sign}`"),
            Some(Token::Int(_) | Token::Double(_)) => "a number".to_owned(),
            Some(Token::Text(_)) => "a string".to_owned(),
        };
        error(self.at(), &format!("expected {wanted}, found {found}"))
    }

    /// One level deeper, unless that is too deep.
    fn deeper(&self, depth: usize) -> Result<usize> {
        match depth < MAX_DEPTH {
            true => Ok(depth + 1),
            false => Err(error(self.at(), "it nests too deeply; split the condition")),
        }
    }

    fn expression(&mut self) -> Result<Deep> {
        self.depth = self.deeper(self.depth)?;
        let found = self.choice();
        self.depth -= 1;
        found
    }

    fn choice(&mut self) -> Result<Deep> {
        let (condition, a) = self.or()?;
        if !self.take("?") {
            return Ok((condition, a));
        }
        let (yes, b) = self.or()?;
        self.expect(":")?;
        let (no, c) = self.expression()?;
        let depth = self.deeper(a.max(b).max(c))?;
        Ok((Node::Choice(Box::new([condition, yes, no])), depth))
    }

    fn or(&mut self) -> Result<Deep> {
        let (first, mut depth) = self.and()?;
        let mut terms = vec![first];
        while self.take("||") {
            let (term, more) = self.and()?;
            terms.push(term);
            depth = depth.max(more);
        }
        self.joined(terms, depth, Node::Or)
    }

    fn and(&mut self) -> Result<Deep> {
        let (first, mut depth) = self.relation()?;
        let mut terms = vec![first];
        while self.take("&&") {
            let (term, more) = self.relation()?;
            terms.push(term);
            depth = depth.max(more);
        }
        self.joined(terms, depth, Node::And)
    }

    fn joined(
        &self,
        mut terms: Vec<Node>,
        depth: usize,
        join: fn(Vec<Node>) -> Node,
    ) -> Result<Deep> {
        match (terms.len(), terms.pop()) {
            (1, Some(only)) => Ok((only, depth)),
            (_, last) => {
                terms.extend(last);
                Ok((join(terms), self.deeper(depth)?))
            }
        }
    }

    fn relation(&mut self) -> Result<Deep> {
        let mut left = self.sum()?;
        loop {
            let operator = match self.peek() {
                Some(Token::Sign("==")) => Operator::Equal,
                Some(Token::Sign("!=")) => Operator::NotEqual,
                Some(Token::Sign("<")) => Operator::Less,
                Some(Token::Sign("<=")) => Operator::LessOrEqual,
                Some(Token::Sign(">")) => Operator::Greater,
                Some(Token::Sign(">=")) => Operator::GreaterOrEqual,
                Some(Token::Name(name)) if name == "in" => Operator::In,
                _ => return Ok(left),
            };
            self.next += 1;
            let right = self.sum()?;
            left = self.binary(operator, left, right)?;
        }
    }

    fn sum(&mut self) -> Result<Deep> {
        let mut left = self.product()?;
        loop {
            let operator = match self.peek() {
                Some(Token::Sign("+")) => Operator::Add,
                Some(Token::Sign("-")) => Operator::Subtract,
                _ => return Ok(left),
            };
            self.next += 1;
            let right = self.product()?;
            left = self.binary(operator, left, right)?;
        }
    }

    fn product(&mut self) -> Result<Deep> {
        let mut left = self.unary()?;
        loop {
            let operator = match self.peek() {
                Some(Token::Sign("*")) => Operator::Multiply,
                Some(Token::Sign("/")) => Operator::Divide,
                Some(Token::Sign("%")) => Operator::Remainder,
                _ => return Ok(left),
            };
            self.next += 1;
            let right = self.unary()?;
            left = self.binary(operator, left, right)?;
        }
    }

    fn binary(&self, operator: Operator, left: Deep, right: Deep) -> Result<Deep> {
        let depth = self.deeper(left.1.max(right.1))?;
        Ok((Node::Binary(operator, Box::new([left.0, right.0])), depth))
    }

    /// `!` and `-`, any number of one of them.
    fn unary(&mut self) -> Result<Deep> {
        let start = self.next;
        if self.take("!") {
            while self.take("!") {}
            let odd = (self.next - start) % 2 == 1;
            let (operand, depth) = self.member()?;
            // An even number of them still demands a boolean.
            let once = Node::Not(Box::new(operand));
            let node = if odd { once } else { Node::Not(Box::new(once)) };
            return Ok((node, self.deeper(self.deeper(depth)?)?));
        }
        if !self.take("-") {
            return self.member();
        }
        while self.take("-") {}
        let odd = (self.next - start) % 2 == 1;
        // The smallest integer has no positive counterpart.
        if let (true, Some(Token::Int(number))) = (odd, self.peek())
            && *number == i64::MIN.unsigned_abs()
        {
            self.next += 1;
            let smallest = (Node::Literal(Literal::Int(i64::MIN)), 0);
            return self.members(smallest);
        }
        let (operand, depth) = self.member()?;
        let once = Node::Negate(Box::new(operand));
        let node = if odd { once } else { Node::Negate(Box::new(once)) };
        Ok((node, self.deeper(self.deeper(depth)?)?))
    }

    fn member(&mut self) -> Result<Deep> {
        let first = self.primary()?;
        self.members(first)
    }

    /// What follows a value: `.name`, `.call(…)` and `[…]`.
    fn members(&mut self, mut node: Deep) -> Result<Deep> {
        loop {
            let at = self.at();
            if self.take("[") {
                let (index, inner) = self.expression()?;
                self.expect("]")?;
                let depth = self.deeper(node.1.max(inner))?;
                node = (select_index(node.0, index), depth);
            } else if self.take(".") {
                let name = self.name("a field or a function")?;
                node = match self.take("(") {
                    true => self.method(node, &name, at)?,
                    false => (select(node.0, name), self.deeper(node.1)?),
                };
            } else {
                return Ok(node);
            }
        }
    }

    fn name(&mut self, wanted: &str) -> Result<String> {
        match self.peek() {
            Some(Token::Name(name)) => {
                let name = name.clone();
                self.next += 1;
                Ok(name)
            }
            _ => Err(self.unexpected(wanted)),
        }
    }

    fn primary(&mut self) -> Result<Deep> {
        let at = self.at();
        let Some(token) = self.peek().cloned() else { return Err(self.unexpected("a value")) };
        self.next += 1;
        let literal = |literal| Ok((Node::Literal(literal), 0));
        match token {
            Token::Int(number) => match i64::try_from(number) {
                Ok(number) => literal(Literal::Int(number)),
                Err(_) => Err(error(at, "the number is too large")),
            },
            Token::Double(number) => literal(Literal::Double(number)),
            Token::Text(text) => literal(Literal::Text(text)),
            Token::Sign("(") => {
                let inner = self.expression()?;
                self.expect(")")?;
                Ok(inner)
            }
            Token::Sign("[") => {
                let (entries, depth) = self.list("]")?;
                Ok((Node::List(entries), self.deeper(depth)?))
            }
            Token::Sign("{") => self.map(),
            Token::Name(name) => match name.as_str() {
                "true" => literal(Literal::Bool(true)),
                "false" => literal(Literal::Bool(false)),
                "null" => literal(Literal::Null),
                _ if self.take("(") => self.call(&name, at),
                _ => self.variable(name, at),
            },
            Token::Sign(_) => {
                self.next -= 1;
                Err(self.unexpected("a value"))
            }
        }
    }

    fn variable(&self, name: String, at: usize) -> Result<Deep> {
        if self.locals.contains(&name) {
            return Ok((Node::Local(name), 0));
        }
        let variable = match name.as_str() {
            "statement" => Variable::Statement,
            "predicate" => Variable::Predicate,
            "artifact" => Variable::Artifact,
            _ => {
                let known = "expected `statement`, `predicate` or `artifact`";
                return Err(error(at, &format!("`{name}` is not known here; {known}")));
            }
        };
        Ok((Node::Variable(variable), 0))
    }

    /// Expressions up to a closing bracket, a comma at the end allowed.
    fn list(&mut self, close: &str) -> Result<(Vec<Node>, usize)> {
        let (mut entries, mut depth) = (Vec::new(), 0);
        while !self.take(close) {
            if !entries.is_empty() {
                self.expect(",")?;
                if self.take(close) {
                    break;
                }
            }
            let (entry, more) = self.expression()?;
            entries.push(entry);
            depth = depth.max(more);
        }
        Ok((entries, depth))
    }

    fn map(&mut self) -> Result<Deep> {
        let (mut entries, mut depth) = (Vec::new(), 0);
        while !self.take("}") {
            if !entries.is_empty() {
                self.expect(",")?;
                if self.take("}") {
                    break;
                }
            }
            let (key, a) = self.expression()?;
            self.expect(":")?;
            let (value, b) = self.expression()?;
            entries.push((key, value));
            depth = depth.max(a).max(b);
        }
        Ok((Node::Map(entries), self.deeper(depth)?))
    }

    /// `name(…)`; the bracket was read.
    fn call(&mut self, name: &str, at: usize) -> Result<Deep> {
        if name == "has" {
            let inner = self.expression()?;
            self.expect(")")?;
            return match inner {
                (Node::Select(operand, field), depth) => Ok((Node::Has(operand, field), depth)),
                // `statement.predicate` was already taken for `predicate`.
                (Node::Variable(Variable::Predicate), depth) => {
                    Ok((Node::Literal(Literal::Bool(true)), depth))
                }
                _ => Err(error(at, "`has` asks for a field; write `has(a.b)`")),
            };
        }
        let (arguments, depth) = self.list(")")?;
        self.function(name, arguments, false, depth, at)
    }

    /// `receiver.name(…)`; the bracket was read.
    fn method(&mut self, receiver: Deep, name: &str, at: usize) -> Result<Deep> {
        let kind = match name {
            "all" => MacroKind::All,
            "exists" => MacroKind::Exists,
            "exists_one" => MacroKind::ExistsOne,
            "map" => MacroKind::Map,
            "filter" => MacroKind::Filter,
            _ => {
                let (mut arguments, depth) = self.list(")")?;
                arguments.insert(0, receiver.0);
                return self.function(name, arguments, true, depth.max(receiver.1), at);
            }
        };
        if !self.locals.is_empty() {
            let why = format!("`{name}` inside the body of another macro; compare in one");
            return Err(error(at, &why));
        }
        let local = self.name("a name for the entry")?;
        if RESERVED.contains(&local.as_str()) || local == "null" {
            return Err(error(at, &format!("`{local}` cannot name an entry")));
        }
        self.expect(",")?;
        self.locals.push(local.clone());
        let bodies = self.list(")");
        self.locals.pop();
        let (mut bodies, inner) = bodies?;
        let (condition, body) = match (kind, bodies.pop(), bodies.pop(), bodies.is_empty()) {
            (_, Some(body), None, _) => (None, body),
            (MacroKind::Map, Some(body), Some(condition), true) => (Some(condition), body),
            _ => return Err(error(at, &format!("`{name}` takes a name and an expression"))),
        };
        let depth = self.deeper(receiver.1.max(inner))?;
        let range = receiver.0;
        Ok((Node::Macro(Box::new(Macro { kind, range, name: local, condition, body })), depth))
    }

    fn function(
        &self,
        name: &str,
        mut arguments: Vec<Node>,
        method: bool,
        depth: usize,
        at: usize,
    ) -> Result<Deep> {
        let depth = self.deeper(depth)?;
        if name == "matches" {
            let pattern = arguments.pop();
            return match (arguments.pop(), pattern, arguments.is_empty()) {
                (Some(text), Some(Node::Literal(Literal::Text(pattern))), true) => {
                    let regex = compiled(&pattern).map_err(|why| error(at, &why))?;
                    Ok((Node::Matches(Box::new(text), regex), depth))
                }
                _ => Err(error(at, "`matches` takes a text and a pattern that is written out")),
            };
        }
        let (function, count, as_method, as_call) = match name {
            "size" => (Function::Size, 1, true, true),
            "contains" => (Function::Contains, 2, true, false),
            "startsWith" => (Function::StartsWith, 2, true, false),
            "endsWith" => (Function::EndsWith, 2, true, false),
            "lowerAscii" => (Function::LowerAscii, 1, true, false),
            "upperAscii" => (Function::UpperAscii, 1, true, false),
            "string" => (Function::Text, 1, false, true),
            "int" => (Function::Int, 1, false, true),
            "double" => (Function::Double, 1, false, true),
            "timestamp" => (Function::Timestamp, 1, false, true),
            "duration" => (Function::Duration, 1, false, true),
            _ => {
                let known = "`size`, `contains`, `startsWith`, `endsWith`, `matches`, `has`, `all`";
                let why = format!("there is no function `{name}`; known are {known} and others");
                return Err(error(at, &why));
            }
        };
        if !(if method { as_method } else { as_call }) {
            let right = if method { format!("{name}(x)") } else { format!("x.{name}(…)") };
            return Err(error(at, &format!("write `{right}`")));
        }
        match arguments.len() == count {
            true => Ok((Node::Call(function, arguments), depth)),
            false => Err(error(at, &format!("`{name}` takes other arguments"))),
        }
    }
}

/// `statement.predicate` is `predicate`, which is kept apart because it may be
/// large.
fn select(operand: Node, field: String) -> Node {
    match (&operand, field.as_str()) {
        (Node::Variable(Variable::Statement), "predicate") => Node::Variable(Variable::Predicate),
        _ => Node::Select(Box::new(operand), field),
    }
}

fn select_index(operand: Node, index: Node) -> Node {
    match (&operand, &index) {
        (Node::Variable(Variable::Statement), Node::Literal(Literal::Text(field)))
            if field == "predicate" =>
        {
            Node::Variable(Variable::Predicate)
        }
        _ => Node::Index(Box::new(operand), Box::new(index)),
    }
}

fn compiled(pattern: &str) -> std::result::Result<regex::Regex, String> {
    RegexBuilder::new(pattern)
        .size_limit(MAX_COMPILED)
        .dfa_size_limit(MAX_COMPILED)
        .nest_limit(32)
        .build()
        .map_err(|error| {
            let text = error.to_string();
            format!("the pattern is refused: {}", text.lines().last().unwrap_or_default())
        })
}
