//! Tokens of PromQL. Strict: what it does not know is an error.

/// A piece of an expression and where it ends, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    pub(super) text: &'a str,
    pub(super) end: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Name,
    /// A number or a duration.
    Number,
    Text,
    /// `[5m]`, `[1h:5m]`: whole, with its brackets.
    Range,
    Symbol,
}

/// All tokens without space and comments.
pub(super) fn tokens(expression: &str) -> Result<Vec<Token<'_>>, String> {
    let mut found = Vec::new();
    let mut rest = expression;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            ' ' | '\t' | '\r' | '\n' => first.len_utf8(),
            '#' => rest.find('\n').unwrap_or(rest.len()),
            _ => {
                let (kind, length) = token(rest, first)?;
                let text = rest.get(..length).unwrap_or_default();
                let end = expression.len() - rest.len() + length;
                found.push(Token { kind, text, end });
                length
            }
        };
        rest = rest.get(length..).unwrap_or_default();
    }
    Ok(found)
}

fn token(rest: &str, first: char) -> Result<(Kind, usize), String> {
    let second = rest.chars().nth(1);
    match first {
        'a'..='z' | 'A'..='Z' | '_' | ':' => Ok((Kind::Name, run(rest, is_name_letter))),
        '0'..='9' => Ok((Kind::Number, number(rest)?)),
        '.' if second.is_some_and(|letter| letter.is_ascii_digit()) => Ok((Kind::Number, number(rest)?)),
        '"' | '\'' | '`' => Ok((Kind::Text, text(rest, first)?)),
        '[' => Ok((Kind::Range, range(rest)?)),
        _ => {
            const SYMBOLS: [&str; 20] = [
                "==", "!=", "=~", "!~", ">=", "<=", "(", ")", "{", "}", ",", "@", "+", "-", "*", "/", "%", "^", "=",
                ">",
            ];
            let symbol = SYMBOLS.iter().chain(&["<"]).find(|symbol| rest.starts_with(**symbol));
            symbol.map(|symbol| (Kind::Symbol, symbol.len())).ok_or_else(|| format!("{first:?} is not known"))
        }
    }
}

fn is_name_letter(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '_' | ':')
}

/// Bytes of the letters at the front that fit.
fn run(text: &str, fits: impl Fn(char) -> bool) -> usize {
    text.find(|letter| !fits(letter)).unwrap_or(text.len())
}

/// A decimal or hexadecimal number or a duration; nothing may be glued to it.
fn number(rest: &str) -> Result<usize, String> {
    let mut length = run(rest, |letter| letter.is_ascii_alphanumeric() || letter == '.');
    let word = rest.get(..length).unwrap_or_default();
    let behind = rest.get(length..).unwrap_or_default();
    if word.ends_with(['e', 'E']) && behind.starts_with(['+', '-']) && !word.starts_with("0x") {
        length += 1 + run(behind.get(1..).unwrap_or_default(), |letter| letter.is_ascii_digit());
    }
    let word = rest.get(..length).unwrap_or_default();
    let glued = rest.get(length..).unwrap_or_default().starts_with(is_name_letter);
    if !glued && (is_decimal(word) || is_hexadecimal(word) || is_duration(word)) {
        Ok(length)
    } else {
        Err(format!("{word:?} is not a number"))
    }
}

fn is_decimal(word: &str) -> bool {
    word.parse::<f64>().is_ok()
}

fn is_hexadecimal(word: &str) -> bool {
    let digits = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X"));
    digits.is_some_and(|digits| !digits.is_empty() && digits.chars().all(|letter| letter.is_ascii_hexdigit()))
}

fn is_duration(word: &str) -> bool {
    let mut rest = word;
    while !rest.is_empty() {
        let digits = run(rest, |letter| letter.is_ascii_digit());
        let unit = rest.get(digits..).unwrap_or_default();
        let Some(unit_length) = ["ms", "s", "m", "h", "d", "w", "y"].iter().find(|known| unit.starts_with(**known))
        else {
            return false;
        };
        if digits == 0 {
            return false;
        }
        rest = unit.get(unit_length.len()..).unwrap_or_default();
    }
    !word.is_empty()
}

/// Up to the closing quote. Backslashes escape except between backticks, where nothing does.
fn text(rest: &str, quote: char) -> Result<usize, String> {
    let mut escaped = false;
    for (at, letter) in rest.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if letter == quote {
            return Ok(at + quote.len_utf8());
        } else if letter == '\n' && quote != '`' {
            break;
        } else {
            escaped = letter == '\\' && quote != '`';
        }
    }
    Err("a text is not closed".to_owned())
}

fn range(rest: &str) -> Result<usize, String> {
    let length = rest.find(']').ok_or("a range is not closed")? + 1;
    let inner = rest.get(1..length - 1).unwrap_or_default();
    let fits = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, ':' | '.' | ' ');
    if inner.chars().all(fits) { Ok(length) } else { Err(format!("{inner:?} is not a range")) }
}
