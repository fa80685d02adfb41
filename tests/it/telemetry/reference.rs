//! Pages of `docs/` that are written from the code.

use crate::process::root;

/// Set to write the pages anew.
const UPDATE: &str = "UPDATE_DOCS";

/// Fails unless the text between the page's markers is the expected one.
pub(super) fn assert_written(page: &str, expected: &str) {
    let path = root().join("docs").join(page);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("docs/{page}: {error}"));
    let (begin, end) = ("<!-- generated -->\n", "<!-- end -->");
    let (before, rest) = text.split_once(begin).unwrap_or_else(|| panic!("docs/{page} has no {begin}"));
    let (written, after) = rest.split_once(end).unwrap_or_else(|| panic!("docs/{page} has no {end}"));
    if written == expected {
        return;
    }
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(&path, format!("{before}{begin}{expected}{end}{after}")).unwrap();
        return;
    }
    panic!("docs/{page} differs from the code; run the test with {UPDATE}=1\n{expected}");
}
