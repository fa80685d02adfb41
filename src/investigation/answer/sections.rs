//! Answers written as sections: a header names the member, the value follows (investigation §5.2).
//!
//! A header is a line with the member's name, in any spelling, numbered or decorated: `# name` to `#### name`, `**name**`,
//! `**name:** value`, `name: value`. The value runs to the next known header; unknown headers are ignored.

use serde_json::{Map, Value};

use super::FormatProblem;
use super::choice::is_none;
use super::literal;
use super::members::{Members, canonical};
use super::root_cause::ROOT_CAUSE;
use super::shapes::{Phase, is_decisive, is_part_of_an_answer};

/// Header levels that are read.
const LEVEL_MAX: usize = 4;
/// Bytes of a line up to its colon that may be a header.
const HEADER_BYTES_MAX: usize = 80;
/// Braces tried in one section before the object is found.
const BRACES_MAX: usize = 8;

/// How a section's value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Object,
    List,
    /// A number, truth value or null: one token.
    Token,
    /// The rest of a line.
    Line,
    Text,
}

const KNOWN: &[(&str, Form)] = &[
    ("root_cause_analysis", Form::Object),
    ("selected_workflow", Form::Object),
    ("alternative_workflows", Form::List),
    ("confidence", Form::Token),
    ("investigation_outcome", Form::Line),
    ("needs_human_review", Form::Token),
    ("actionable", Form::Token),
    ("human_review_reason", Form::Line),
    ("validation_attempts_history", Form::List),
    ("can_recover", Form::Token),
    ("severity", Form::Token),
    ("detected_labels", Form::Object),
    ("remediation_target", Form::Object),
    ("affected_resource", Form::Object),
    ("claims", Form::List),
    ("considered_workflows", Form::List),
    ("reasoning", Form::Text),
];

/// Members put together from sections.
#[derive(Debug, Default)]
pub(super) struct Sections {
    pub(super) members: Map<String, Value>,
    /// A member of the phase's own answer is among them.
    pub(super) is_decisive: bool,
    pub(super) broken: Option<FormatProblem>,
}

/// Reads every known section. A section that comes twice counts as it stood last.
pub(super) fn read(text: &str, phase: Phase) -> Sections {
    let mut sections = Sections::default();
    let headers = headers(text);
    for (number, header) in headers.iter().enumerate() {
        let end = headers.get(number + 1).map_or(text.len(), |next| next.line);
        let region = text.get(..end).unwrap_or_default();
        match value(region, header.value, header.form) {
            Ok(Some(value)) => _ = sections.members.insert(header.name.to_owned(), value),
            Ok(None) => {}
            Err(broken) => _ = sections.broken.get_or_insert_with(|| FormatProblem::broken(text, &broken)),
        }
    }
    let members = Members::of(&sections.members);
    sections.is_decisive = match phase {
        Phase::Rca => members.get(ROOT_CAUSE).is_some(),
        Phase::Selection => is_decisive(&members, phase),
    };
    sections
}

struct Header {
    name: &'static str,
    form: Form,
    /// Where its line begins.
    line: usize,
    /// Where its value begins.
    value: usize,
}

fn headers(text: &str) -> Vec<Header> {
    let mut found = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if let Some((name, form, value)) = header(line) {
            found.push(Header { name, form, line: at, value: at + value });
        }
        at += line.len();
    }
    found
}

/// The member a line names, and where in the line its value begins.
fn header(line: &str) -> Option<(&'static str, Form, usize)> {
    let trimmed = line.trim_start_matches([' ', '\t', '>']);
    let level = trimmed.bytes().take_while(|byte| *byte == b'#').count();
    let is_bold = trimmed.trim_start_matches(['-', '*', ' ']).len() + 2 <= trimmed.len() && trimmed.contains("**");
    let is_bare = line.starts_with(|letter: char| letter.is_ascii_alphabetic());
    if level > LEVEL_MAX || !(level > 0 || is_bold || is_bare) {
        return None;
    }
    let mark = line.char_indices().find(|(_, letter)| matches!(letter, ':' | '{' | '['));
    let (title, value) = match mark {
        Some((at, ':')) if at <= HEADER_BYTES_MAX => (line.get(..at).unwrap_or_default(), at + 1),
        Some((at, _)) if at <= HEADER_BYTES_MAX && !is_bare => (line.get(..at).unwrap_or_default(), at),
        None if line.len() <= HEADER_BYTES_MAX && !is_bare => bold_title(line, is_bold && level == 0),
        _ => return None,
    };
    let title = canonical(title.trim_matches(|letter: char| !letter.is_alphabetic()));
    let (name, form) = KNOWN.iter().find(|(name, _)| *name == title)?;
    Some((name, *form, value))
}

/// Without a colon the whole line is the title, except that text may follow a bold one: `**confidence** 0.9`.
fn bold_title(line: &str, is_bold: bool) -> (&str, usize) {
    let close = line.match_indices("**").nth(1).filter(|_| is_bold);
    close.and_then(|(at, mark)| Some((line.get(..at)?, at + mark.len()))).unwrap_or((line, line.len()))
}

fn value(region: &str, start: usize, form: Form) -> Result<Option<Value>, literal::Broken> {
    let raw = without_fence(region.get(start..).unwrap_or_default());
    let plain = raw.trim_matches(is_decoration);
    match form {
        Form::Object | Form::List if plain.starts_with(['{', '[']) => literal_in(region, start, form),
        Form::Object | Form::List if is_none(plain) => Ok(Some(Value::Null)),
        Form::Object | Form::List => Ok(literal_in(region, start, form)?.or_else(|| lone_word(plain))),
        Form::Text => Ok(text(raw.trim())),
        Form::Line => Ok(line(raw).and_then(text)),
        Form::Token => Ok(line(raw).and_then(token)),
    }
}

/// A section without its opening fence line; the closing one counts as decoration.
fn without_fence(raw: &str) -> &str {
    let opened = raw.trim_start().strip_prefix("```");
    opened.and_then(|block| block.split_once('\n')).map_or(raw, |(_, body)| body)
}

fn is_decoration(letter: char) -> bool {
    letter.is_whitespace() || matches!(letter, '*' | '_' | '`' | '"' | '\'' | '>')
}

/// The first object or list of the section. Braces that begin no object are passed over.
fn literal_in(region: &str, start: usize, form: Form) -> Result<Option<Value>, literal::Broken> {
    let opens: &[char] = if form == Form::List { &['[', '{'] } else { &['{'] };
    let mut at = start;
    for _ in 0..BRACES_MAX {
        let Some(open) = region.get(at..).and_then(|rest| rest.find(opens)).map(|offset| at + offset) else { break };
        match literal::read(region, open) {
            Ok((value, _)) => return Ok(Some(value)),
            Err(broken) if is_part_of_an_answer(&broken) => return Err(broken),
            Err(broken) if at == start && broken.at >= region.len() => return Err(broken),
            Err(_) => at = open + 1,
        }
    }
    Ok(None)
}

/// A section of one word and nothing else, such as the id of a workflow.
fn lone_word(plain: &str) -> Option<Value> {
    (!plain.is_empty() && !plain.contains(char::is_whitespace)).then(|| Value::from(plain))
}

fn text(words: &str) -> Option<Value> {
    match words {
        "" => None,
        words if words.eq_ignore_ascii_case("none") || words.eq_ignore_ascii_case("null") => Some(Value::Null),
        words => Some(Value::from(words)),
    }
}

/// The first line that says something, without decoration.
fn line(raw: &str) -> Option<&str> {
    let lines = raw.lines().filter(|line| !line.trim_start().starts_with("```"));
    let ends = |letter: char| is_decoration(letter) || matches!(letter, ',' | '.' | ';' | '-');
    lines.map(|line| line.trim_start_matches(is_decoration).trim_end_matches(ends)).find(|line| !line.is_empty())
}

/// The first word of a line; a percent sign may stand apart.
fn token(line: &str) -> Option<Value> {
    let mut words = line.split_whitespace();
    let first = words.next()?.trim_end_matches([',', ';', '"', '\'', '`', '*']);
    if words.next().is_some_and(|next| next.starts_with('%')) { text(&format!("{first}%")) } else { text(first) }
}
