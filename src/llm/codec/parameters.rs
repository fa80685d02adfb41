//! Optional members of a request, and which of them an error complains about.

/// What a model is asked beside the conversation. What it was found not to accept stays out.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Parameters {
    pub temperature: Option<f64>,
    pub parallel_tool_calls: bool,
    /// `max_completion_tokens`, or `max_tokens` for servers that know only the old name.
    pub legacy_max_tokens: bool,
    pub forced_tool_choice: bool,
    pub response_format: bool,
    /// Marks where the cacheable prefix ends, for providers that want to be told.
    pub cache_marks: bool,
    /// The reply as a stream of events.
    pub streaming: bool,
    /// Asks for the token counts of a stream, where they do not come by themselves.
    pub stream_usage: bool,
    pub reasoning: Option<Reasoning>,
}

impl Parameters {
    /// Everything on, nothing set.
    pub fn generous() -> Self {
        Self {
            temperature: None,
            parallel_tool_calls: true,
            legacy_max_tokens: false,
            forced_tool_choice: true,
            response_format: true,
            cache_marks: true,
            streaming: false,
            stream_usage: true,
            reasoning: None,
        }
    }

    /// Leaves a refused member out from now on; false when it is out already, so that the complaint was about something
    /// else.
    pub fn leave_out(&mut self, parameter: Unsupported) -> bool {
        let before = self.clone();
        match parameter {
            Unsupported::Temperature => self.temperature = None,
            Unsupported::ParallelToolCalls => self.parallel_tool_calls = false,
            Unsupported::ForcedToolChoice => self.forced_tool_choice = false,
            Unsupported::MaxCompletionTokens => self.legacy_max_tokens = true,
            Unsupported::ResponseFormat => self.response_format = false,
            Unsupported::CacheMarks => self.cache_marks = false,
            Unsupported::StreamUsage => self.stream_usage = false,
            Unsupported::Reasoning => self.reasoning = None,
        }
        *self != before
    }
}

/// How much a model may think before it answers (operations §7.8). A token budget wins over an effort where the dialect
/// knows both.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reasoning {
    pub effort: Option<Effort>,
    pub budget_tokens: Option<u32>,
}

/// `llm.reasoning.effort`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effort {
    None,
    Minimal,
    Low,
    Medium,
    High,
    Xhigh,
}

impl Effort {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Minimal => "minimal",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Xhigh => "xhigh",
        }
    }

    /// For dialects that count tokens instead. The highest is taken as the next lower one.
    fn tokens(self) -> u32 {
        match self {
            Self::None => 0,
            Self::Minimal => 1_024,
            Self::Low => 2_048,
            Self::Medium => 8_192,
            Self::High | Self::Xhigh => 16_384,
        }
    }
}

impl Reasoning {
    /// Tokens to think with; 0 where thinking is off.
    pub(super) fn tokens(self) -> Option<u32> {
        self.budget_tokens.or_else(|| self.effort.map(Effort::tokens))
    }
}

/// Parameters that can be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsupported {
    Temperature,
    ParallelToolCalls,
    ForcedToolChoice,
    MaxCompletionTokens,
    ResponseFormat,
    CacheMarks,
    StreamUsage,
    Reasoning,
}

impl Unsupported {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Temperature => "temperature",
            Self::ParallelToolCalls => "parallel_tool_calls",
            Self::ForcedToolChoice => "tool_choice",
            Self::MaxCompletionTokens => "max_completion_tokens",
            Self::ResponseFormat => "response_format",
            Self::CacheMarks => "cache_control",
            Self::StreamUsage => "stream_options",
            Self::Reasoning => "reasoning",
        }
    }
}

/// The parameter a 400 complains about, when it is one that can be left out.
pub fn unsupported_parameter(error_body: &str) -> Option<Unsupported> {
    const COMPLAINTS: [&str; 11] = [
        "unsupported",
        "not support",
        "unknown parameter",
        "unknown name",
        "unrecognized",
        "extra inputs",
        "extraneous key",
        "not permitted",
        "invalid value",
        "not allowed",
        "may not be",
    ];
    let text = error_body.to_ascii_lowercase();
    if !COMPLAINTS.iter().any(|word| text.contains(word)) {
        return None;
    }
    [
        ("response_format", Unsupported::ResponseFormat),
        ("text.format", Unsupported::ResponseFormat),
        ("output_config", Unsupported::ResponseFormat),
        ("outputconfig", Unsupported::ResponseFormat),
        ("responsejsonschema", Unsupported::ResponseFormat),
        ("response_json_schema", Unsupported::ResponseFormat),
        ("responsemimetype", Unsupported::ResponseFormat),
        ("response mime type", Unsupported::ResponseFormat),
        ("max_completion_tokens", Unsupported::MaxCompletionTokens),
        ("parallel_tool_calls", Unsupported::ParallelToolCalls),
        ("tool_choice", Unsupported::ForcedToolChoice),
        ("toolchoice", Unsupported::ForcedToolChoice),
        ("functioncallingconfig", Unsupported::ForcedToolChoice),
        ("temperature", Unsupported::Temperature),
        ("cache_control", Unsupported::CacheMarks),
        ("cachepoint", Unsupported::CacheMarks),
        ("cache point", Unsupported::CacheMarks),
        ("stream_options", Unsupported::StreamUsage),
        ("reasoning_effort", Unsupported::Reasoning),
        ("reasoning.effort", Unsupported::Reasoning),
        ("encrypted content", Unsupported::Reasoning),
        ("thinking", Unsupported::Reasoning),
    ]
    .into_iter()
    .find_map(|(name, parameter)| text.contains(name).then_some(parameter))
}
