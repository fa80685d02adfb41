//! A tolerant reader of one value: JSON, and what models write when they mean JSON.
//!
//! Beyond JSON: single quotes, `None`/`True`/`False`, bare member names, trailing commas, `//`, `#` and `/* */` comments, raw
//! line breaks in strings, unknown escapes, numbers like `+.5` and `95%` (which becomes text). Every JSON value within
//! [`DEPTH_MAX`] reads as `serde_json` reads it. One pass without going back: the time is linear in the length of what is read.

use serde_json::{Map, Number, Value};

/// Objects and lists inside one another.
pub(super) const DEPTH_MAX: usize = 64;

/// Why the text is no value, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Broken {
    /// Byte offset of the first thing that does not fit.
    pub(super) at: usize,
    /// What would have fitted.
    pub(super) expected: &'static str,
    /// Members of the outermost object whose name and colon were read before.
    pub(super) members: Vec<String>,
}

/// Reads the value that begins at byte `at`, after blanks and comments; also tells where it ends.
pub(super) fn read(text: &str, at: usize) -> Result<(Value, usize), Broken> {
    let mut reader = Reader { text, at, depth: 0, members: Vec::new() };
    match reader.value() {
        Ok(value) => Ok((value, reader.at)),
        Err(expected) => Err(Broken { at: reader.at, expected, members: reader.members }),
    }
}

/// Reads a text that is one value and nothing else but blanks and comments.
pub(super) fn read_whole(text: &str) -> Result<Value, Broken> {
    let (value, end) = read(text, 0)?;
    let mut reader = Reader { text, at: end, depth: 0, members: Vec::new() };
    match reader.skip_blank() {
        Ok(()) if reader.at >= text.len() => Ok(value),
        _ => Err(Broken { at: reader.at, expected: "the end", members: Vec::new() }),
    }
}

/// `at` always stands on a character boundary.
struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    members: Vec<String>,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn skip_blank(&mut self) -> Result<(), &'static str> {
        loop {
            match self.peek() {
                Some(b'#') => self.skip_line(),
                Some(b'/') if self.rest().starts_with("//") => self.skip_line(),
                Some(b'/') if self.rest().starts_with("/*") => match self.rest().find("*/") {
                    Some(end) => self.at += end + 2,
                    None => return Err("the end of the comment"),
                },
                Some(byte) if byte.is_ascii_whitespace() => self.at += 1,
                Some(byte) if !byte.is_ascii() => match self.rest().chars().next() {
                    Some(letter) if letter.is_whitespace() || letter == '\u{feff}' => self.at += letter.len_utf8(),
                    _ => return Ok(()),
                },
                _ => return Ok(()),
            }
        }
    }

    fn skip_line(&mut self) {
        self.at += self.rest().find('\n').unwrap_or_else(|| self.rest().len());
    }

    fn value(&mut self) -> Result<Value, &'static str> {
        self.skip_blank()?;
        match self.peek() {
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::list),
            Some(quote @ (b'"' | b'\'')) => self.string(quote).map(Value::String),
            Some(b'0'..=b'9' | b'-' | b'+' | b'.') => self.number(),
            _ => self.word(),
        }
    }

    fn nested(&mut self, inside: fn(&mut Self) -> Result<Value, &'static str>) -> Result<Value, &'static str> {
        if self.depth >= DEPTH_MAX {
            return Err("less nesting");
        }
        self.at += 1;
        self.depth += 1;
        let value = inside(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn object(&mut self) -> Result<Value, &'static str> {
        let mut members = Map::new();
        loop {
            self.skip_blank()?;
            let name = match self.peek() {
                Some(b'}') => break,
                Some(quote @ (b'"' | b'\'')) => self.string(quote)?,
                Some(byte) if byte.is_ascii_alphabetic() || byte == b'_' => self.bare().to_owned(),
                _ => return Err("a member name or `}`"),
            };
            self.skip_blank()?;
            if self.peek() != Some(b':') {
                return Err("`:`");
            }
            self.at += 1;
            if self.depth == 1 {
                self.members.push(name.clone());
            }
            let value = self.value()?;
            members.insert(name, value);
            self.skip_blank()?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => break,
                _ => return Err("`,` or `}`"),
            }
        }
        self.at += 1;
        Ok(Value::Object(members))
    }

    fn list(&mut self) -> Result<Value, &'static str> {
        let mut items = Vec::new();
        loop {
            self.skip_blank()?;
            if self.peek() == Some(b']') {
                break;
            }
            items.push(self.value()?);
            self.skip_blank()?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => break,
                _ => return Err("`,` or `]`"),
            }
        }
        self.at += 1;
        Ok(Value::Array(items))
    }

    fn bare(&mut self) -> &'a str {
        let is_end = |letter: char| !(letter.is_ascii_alphanumeric() || letter == '_' || letter == '-');
        let rest = self.rest();
        let word = rest.split(is_end).next().unwrap_or_default();
        self.at += word.len();
        word
    }

    fn word(&mut self) -> Result<Value, &'static str> {
        let start = self.at;
        let value = match self.bare() {
            "true" | "True" | "TRUE" => Value::Bool(true),
            "false" | "False" | "FALSE" => Value::Bool(false),
            "null" | "None" | "NULL" | "undefined" | "NaN" | "nan" | "Infinity" => Value::Null,
            _ => {
                self.at = start;
                return Err("a value");
            }
        };
        Ok(value)
    }

    /// A number; with a percent sign behind it, the text of both.
    fn number(&mut self) -> Result<Value, &'static str> {
        let is_end = |letter: char| !(letter.is_ascii_digit() || "+-.eE_".contains(letter));
        let token = self.rest().split(is_end).next().unwrap_or_default();
        let plain = token.replace('_', "");
        let exact = serde_json::from_str::<Number>(&plain).ok();
        let number = exact.or_else(|| plain.parse::<f64>().ok().and_then(Number::from_f64)).ok_or("a number")?;
        self.at += token.len();
        if self.peek() == Some(b'%') {
            self.at += 1;
            return Ok(Value::String(format!("{plain}%")));
        }
        Ok(Value::Number(number))
    }

    fn string(&mut self, quote: u8) -> Result<String, &'static str> {
        self.at += 1;
        let mut text = String::new();
        let mut chunk = self.at;
        loop {
            match self.peek() {
                None => return Err("the end of the text in quotes"),
                Some(byte) if byte == quote => {
                    text.push_str(self.text.get(chunk..self.at).unwrap_or_default());
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => {
                    text.push_str(self.text.get(chunk..self.at).unwrap_or_default());
                    self.at += 1;
                    self.escape(&mut text)?;
                    chunk = self.at;
                }
                Some(byte) if byte.is_ascii() => self.at += 1,
                Some(_) => self.at += self.rest().chars().next().map_or(1, char::len_utf8),
            }
        }
    }

    /// What stands behind a backslash. An escape nobody knows is kept as it is: it is mostly a regular expression or a path.
    fn escape(&mut self, text: &mut String) -> Result<(), &'static str> {
        let letter = self.rest().chars().next().ok_or("the end of the text in quotes")?;
        self.at += letter.len_utf8();
        match letter {
            '"' | '\'' | '\\' | '/' => text.push(letter),
            'n' => text.push('\n'),
            't' => text.push('\t'),
            'r' => text.push('\r'),
            'b' => text.push('\u{8}'),
            'f' => text.push('\u{c}'),
            '\n' => {}
            'u' => self.code_point(4, 'u', text),
            'x' => self.code_point(2, 'x', text),
            other => {
                text.push('\\');
                text.push(other);
            }
        }
        Ok(())
    }

    /// A code point in hexadecimal digits; halves of a surrogate pair without the other half become U+FFFD.
    fn code_point(&mut self, digits: usize, letter: char, text: &mut String) {
        let Some(first) = self.hexadecimal(digits) else {
            text.push('\\');
            text.push(letter);
            return;
        };
        if (0xD800..0xDC00).contains(&first) && self.rest().starts_with("\\u") {
            let before = self.at;
            self.at += 2;
            match self.hexadecimal(4) {
                Some(second @ 0xDC00..0xE000) => {
                    let both = 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00);
                    text.push(char::from_u32(both).unwrap_or(char::REPLACEMENT_CHARACTER));
                    return;
                }
                _ => self.at = before,
            }
        }
        text.push(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER));
    }

    fn hexadecimal(&mut self, digits: usize) -> Option<u32> {
        let token = self.rest().get(..digits).filter(|token| token.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        let number = u32::from_str_radix(token, 16).ok()?;
        self.at += digits;
        Some(number)
    }
}

#[cfg(test)]
mod tests;
