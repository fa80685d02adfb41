//! Reads YAML in block style by its lines and indentation: whole manifests, several in one text, cut at either end, or
//! quoted in the middle of something else. A parser would refuse half of those. Pretty-printed JSON that lost its opening
//! brace reads the same way.

mod line;

use std::collections::BTreeMap;
use std::ops::Range;

use line::{Line, is_indicator, scalar};

use super::arguments::Arguments;
use super::braces;
use super::counts::Class;
use super::pass::Pass;
use super::secrets::{self, Field, LAST_APPLIED};
use super::span::{Fill, Span};
use super::{names, rules, values};

pub(super) fn find(pass: Pass<'_>, text: &str, spans: &mut Vec<Span>) {
    let lines = line::split(text);
    let mut reader = Reader { pass, text, lines: &lines, spans };
    reader.secrets();
    reader.members();
    reader.arguments();
}

struct Reader<'a> {
    pass: Pass<'a>,
    text: &'a str,
    lines: &'a [Line],
    spans: &'a mut Vec<Span>,
}

impl<'a> Reader<'a> {
    fn line(&self, number: usize) -> Option<&'a Line> {
        self.lines.get(number)
    }

    fn key(&self, line: &Line) -> &'a str {
        self.text.get(line.key.clone()).unwrap_or_default()
    }

    /// The value without quotes, comment and the comma of JSON.
    fn plain_value(&self, line: &Line) -> String {
        scalar(self.text, &line.value).map(|(_, _, value)| value).unwrap_or_default()
    }

    fn secrets(&mut self) {
        // Mappings already read, by column: the first line behind each.
        let mut read: BTreeMap<usize, usize> = BTreeMap::new();
        for (number, line) in self.lines.iter().enumerate() {
            let (is_secret, is_list) = match self.key(line) {
                "kind" => {
                    let kind = self.plain_value(line);
                    (kind == "Secret", kind == "SecretList")
                }
                "type" => (secrets::is_secret_type(&self.plain_value(line)), false),
                _ => continue,
            };
            if !is_secret && !is_list || read.get(&line.column).is_some_and(|end| number < *end) {
                continue;
            }
            let mapping = self.mapping(number);
            read.insert(line.column, mapping.end);
            for member in mapping {
                let Some(other) = self.line(member) else { break };
                let is_own = if is_list { other.column > line.column } else { other.column == line.column };
                if let Some(field) = Field::named(self.key(other)).filter(|_| is_own) {
                    self.block(member, field);
                }
            }
        }
    }

    /// The lines of the mapping that the line is a member of.
    fn mapping(&self, number: usize) -> Range<usize> {
        let Some(line) = self.line(number) else { return number..number };
        let column = line.column;
        let mut first = number;
        while !self.line(first).is_some_and(|line| line.is_item && line.column == column) {
            let Some(before) = first.checked_sub(1) else { break };
            let goes_on = self.line(before).is_some_and(|line| {
                line.is_blank || !line.is_border && (line.indent >= column || line.is_item && line.column == column)
            });
            if !goes_on {
                break;
            }
            first = before;
        }
        first..self.behind(number, |line| line.indent >= column)
    }

    /// The first line behind `number` that is neither blank nor fits.
    fn behind(&self, number: usize, fits: impl Fn(&Line) -> bool) -> usize {
        let rest = self.lines.get(number + 1..).unwrap_or_default();
        let count = rest.iter().take_while(|line| line.is_blank || !line.is_border && fits(line)).count();
        number + 1 + count
    }

    /// All values below `data:` or `stringData:`.
    fn block(&mut self, number: usize, field: Field) {
        let Some(line) = self.line(number) else { return };
        let value = self.text.get(line.value.clone()).unwrap_or_default();
        if value.starts_with('{') {
            return braces::scan_secret(self.pass, self.text, line.value.start, field, self.spans);
        }
        if !value.is_empty() && !value.starts_with(['&', '!', '#']) {
            return self.secret_value(number, number + 1, field);
        }
        let end = self.behind(number, |child| child.indent > line.column);
        let Some(column) = self
            .lines
            .get(number + 1..end)
            .and_then(|lines| lines.iter().find(|line| !line.is_blank))
            .map(|line| line.indent)
        else {
            return;
        };
        let mut child = number + 1;
        while child < end {
            let next = self.behind(child, |deeper| deeper.indent > column).min(end);
            self.secret_value(child, next, field);
            child = next;
        }
    }

    /// The value of one member, which may go on in deeper lines.
    fn secret_value(&mut self, number: usize, next: usize, field: Field) {
        let Some(line) = self.line(number).filter(|line| !line.is_blank) else { return };
        let key = self.key(line);
        let raw = self.text.get(line.value.clone()).unwrap_or_default();
        if raw.starts_with('{') {
            return braces::scan_secret(self.pass, self.text, line.value.start, field, self.spans);
        }
        if raw.bytes().all(|byte| byte.is_ascii_punctuation())
            && !is_indicator(raw)
            && !raw.is_empty()
            && key.is_empty()
        {
            return;
        }
        let (range, is_quoted, value) = match scalar(self.text, &line.value) {
            Some(found) if self.last_content(number, next) == number => found,
            _ => (line.value.start..self.content_end(number, next), false, self.folded(number, next)),
        };
        if let Some(fill) = secrets::fill(field, key, &value, !is_quoted).filter(|_| value != "null" && value != "~") {
            self.spans.push(Span { range, class: Class::SecretObject, fill });
        }
    }

    fn last_content(&self, number: usize, next: usize) -> usize {
        let lines = self.lines.get(number..next).unwrap_or_default();
        number
            + lines.iter().rposition(|line| line.end > line.start && line.column + line.start < line.end).unwrap_or(0)
    }

    fn content_end(&self, number: usize, next: usize) -> usize {
        let last = self.last_content(number, next);
        self.line(last)
            .map_or(0, |line| line.start + self.text.get(line.start..line.end).unwrap_or_default().trim_end().len())
    }

    /// The text of a block scalar; of a value over several lines something near enough.
    fn folded(&self, number: usize, next: usize) -> String {
        let first = self.line(number).and_then(|line| self.text.get(line.value.clone())).unwrap_or_default();
        let lines = self.lines.get(number + 1..self.last_content(number, next) + 1).unwrap_or_default();
        let indent = lines.iter().filter(|line| !line.is_blank).map(|line| line.indent).min().unwrap_or(0);
        let texts = lines.iter().map(|line| self.text.get(line.start + indent..line.end).unwrap_or_default());
        let below: Vec<&str> = texts.collect();
        if is_indicator(first) {
            let end = if first.contains('-') || below.is_empty() { "" } else { "\n" };
            return below.join("\n") + end;
        }
        [first].into_iter().chain(below).collect::<Vec<_>>().join("\n")
    }

    /// Members whose name matters: block values of credentials, name and value pairs, the last applied manifest.
    fn members(&mut self) {
        for (number, line) in self.lines.iter().enumerate() {
            let key = self.key(line);
            let raw = self.text.get(line.value.clone()).unwrap_or_default();
            if key == LAST_APPLIED && !line.is_quoted_key {
                let end = self.behind(number, |deeper| deeper.indent > line.column);
                let end = self.line(end).map_or(self.text.len(), |next| next.start);
                self.spans.push(Span { range: line.start..end, class: Class::LastApplied, fill: Fill::Removed });
            } else if is_indicator(raw)
                && let Some(class) = names::judge(key)
            {
                self.block_value(number, class);
            } else if matches!(key, "value" | "Value") {
                self.pair(number);
            }
        }
    }

    fn block_value(&mut self, number: usize, class: Class) {
        let Some(line) = self.line(number) else { return };
        let next = self.behind(number, |deeper| deeper.indent > line.column);
        let value = self.folded(number, next);
        if values::is_open(&value) {
            let fill = Fill::Tagged { secret: value.into_bytes(), quoted: true };
            self.spans.push(Span { range: line.value.start..self.content_end(number, next), class, fill });
        }
    }

    /// `name: DB_PASSWORD` beside `value: x`.
    fn pair(&mut self, number: usize) {
        let Some(line) = self.line(number) else { return };
        let is_name =
            |other: &&Line| other.column == line.column && matches!(self.key(other), "name" | "Name" | "key" | "Key");
        let before =
            number.checked_sub(1).and_then(|before| self.line(before)).filter(|_| !line.is_item).filter(is_name);
        let after = self.line(number + 1).filter(|next| !next.is_item).filter(is_name);
        let Some(name) = before.or(after).map(|line| self.plain_value(line)) else { return };
        let Some((range, is_quoted, value)) = scalar(self.text, &line.value) else {
            let raw = self.text.get(line.value.clone()).unwrap_or_default();
            if let Some(class) = names::judge(&name).filter(|_| is_indicator(raw)) {
                self.block_value(number, class);
            }
            return;
        };
        match rules::member(&name, &value) {
            Some((class, part)) if part == (0..value.len()) => self.tagged(range, class, value, !is_quoted),
            Some((class, part)) if part.end <= range.len() => {
                self.spans.push(Span::new(range.start + part.start..range.start + part.end, class));
            }
            Some((class, _)) => self.tagged(range, class, value, !is_quoted),
            None => {}
        }
    }

    fn tagged(&mut self, range: Range<usize>, class: Class, value: String, quoted: bool) {
        self.spans.push(Span { range, class, fill: Fill::Tagged { secret: value.into_bytes(), quoted } });
    }

    /// Items of a list that are the words of a command.
    fn arguments(&mut self) {
        let mut indent = None;
        let mut arguments = Arguments::default();
        for line in self.lines.iter().filter(|line| !line.is_blank) {
            if !line.is_item || !line.key.is_empty() {
                indent = None;
                continue;
            }
            if indent != Some(line.indent) {
                arguments = Arguments::default();
                indent = Some(line.indent);
            }
            let Some((range, is_quoted, word)) = scalar(self.text, &line.value) else { continue };
            match arguments.next(&word) {
                Some((class, 0)) => self.tagged(range, class, word, !is_quoted),
                Some((class, from)) => self.spans.push(Span::new(range.start + from..range.end, class)),
                None => {}
            }
        }
    }
}
