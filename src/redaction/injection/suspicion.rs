//! What reads like an instruction to a model.

use std::fmt;
use std::ops::Range;
use std::sync::LazyLock;

use regex::{Regex, RegexSet};

/// Kind of a suspicious passage. Names are stable: metrics and audit carry them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// "ignore all previous instructions"
    Override,
    /// "you are now", "act as"
    Role,
    /// "new instructions:", "do not tell the user"
    Instruction,
    /// A line that imitates a turn of a conversation: `system: …`, `<|im_start|>`.
    Turn,
    /// An order to choose a workflow.
    WorkflowOrder,
    /// A member of the answer that only the model may give.
    AnswerMember,
    /// A tag that pretends to end the data or to begin something else.
    Tag,
    /// The delimiter of this investigation inside the content.
    Delimiter,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Override => "override",
            Self::Role => "role",
            Self::Instruction => "instruction",
            Self::Turn => "turn",
            Self::WorkflowOrder => "workflow_order",
            Self::AnswerMember => "answer_member",
            Self::Tag => "tag",
            Self::Delimiter => "delimiter",
        }
    }
}

/// A suspicious passage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspicion {
    pub kind: Kind,
    /// The words found, on one line and short.
    pub excerpt: String,
}

impl fmt::Display for Suspicion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.kind.as_str(), self.excerpt)
    }
}

/// Longest excerpt, in characters.
const EXCERPT_CHARS_MAX: usize = 80;

const PATTERNS: &[(Kind, &str)] = &[
    (
        Kind::Override,
        r"(?i)\b(?:ignore|disregard|forget|override|bypass|overlook)\b[\s\W]{1,4}(?:\w+[\s\W]{1,4}){0,4}(?:previous|prior|above|earlier|preceding|foregoing|all|any|your|system|these|those)[\s\W]{1,4}(?:\w+[\s\W]{1,4}){0,3}(?:instructions?|prompts?|rules?|directions?|directives?|guidelines?|context|messages?|commands?|training)\b",
    ),
    (
        Kind::Override,
        r"(?i)\b(?:disregard|forget)\s+(?:everything|anything|what|all)\s+(?:above|before|previous|you|that)\b",
    ),
    (
        Kind::Role,
        r"(?i)\b(?:you\s+are\s+now|from\s+now\s+on[,\s]+you|pretend\s+(?:to\s+be|you\s+are)|you\s+must\s+now|your\s+new\s+(?:role|task|goal|instructions?))\b",
    ),
    (
        Kind::Role,
        r"(?i)\bact\s+as\s+(?:an?|the|if)\s+(?:\w+\s+){0,3}(?:assistant|model|ai|admin\w*|root|developer|operator|expert|agent)\b",
    ),
    (
        Kind::Instruction,
        r"(?i)\b(?:new|updated|additional|real|actual|important|urgent)\s+(?:system\s+)?(?:instructions?|prompt|directives?|orders?)\s*[:\-]",
    ),
    (
        Kind::Instruction,
        r"(?i)\b(?:note|message|instructions?|attention|important)\s+(?:to|for)\s+(?:the\s+)?(?:ai|llm|assistant|language\s+model|model|agent|chatbot|chatgpt|claude|gpt)\b",
    ),
    (
        Kind::Instruction,
        r"(?i)\b(?:do\s+not|don't|never)\s+(?:tell|inform|alert|notify|mention|report|reveal|escalate)\b[^\n]{0,40}\b(?:user|operator|human|anyone|review\w*)\b",
    ),
    (
        Kind::Instruction,
        r"(?i)\b(?:reveal|print|show|repeat|output|leak)\s+(?:me\s+)?(?:your|the)\s+(?:system\s+)?(?:prompt|instructions)\b",
    ),
    (Kind::Turn, r"(?im)^[ \t>*#\-]*(?:system|assistant|user|human|developer)[ \t]*:[ \t]+\S"),
    (Kind::Turn, r"(?i)\bsystem\s*:\s*you\s+(?:are|must|will)\b"),
    (
        Kind::Turn,
        r"(?i)<\|(?:im_start|im_end|system|user|assistant|endoftext|start_header_id|end_header_id|eot_id)\|>|\[/?INST\]|<</?SYS>>",
    ),
    (
        Kind::WorkflowOrder,
        r"(?i)\b(?:select|choose|use|pick|run|execute|return|recommend|apply)\s+(?:only\s+)?(?:(?:the|this)\s+)?workflow(?:[_\s\-]?id)?\b\s*[:=]?\s*\S",
    ),
    (
        Kind::AnswerMember,
        r#"(?i)["']?\b(?:needs_human_review|human_review_reason|selected_workflow|workflow_id|investigation_outcome|is_actionable)\b["']?\s*[:=]"#,
    ),
    (
        Kind::Tag,
        r"(?i)<\s*/?\s*(?:tool_?results?|tool_?(?:use|call|response|output)|function(?:_?(?:results?|calls?|response))?|system(?:_?prompt)?|instructions?|assistant|user|human|data|untrusted\w*|content)(?:\s[^<>\n]{0,80})?>",
    ),
];

static SET: LazyLock<Option<RegexSet>> =
    LazyLock::new(|| RegexSet::new(PATTERNS.iter().map(|(_, pattern)| pattern)).ok());
static COMPILED: LazyLock<Vec<Option<Regex>>> =
    LazyLock::new(|| PATTERNS.iter().map(|(_, pattern)| Regex::new(pattern).ok()).collect());

/// Every passage that reads like an instruction, in no order.
pub(super) fn places(text: &str) -> Vec<Range<usize>> {
    let matched = matched(text);
    let compiled = matched.into_iter().filter_map(|pattern| COMPILED.get(pattern)?.as_ref());
    compiled.flat_map(|regex| regex.find_iter(text).map(|passage| passage.range())).collect()
}

/// Patterns that occur.
fn matched(text: &str) -> Vec<usize> {
    match SET.as_ref() {
        Some(set) => set.matches(text).into_iter().collect(),
        None => (0..PATTERNS.len()).collect(),
    }
}

/// The first passage of each kind that reads like an instruction. They are marked, not judged.
pub fn suspicions(text: &str) -> Vec<Suspicion> {
    let mut found: Vec<Suspicion> = Vec::new();
    for pattern in matched(text) {
        let (Some((kind, _)), Some(Some(regex))) = (PATTERNS.get(pattern), COMPILED.get(pattern)) else { continue };
        if found.iter().any(|suspicion| suspicion.kind == *kind) {
            continue;
        }
        if let Some(passage) = regex.find(text) {
            found.push(Suspicion { kind: *kind, excerpt: super::field(passage.as_str(), EXCERPT_CHARS_MAX) });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_expression_compiles() {
        assert!(SET.is_some() && COMPILED.iter().all(Option::is_some));
    }
}
