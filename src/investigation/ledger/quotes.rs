//! Whether a quote is what it says it is: letter by letter, but for white space and the escapes of JSON. Pure.

/// True when the quote occurs in the text. White space counts as none at all (models reflow what they copy) and `\"` as
/// `"`; everything else must be the same.
pub(super) fn occurs(quote: &str, text: &str) -> bool {
    if text.contains(quote) {
        return true;
    }
    let quote = bare(quote);
    !quote.is_empty() && bare(text).contains(&quote)
}

fn bare(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.peek() {
                Some('"' | '\\' | '/') => kept.extend(letters.next()),
                Some('n' | 't' | 'r') => _ = letters.next(),
                _ => kept.push(letter),
            },
            letter if letter.is_whitespace() => {}
            letter => kept.push(letter),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn white_space_and_escapes_do_not_matter_and_everything_else_does() {
        let text = "{\"message\":\"dial tcp 10.2.3.4:5432: i/o timeout\\nretry\",\n  \"count\": 3}";
        for quote in ["dial tcp 10.2.3.4:5432:  i/o\ntimeout", r#"\"count\":3"#, "timeout retry"] {
            assert!(occurs(quote, text), "{quote}");
        }
        for quote in ["dial tcp 10.2.3.5:5432", "\"count\": 4", "Dial TCP", "   "] {
            assert!(!occurs(quote, text), "{quote}");
        }
    }

    proptest! {
        #[test]
        fn a_part_of_a_text_occurs_in_it(text in "[a-z \\\\\"\n]{1,60}", from in 0_usize..30, len in 1_usize..30) {
            let quote: String = text.chars().skip(from).take(len).collect();
            prop_assume!(!quote.trim().is_empty());
            prop_assert!(occurs(&quote, &text));
        }
    }
}
