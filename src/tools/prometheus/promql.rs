//! Puts label matchers into every selector of a PromQL expression. Pure.
//!
//! The whole expression is read by the grammar; only selectors are touched. Whatever the grammar here does not know is
//! refused: an expression that is understood differently by the server could read series outside the given labels.

mod lexer;

use std::collections::BTreeMap;

use self::lexer::{Kind, Token, tokens};

/// Longest expression accepted, in bytes.
pub(super) const EXPRESSION_BYTES_MAX: usize = 8_192;
/// Deepest nesting of brackets.
const DEPTH_MAX: usize = 64;

/// Words that stand between operands and name no series here, although the server would allow some of them to.
const RESERVED: [&str; 12] =
    ["and", "or", "unless", "atan2", "by", "without", "on", "ignoring", "group_left", "group_right", "offset", "bool"];
const AGGREGATIONS: [&str; 15] = [
    "sum",
    "avg",
    "count",
    "min",
    "max",
    "group",
    "stddev",
    "stdvar",
    "topk",
    "bottomk",
    "count_values",
    "quantile",
    "limitk",
    "limit_ratio",
    "any",
];

/// The expression with `name="value"` of each label in every selector.
///
/// # Errors
/// What was not understood, for the model.
pub(super) fn with_labels(expression: &str, labels: &BTreeMap<String, String>) -> Result<String, String> {
    if expression.len() > EXPRESSION_BYTES_MAX {
        return Err(format!("the expression is longer than {EXPRESSION_BYTES_MAX} bytes"));
    }
    let refused = |reason: String| {
        format!("the expression cannot be limited to the configured labels: {reason}; write it in plain PromQL")
    };
    let tokens = tokens(expression).map_err(refused)?;
    let mut parser = Parser { tokens, at: 0, depth: 0, insertions: Vec::new() };
    parser.expression().map_err(refused)?;
    if let Some(token) = parser.peek() {
        return Err(refused(format!("{:?} is not expected here", token.text)));
    }
    let matchers: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={}", quoted(value))).collect();
    let matchers = matchers.join(",");
    let mut result = String::with_capacity(expression.len() + parser.insertions.len() * (matchers.len() + 3));
    let mut copied = 0;
    for (at, place) in &parser.insertions {
        result.push_str(expression.get(copied..*at).unwrap_or_default());
        copied = *at;
        match place {
            Place::NoBraces => result.extend(["{", &matchers, "}"]),
            Place::EmptyBraces => result.push_str(&matchers),
            Place::BeforeMatchers => result.extend([&matchers, ","]),
        }
    }
    result.push_str(expression.get(copied..).unwrap_or_default());
    Ok(result)
}

fn quoted(value: &str) -> String {
    let mut text = String::from("\"");
    for letter in value.chars() {
        match letter {
            '"' | '\\' => text.extend(['\\', letter]),
            '\n' => text.push_str("\\n"),
            _ => text.push(letter),
        }
    }
    text.push('"');
    text
}

/// What stands where matchers go in.
enum Place {
    /// Behind a bare metric name.
    NoBraces,
    /// Inside `{}`.
    EmptyBraces,
    /// Behind the opening brace.
    BeforeMatchers,
}

struct Parser<'a> {
    tokens: Vec<Token<'a>>,
    at: usize,
    depth: usize,
    /// Byte offsets in rising order.
    insertions: Vec<(usize, Place)>,
}

type Parsed = Result<(), String>;

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<Token<'a>> {
        self.tokens.get(self.at).copied()
    }

    fn next(&mut self) -> Result<Token<'a>, String> {
        let token = self.peek().ok_or("it ends too early")?;
        self.at += 1;
        Ok(token)
    }

    fn at_symbol(&self, symbol: &str) -> bool {
        self.peek().is_some_and(|token| token.kind == Kind::Symbol && token.text == symbol)
    }

    fn at_word(&self, words: &[&str]) -> bool {
        self.peek().is_some_and(|token| token.kind == Kind::Name && is_one_of(token.text, words))
    }

    fn take_symbol(&mut self, symbol: &str) -> bool {
        let found = self.at_symbol(symbol);
        self.at += usize::from(found);
        found
    }

    fn take_word(&mut self, words: &[&str]) -> bool {
        let found = self.at_word(words);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, symbol: &str) -> Parsed {
        match self.next()? {
            token if token.kind == Kind::Symbol && token.text == symbol => Ok(()),
            token => Err(format!("{:?} stands where {symbol:?} is expected", token.text)),
        }
    }

    /// Operands with operators between them. Precedence does not matter for finding selectors.
    fn expression(&mut self) -> Parsed {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(format!("brackets are nested deeper than {DEPTH_MAX}"));
        }
        self.operand()?;
        while self.binary_operator() {
            self.take_word(&["bool"]);
            if self.take_word(&["on", "ignoring"]) {
                self.label_list()?;
                if self.take_word(&["group_left", "group_right"]) && self.at_symbol("(") {
                    self.label_list()?;
                }
            }
            self.operand()?;
        }
        self.depth -= 1;
        Ok(())
    }

    fn binary_operator(&mut self) -> bool {
        const SYMBOLS: [&str; 12] = ["+", "-", "*", "/", "%", "^", "==", "!=", ">", "<", ">=", "<="];
        SYMBOLS.iter().any(|symbol| self.take_symbol(symbol)) || self.take_word(&["and", "or", "unless", "atan2"])
    }

    fn operand(&mut self) -> Parsed {
        while self.take_symbol("+") || self.take_symbol("-") {}
        let token = self.next()?;
        match token.kind {
            Kind::Number | Kind::Text => {}
            Kind::Name => self.named(token)?,
            Kind::Symbol if token.text == "(" => {
                self.expression()?;
                self.expect(")")?;
            }
            Kind::Symbol if token.text == "{" => self.matchers(token)?,
            Kind::Symbol | Kind::Range => return Err(format!("{:?} is not expected here", token.text)),
        }
        self.modifiers()
    }

    /// A number in words, an aggregation, a function or a metric.
    fn named(&mut self, name: Token<'a>) -> Parsed {
        if is_one_of(name.text, &["inf", "nan"]) {
            return Ok(());
        }
        if is_one_of(name.text, &RESERVED) {
            return Err(format!("{:?} is not expected here", name.text));
        }
        let aggregation = is_one_of(name.text, &AGGREGATIONS);
        if aggregation && self.take_word(&["by", "without"]) {
            self.label_list()?;
            return self.arguments();
        }
        if self.at_symbol("(") {
            // It reads the labels of metrics that the expression does not name.
            if name.text.eq_ignore_ascii_case("info") {
                return Err("info() reads other metrics".to_owned());
            }
            self.arguments()?;
            if aggregation && self.take_word(&["by", "without"]) {
                self.label_list()?;
            }
            return Ok(());
        }
        match self.peek() {
            Some(brace) if brace.kind == Kind::Symbol && brace.text == "{" => {
                self.at += 1;
                self.matchers(brace)
            }
            _ => {
                self.insertions.push((name.end, Place::NoBraces));
                Ok(())
            }
        }
    }

    fn arguments(&mut self) -> Parsed {
        self.expect("(")?;
        while !self.take_symbol(")") {
            self.expression()?;
            if !self.take_symbol(",") {
                return self.expect(")");
            }
        }
        Ok(())
    }

    /// `(a, b)` behind by, without, on, ignoring, `group_left` and `group_right`.
    fn label_list(&mut self) -> Parsed {
        self.expect("(")?;
        while !self.take_symbol(")") {
            let token = self.next()?;
            if !matches!(token.kind, Kind::Name | Kind::Text) {
                return Err(format!("{:?} is not a label", token.text));
            }
            if !self.take_symbol(",") {
                return self.expect(")");
            }
        }
        Ok(())
    }

    /// Matchers separated by commas, up to the closing brace. No `or` between them: it would go round the labels.
    fn matchers(&mut self, brace: Token<'a>) -> Parsed {
        let place = if self.at_symbol("}") { Place::EmptyBraces } else { Place::BeforeMatchers };
        self.insertions.push((brace.end, place));
        while !self.take_symbol("}") {
            let label = self.next()?;
            let compared = ["=", "!=", "=~", "!~"].iter().any(|symbol| self.take_symbol(symbol));
            match (label.kind, compared) {
                (Kind::Name | Kind::Text, true) => {
                    let value = self.next()?;
                    if value.kind != Kind::Text {
                        return Err(format!("{:?} stands where a quoted value is expected", value.text));
                    }
                }
                // A metric's name in quotes.
                (Kind::Text, false) => {}
                _ => return Err(format!("{:?} is not a label matcher", label.text)),
            }
            if !self.take_symbol(",") {
                return self.expect("}");
            }
        }
        Ok(())
    }

    /// Range, subquery, `offset` and `@`, in any order.
    fn modifiers(&mut self) -> Parsed {
        loop {
            if self.peek().is_some_and(|token| token.kind == Kind::Range) {
                self.at += 1;
            } else if self.take_word(&["offset"]) {
                self.signed_number()?;
            } else if self.take_symbol("@") {
                if self.take_word(&["start", "end"]) {
                    self.expect("(")?;
                    self.expect(")")?;
                } else {
                    self.signed_number()?;
                }
            } else {
                return Ok(());
            }
        }
    }

    fn signed_number(&mut self) -> Parsed {
        let _ = self.take_symbol("-") || self.take_symbol("+");
        match self.next()? {
            token if token.kind == Kind::Number => Ok(()),
            token => Err(format!("{:?} stands where a number is expected", token.text)),
        }
    }
}

fn is_one_of(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| text.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests;
