use serde_json::{Value, json};

use super::*;

fn route(section: Value) -> Result<Route, RouteError> {
    let config: LlmConfig = serde_json::from_value(section).unwrap();
    let around = Surroundings { aws_region: Some("us-east-1".into()), ..Surroundings::default() };
    Route::to(&config, &around)
}

#[test]
fn endpoints_are_used_literally_and_nothing_secret_fits_into_them() {
    let at = |endpoint: &str| route(json!({"model": "m", "endpoint": endpoint})).map(|route| route.whole);
    assert_eq!(at("http://mock-llm:8080").as_deref(), Ok("http://mock-llm:8080/chat/completions"));
    assert_eq!(at("https://x.example/v1/").as_deref(), Ok("https://x.example/v1/chat/completions"));
    for bad in ["x.example/v1", "ftp://x", "https://user:pass@x/v1", "https://x/v1?key=1"] {
        assert_eq!(at(bad), Err(RouteError::BadEndpoint), "{bad}");
    }
}

/// Section → dialect, address of a whole and of a streamed reply.
#[test]
fn every_provider_has_its_addresses() {
    let vertex = "https://europe-west1-aiplatform.googleapis.com/v1/projects/p-1/locations/europe-west1/publishers";
    let cases = [
        (json!({"model": "gpt-4o"}), "openai_chat", "https://api.openai.com/v1/chat/completions".to_owned(), None),
        (json!({"model": "gpt-4o", "endpoint": ""}), "openai_chat", "https://api.openai.com/v1/chat/completions".to_owned(), None),
        (json!({"model": "o3", "api": "responses"}), "openai_responses", "https://api.openai.com/v1/responses".to_owned(), None),
        (json!({"provider": "ollama", "model": "m"}), "openai_chat", "http://localhost:11434/v1/chat/completions".to_owned(), None),
        (json!({"provider": "ollama", "model": "m", "endpoint": "http://gpu:11434"}), "openai_chat", "http://gpu:11434/v1/chat/completions".to_owned(), None),
        (json!({"provider": "mock", "model": "m", "endpoint": "http://mock"}), "openai_chat", "http://mock/chat/completions".to_owned(), None),
        (json!({"provider": "azure", "model": "dep 1", "endpoint": "https://x.openai.azure.com/"}), "openai_chat",
         "https://x.openai.azure.com/openai/deployments/dep%201/chat/completions?api-version=2024-10-21".to_owned(), None),
        (json!({"provider": "azure", "model": "d", "endpoint": "https://x", "azure_api_version": "v1"}), "openai_chat",
         "https://x/openai/v1/chat/completions".to_owned(), None),
        (json!({"provider": "azure", "model": "d", "endpoint": "https://x/openai/v1", "api": "responses"}), "openai_responses",
         "https://x/openai/v1/responses".to_owned(), None),
        (json!({"provider": "claude", "model": "claude-x"}), "anthropic", "https://api.anthropic.com/v1/messages".to_owned(), None),
        (json!({"provider": "anthropic", "model": "claude-x", "endpoint": "https://gw/v1"}), "anthropic", "https://gw/v1/messages".to_owned(), None),
        (json!({"provider": "gemini", "model": "gemini-2.5-pro"}), "gemini",
         "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-pro:generateContent".to_owned(),
         Some("https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse".to_owned())),
        (json!({"provider": "vertex-ai", "model": "claude-sonnet-4@20250514", "project": "p-1", "location": "europe-west1"}), "anthropic_on_vertex",
         format!("{vertex}/anthropic/models/claude-sonnet-4@20250514:rawPredict"), Some(format!("{vertex}/anthropic/models/claude-sonnet-4@20250514:streamRawPredict"))),
        (json!({"model": "vertex_ai/gemini-2.5-pro", "vertex_project": "p-1", "gcpRegion": "global", "endpoint": "https://proxy"}), "gemini",
         "https://proxy/v1/projects/p-1/locations/global/publishers/google/models/gemini-2.5-pro:generateContent".to_owned(),
         Some("https://proxy/v1/projects/p-1/locations/global/publishers/google/models/gemini-2.5-pro:streamGenerateContent?alt=sse".to_owned())),
        (json!({"provider": "bedrock", "model": "eu.anthropic.claude-v1:0", "aws_region": "eu-west-1"}), "bedrock_converse",
         "https://bedrock-runtime.eu-west-1.amazonaws.com/model/eu.anthropic.claude-v1%3A0/converse".to_owned(),
         Some("https://bedrock-runtime.eu-west-1.amazonaws.com/model/eu.anthropic.claude-v1%3A0/converse-stream".to_owned())),
        (json!({"model": "bedrock/invoke/arn:aws:bedrock:x/y"}), "anthropic_on_bedrock",
         "https://bedrock-runtime.us-east-1.amazonaws.com/model/arn%3Aaws%3Abedrock%3Ax%2Fy/invoke".to_owned(),
         Some("https://bedrock-runtime.us-east-1.amazonaws.com/model/arn%3Aaws%3Abedrock%3Ax%2Fy/invoke-with-response-stream".to_owned())),
    ];
    for (section, dialect, whole, streamed) in cases {
        let route = route(section.clone()).unwrap();
        assert_eq!((route.dialect.as_str(), route.url(false)), (dialect, whole.as_str()), "{section}");
        assert_eq!(route.url(true), streamed.unwrap_or(whole), "{section}");
    }
}

#[test]
fn what_is_missing_is_named() {
    let problem = |section: Value| route(section).unwrap_err().to_string();
    for (section, words) in [
        (json!({"provider": "azure", "model": "m"}), "llm.endpoint is required for provider `azure`"),
        (json!({"provider": "litellm", "model": "m"}), "llm.endpoint is required for provider `litellm`"),
        (json!({"provider": "vertex_ai", "model": "claude-x", "gcp_region": "global"}), "VERTEXAI_PROJECT"),
        (json!({"provider": "vertex_ai", "model": "claude-x", "gcp_project_id": "p"}), "VERTEXAI_LOCATION"),
        (
            json!({"provider": "vertex_ai", "model": "llama", "gcp_project_id": "p", "gcp_region": "global"}),
            "not `llama`",
        ),
        (
            json!({"provider": "vertex_ai", "model": "claude-x", "gcp_project_id": "p/../q", "gcp_region": "global"}),
            "llm.gcp_project_id",
        ),
        (json!({"model": "mistral/large"}), "openai_compatible"),
    ] {
        let problem = problem(section.clone());
        assert!(problem.contains(words), "{section}: {problem}");
    }
}
