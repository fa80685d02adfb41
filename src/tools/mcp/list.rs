//! What a server says it can do. Pure.

use serde_json::Value;

use super::exchange::McpError;

/// Most tools of one server that are looked at.
pub(super) const TOOLS_MAX: usize = 500;
/// Most pages of a list.
pub(super) const PAGES_MAX: usize = 20;
/// Longest mark of a next page, in bytes.
const CURSOR_BYTES_MAX: usize = 4_096;
/// Longest name of a tool, in bytes; longer ones are passed over.
const NAME_BYTES_MAX: usize = 256;
/// Longest description kept, in characters.
const DESCRIPTION_CHARS_MAX: usize = 4_000;

/// One tool as its server describes it. Nothing of it is to be trusted.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedTool {
    pub name: String,
    pub description: String,
    /// JSON Schema of its arguments.
    pub parameters: Value,
    pub annotations: Annotations,
}

/// What a server says about the effect of a tool.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Annotations {
    pub read_only: Option<bool>,
    pub destructive: Option<bool>,
}

impl Annotations {
    /// Whether the server says that the tool may change something. Silence is no such word: the operator who allows the
    /// tool knows it. (`destructiveHint` means something only where `readOnlyHint` is not true.)
    pub fn may_write(self) -> bool {
        match self.read_only {
            Some(read_only) => !read_only,
            None => self.destructive == Some(true),
        }
    }
}

/// The tools of one page, and the mark of the next one.
pub(super) fn page(mut result: Value) -> Result<(Vec<ListedTool>, Option<String>), McpError> {
    let Some(Value::Array(tools)) = result.get_mut("tools").map(Value::take) else {
        return Err(McpError::Protocol("the list of tools is none".to_owned()));
    };
    let next = result.get("nextCursor").and_then(Value::as_str).filter(|cursor| !cursor.is_empty());
    let next = next.filter(|cursor| cursor.len() <= CURSOR_BYTES_MAX).map(str::to_owned);
    Ok((tools.into_iter().filter_map(tool).collect(), next))
}

fn tool(mut value: Value) -> Option<ListedTool> {
    let name = value.get("name")?.as_str()?;
    let name = (!name.trim().is_empty() && name.len() <= NAME_BYTES_MAX).then(|| name.to_owned())?;
    let text = ["description", "title"].iter().find_map(|member| value.get(member)?.as_str());
    let description = text.unwrap_or_default().chars().take(DESCRIPTION_CHARS_MAX).collect();
    let hint = |name: &str| value.get("annotations").and_then(|hints| hints.get(name)).and_then(Value::as_bool);
    let annotations = Annotations { read_only: hint("readOnlyHint"), destructive: hint("destructiveHint") };
    let parameters = value.get_mut("inputSchema").map(Value::take).unwrap_or_default();
    Some(ListedTool { name, description, parameters, annotations })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pages() {
        let listed = page(json!({"nextCursor": "2", "tools": [
            {"name": "a", "description": "reads", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": true}},
            {"name": " "}, {"description": "nameless"}, 7, {"name": "x".repeat(257)},
            {"name": "b", "title": "B"},
        ]}));
        let (tools, next) = listed.unwrap();
        assert_eq!(next.as_deref(), Some("2"));
        let names: Vec<&str> = tools.iter().map(|tool| tool.name.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!((tools[0].annotations.read_only, tools[1].description.as_str()), (Some(true), "B"));
        for nonsense in [json!({}), json!(null), json!({"tools": {}})] {
            assert!(page(nonsense).is_err());
        }
        assert_eq!(page(json!({"tools": [], "nextCursor": ""})).unwrap(), (vec![], None));
    }

    #[test]
    fn who_says_that_it_writes() {
        for (read_only, destructive, expected) in [
            (None, None, false),
            (Some(true), None, false),
            (Some(true), Some(true), false),
            (Some(false), None, true),
            (Some(false), Some(false), true),
            (None, Some(true), true),
            (None, Some(false), false),
        ] {
            assert_eq!(Annotations { read_only, destructive }.may_write(), expected, "{read_only:?} {destructive:?}");
        }
    }
}
