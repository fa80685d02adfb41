//! What requests to a model cost, part by part, estimated from their bodies. Pure.
//!
//! A token is four characters of prose or three of JSON, tables and logs. What a provider adds around messages is left out.

use serde_json::{Value, json};

const CHARS_PER_TOKEN_PROSE: usize = 4;
const CHARS_PER_TOKEN_DATA: usize = 3;

/// A stretch of a request that belongs to one part of it.
#[derive(Debug, Clone, PartialEq)]
struct Piece {
    part: String,
    text: String,
    tokens: u64,
}

impl Piece {
    fn prose(part: &str, text: &str) -> Self {
        Self { part: part.to_owned(), text: text.to_owned(), tokens: tokens(text, CHARS_PER_TOKEN_PROSE) }
    }

    fn data(part: &str, text: String) -> Self {
        Self { part: part.to_owned(), tokens: tokens(&text, CHARS_PER_TOKEN_DATA), text }
    }
}

/// What a part of all requests cost.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Cost {
    pub(crate) part: String,
    /// In the request that has most of it.
    pub(crate) once: u64,
    /// In all requests together.
    pub(crate) sent: u64,
    /// How much of that stood before, word for word, at the beginning of the same conversation's previous request.
    pub(crate) cached: u64,
}

/// Every part of the requests, in the order in which they are first met.
pub(crate) fn breakdown(requests: &[Value]) -> Vec<Cost> {
    let mut costs: Vec<Cost> = Vec::new();
    for (number, request) in requests.iter().enumerate() {
        let pieces = pieces(request);
        let cached = cached(&requests[..number], &pieces, request);
        let mut once: Vec<(&str, u64)> = Vec::new();
        for (index, piece) in pieces.iter().enumerate() {
            let at = costs.iter().position(|cost| cost.part == piece.part).unwrap_or_else(|| {
                costs.push(Cost { part: piece.part.clone(), once: 0, sent: 0, cached: 0 });
                costs.len() - 1
            });
            costs[at].sent += piece.tokens;
            costs[at].cached += if index < cached { piece.tokens } else { 0 };
            match once.iter_mut().find(|(part, _)| *part == piece.part) {
                Some((_, sum)) => *sum += piece.tokens,
                None => once.push((&piece.part, piece.tokens)),
            }
        }
        for (part, sum) in once {
            let cost = costs.iter_mut().find(|cost| cost.part == part).unwrap();
            cost.once = cost.once.max(sum);
        }
    }
    costs
}

/// The `usage` of one exchange. Served from the cache is the longest common beginning with the previous request of the same
/// conversation, in whole messages and tools.
pub(crate) fn usage(earlier: &[Value], request: &Value, said: &Value) -> Value {
    let pieces = pieces(request);
    let sum = |pieces: &[Piece]| pieces.iter().map(|piece| piece.tokens).sum::<u64>();
    let (prompt, cached) = (sum(&pieces), sum(&pieces[..cached(earlier, &pieces, request)]));
    let completion = sum(&assistant(said));
    json!({
        "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached}, "completion_tokens_details": {"reasoning_tokens": 0},
    })
}

/// How many of the pieces the provider has already read.
fn cached(earlier: &[Value], now: &[Piece], request: &Value) -> usize {
    let Some(before) = earlier.iter().rfind(|before| opening(before) == opening(request)) else { return 0 };
    pieces(before).iter().zip(now).take_while(|(before, now)| before == now).count()
}

/// What tells one conversation from another: the first two messages.
fn opening(request: &Value) -> Option<&[Value]> {
    request["messages"].as_array()?.get(..2)
}

/// In the order a model reads them: tools, then messages.
fn pieces(request: &Value) -> Vec<Piece> {
    let list = |name: &str| request[name].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut pieces: Vec<Piece> = list("tools").iter().map(tool).collect();
    let messages = list("messages");
    for (index, message) in messages.iter().enumerate() {
        let text = message["content"].as_str().unwrap_or_default();
        match (message["role"].as_str().unwrap_or_default(), index) {
            ("system", _) => pieces.push(Piece::prose("system prompt", text)),
            ("user", 1) => pieces.extend(sections(text)),
            ("user", _) => pieces.push(Piece::prose("feedback", text)),
            ("tool", _) => {
                let name = called(messages, &message["tool_call_id"]);
                pieces.push(Piece::data(&format!("result of {name}"), text.to_owned()));
            }
            _ => pieces.extend(assistant(message)),
        }
    }
    pieces
}

fn tool(tool: &Value) -> Piece {
    let is_submit = tool["function"]["name"].as_str().unwrap_or_default().starts_with("submit_");
    Piece::data(if is_submit { "submit schemas" } else { "tool definitions" }, tool.to_string())
}

fn assistant(message: &Value) -> Vec<Piece> {
    let mut pieces = vec![Piece::prose("assistant turns", message["content"].as_str().unwrap_or_default())];
    let calls = message["tool_calls"].as_array().into_iter().flatten();
    pieces.extend(calls.map(|call| Piece::data("assistant turns", call["function"].to_string())));
    pieces
}

/// The name of the tool a result is of.
fn called<'a>(messages: &'a [Value], id: &Value) -> &'a str {
    let calls = messages.iter().filter_map(|message| message["tool_calls"].as_array()).flatten();
    let name = calls.filter(|call| call["id"] == *id).find_map(|call| call["function"]["name"].as_str());
    name.unwrap_or("a tool nobody called")
}

/// The first message of a phase, cut at the headings that begin another part.
fn sections(text: &str) -> Vec<Piece> {
    const HEADINGS: [(&str, &str); 4] = [
        ("# Hypotheses of the built-in analyser", "hypotheses"),
        ("## Phase 1 Root Cause Analysis", "root cause handed over"),
        ("## Enrichment Context", "enrichment"),
        ("# Fitting workflows", "shortlist"),
    ];
    let mut sections: Vec<(&str, String)> = vec![("incident", String::new())];
    for line in text.split_inclusive('\n') {
        if let Some((_, part)) = HEADINGS.iter().find(|(heading, _)| line.starts_with(heading)) {
            sections.push((part, String::new()));
        }
        if let Some((_, section)) = sections.last_mut() {
            section.push_str(line);
        }
    }
    sections.iter().map(|(part, text)| Piece::prose(part, text)).collect()
}

fn tokens(text: &str, chars_per_token: usize) -> u64 {
    text.chars().count().div_ceil(chars_per_token) as u64
}
