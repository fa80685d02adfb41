//! What the model says, by how far the conversation is: six answers, five for the cause and one for the workflow.

use aho_corasick::AhoCorasick;
use bytes::Bytes;
use holmesgpt_api::catalogue::{Catalogue as _, DirectoryCatalogue, MatchContext};
use serde_json::{Value, json};

use crate::model::Step;
use crate::service::root;

/// Answers made once, whole and as a stream.
pub(super) struct Script {
    answers: Vec<[(&'static str, Bytes); 2]>,
    signs: AhoCorasick,
}

/// Calls of the model in one investigation.
pub(crate) const CALLS: usize = 6;
/// What a request is told by: an answer before, the tool only the last conversation offers, a wish for a stream.
const SIGNS: [&str; 3] = ["\"role\":\"assistant\"", "submit_result_with_workflow", "\"stream\":true"];

impl Script {
    pub(super) async fn read(catalogue: &DirectoryCatalogue) -> Self {
        let workflow = catalogue.workflow("increase-memory-limits", &MatchContext::default()).await.unwrap();
        let text = std::fs::read_to_string(root().join("tests/it/tokens/oom_cart_api.yaml")).unwrap();
        let text = text.replace("{{workflow}}", &workflow.workflow.id);
        let mut steps: Vec<Value> = serde_saphyr::from_str(&text).unwrap();
        // Two looks in one answer: then there are six.
        let later = steps.remove(4);
        let calls = steps[3]["reply"]["calls"].as_array_mut().unwrap();
        calls.extend(later["reply"]["calls"].as_array().unwrap().clone());
        assert_eq!(steps.len(), CALLS);
        let answers = steps.into_iter().enumerate().map(|(number, step)| {
            let step: Step = serde_json::from_value(step).unwrap();
            [false, true].map(|stream| {
                let request = json!({"stream": stream, "stream_options": {"include_usage": true}});
                let (kind, text) = step.answer(number, &request);
                (kind, text.into())
            })
        });
        Self { answers: answers.collect(), signs: AhoCorasick::new(SIGNS).unwrap() }
    }

    pub(super) fn answer(&self, request: &[u8]) -> (&'static str, Bytes) {
        let mut seen = [0; SIGNS.len()];
        for sign in self.signs.find_iter(request) {
            seen[sign.pattern().as_usize()] += 1;
        }
        let [said, selecting, streamed] = seen;
        let number = if selecting > 0 { CALLS - 1 } else { said.min(CALLS - 2) };
        self.answers[number][usize::from(streamed > 0)].clone()
    }
}
