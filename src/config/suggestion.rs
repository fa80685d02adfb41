//! What a misspelt key was probably meant to be (operations §1.8).

use super::{keys, legacy};

/// Most letters that differ.
const DISTANCE_MAX: usize = 2;

/// A key of the same section that is nearly the same, else a key of that name elsewhere, as a whole path.
pub(super) fn for_key(section: &[String], name: &str) -> Option<String> {
    let others = legacy::names().filter(|_| section.is_empty());
    match nearest(name, keys::names_in(section).into_iter().chain(others)) {
        Some(near) => Some(section.iter().map(String::as_str).chain([near]).collect::<Vec<_>>().join(".")),
        None => elsewhere(name),
    }
}

/// The word that is nearly the same.
pub(super) fn nearest<'a>(name: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let distance = |word: &str| match plain(word) == plain(name) {
        true => 0,
        false => strsim::damerau_levenshtein(word, name),
    };
    let near = words.into_iter().map(|word| (distance(word), word));
    near.filter(|(distance, word)| *distance <= DISTANCE_MAX && *distance < word.len()).min().map(|(_, word)| word)
}

/// The first key of that name, or the section.
fn elsewhere(name: &str) -> Option<String> {
    keys::keys().find_map(|key| {
        let parts: Vec<&str> = key.path.split('.').collect();
        let end = parts.iter().position(|part| *part == name)?;
        let path = parts.get(..=end)?;
        let is_plain = path.iter().all(|part| !part.contains(['*', '[', '|']));
        (is_plain && path.len() > 1).then(|| path.join("."))
    })
}

/// Whatever way words are joined: `maxRetries`, `max-retries` and `max_retries` are one.
fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_of_the_section_come_first_then_the_same_word_elsewhere() {
        let cases: [(&[&str], &str, Option<&str>); 9] = [
            (&["server"], "prot", Some("server.port")),
            (&["server"], "Port", Some("server.port")),
            (&["llm"], "maxRetries", Some("llm.max_retries")),
            (&[], "logging_", Some("logging")),
            (&["logging"], "ttl_minutes", Some("session.ttl_minutes")),
            (&[], "phase_models", Some("llm.phase_models")),
            (&["llm", "oauth2"], "token_ur", Some("llm.oauth2.token_url")),
            (&["server"], "entirely_different", None),
            (&["metrics"], "enbled", Some("metrics.enabled")),
        ];
        for (section, name, meant) in cases {
            let section: Vec<String> = section.iter().map(|part| (*part).to_owned()).collect();
            assert_eq!(for_key(&section, name).as_deref(), meant, "{section:?} {name}");
        }
    }
}
