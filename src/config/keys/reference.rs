//! The reference of all keys, for `docs/configuration.md`.

use std::fmt::Write as _;

use super::{Kind, keys};

/// One table for each section, in Markdown.
pub fn reference() -> String {
    let mut text = String::new();
    let mut section = "";
    for key in keys() {
        let (first, _) = key.path.split_once('.').unwrap_or(("service", ""));
        if first != section {
            let _ = write!(
                text,
                "\n### `{first}`\n\n| Key | Takes | Default | Changes | Meaning |\n|---|---|---|---|---|\n"
            );
            section = first;
        }
        let default = if key.default.is_empty() { "–".to_owned() } else { format!("`{}`", key.default) };
        let path = key.path.replace(".[]", "[]").replace('|', "\\|");
        let others = match key.aliases {
            [] => String::new(),
            aliases => format!(" Also `{}`.", aliases.join("`, `")),
        };
        let (takes, live) = (takes(key.kind), key.live.as_str());
        let _ = writeln!(text, "| `{path}` | {takes} | {default} | {live} | {}{others} |", key.meaning);
    }
    text
}

fn takes(kind: Kind) -> String {
    match kind {
        Kind::Switch => "true or false".to_owned(),
        Kind::Whole(least, most) => format!("whole number, {least} to {most}"),
        Kind::Number(least, most) => format!("number, {least} to {most}"),
        Kind::Positive(most) => format!("number above 0, at most {most}"),
        Kind::Text | Kind::Checked(_) => "text".to_owned(),
        Kind::Address(_) => "address".to_owned(),
        Kind::File => "path".to_owned(),
        Kind::Word(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
        Kind::Secret => "secret text".to_owned(),
        Kind::Texts => "list of texts".to_owned(),
        Kind::Words(words) => {
            format!("list of {}", words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "))
        }
        Kind::Numbers(least, most) => format!("list of numbers, {least} to {most}"),
    }
}
