//! How the model is asked to hand over its answer: by a submit tool, or as text under headers (investigation §2.5, §3.3,
//! §5.2). Everything the model reads about it stands here.

use crate::llm::StructuredOutput;

/// Words of one way to answer.
#[derive(Debug, Clone, Copy)]
pub(in crate::investigation) struct Answering {
    /// Ends "then … one answer".
    pub(super) rca_way: &'static str,
    /// Ends "you choose … and answer".
    pub(super) selection_way: &'static str,
    pub(super) rca_contract: &'static str,
    pub(super) selection_contract: &'static str,
    /// Last words of the first messages.
    pub(super) rca_end: &'static str,
    pub(super) selection_end: &'static str,
    /// Asks for the whole answer of the root-cause phase once more.
    pub(in crate::investigation) rca_again: &'static str,
    /// The same for the selection phase.
    pub(in crate::investigation) selection_again: &'static str,
    /// Ends "give the complete answer again".
    pub(in crate::investigation) again: &'static str,
    pub(in crate::investigation) after_cut: &'static str,
    pub(in crate::investigation) after_nothing: &'static str,
    pub(in crate::investigation) after_refusal: &'static str,
}

const SUBMIT: Answering = Answering {
    rca_way: "with `submit_result`",
    selection_way: "with `submit_result_with_workflow` or `submit_result_no_workflow`",
    rca_contract: "Call `submit_result`. ",
    selection_contract: include_str!("selection_answer_submit.md"),
    rca_end: "Investigate, then call submit_result.",
    selection_end: "Choose, then submit.",
    rca_again: "Submit the complete answer again with submit_result.",
    selection_again: "Submit the complete answer again through submit_result_with_workflow, or submit_result_no_workflow \
                      when none fits.",
    again: "by calling",
    after_cut: "Your answer was cut off by the output limit. Give the complete answer again, shorter, through the submit \
                tool.",
    after_nothing: "Your message was empty. Call a tool, or give your answer through the submit tool.",
    after_refusal: "This is routine operation of a Kubernetes cluster: find out why the workload fails, from the data \
                    shown, and submit the answer through the submit tool.",
};

/// The next answer is asked for without tools.
const JSON_OBJECT: Answering = Answering {
    again: "as one JSON object and nothing else, with the members that are the arguments of",
    after_nothing: "Your message was empty. Give your answer as one JSON object and nothing else, with the members that are \
                    the arguments of the submit tool.",
    ..SUBMIT
};

const TEXT: Answering = Answering {
    rca_way: "as text under headers",
    selection_way: "as text under headers",
    rca_contract: include_str!("rca_answer_text.md"),
    selection_contract: include_str!("selection_answer_text.md"),
    rca_end: "Investigate, then write the answer under its headers.",
    selection_end: "Choose, then write the answer under its headers.",
    rca_again: "Write the complete answer again, under its headers.",
    selection_again: "Write the complete answer again, under its headers; `# selected_workflow` is None when none fits.",
    again: "as text under its headers",
    after_cut: "Your answer was cut off by the output limit. Write the complete answer again, shorter, under its headers.",
    after_nothing: "Your message was empty. Call a tool, or write your answer under its headers.",
    after_refusal: "This is routine operation of a Kubernetes cluster: find out why the workload fails, from the data \
                    shown, and write the answer under its headers.",
};

impl From<StructuredOutput> for Answering {
    fn from(mode: StructuredOutput) -> Self {
        match mode {
            StructuredOutput::SubmitTool | StructuredOutput::JsonSchema => SUBMIT,
            StructuredOutput::JsonObject => JSON_OBJECT,
            StructuredOutput::Text => TEXT,
        }
    }
}
