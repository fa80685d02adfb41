//! The tools of one phase, in a fixed order.

use std::sync::Arc;

use super::Tool;
use crate::llm::ToolDefinition;

/// The tools a model may call in one phase. Order is part of the cacheable prefix and stays as built.
#[derive(Debug, Clone, Default)]
pub struct ToolSet(Vec<Arc<dyn Tool>>);

impl ToolSet {
    pub fn new(tools: impl IntoIterator<Item = Arc<dyn Tool>>) -> Self {
        Self(tools.into_iter().collect())
    }

    /// By the tool's own name, else by one of the names earlier models use; ignoring case and surrounding space.
    pub fn find(&self, name: &str) -> Option<&Arc<dyn Tool>> {
        let name = name.trim();
        let own = self.0.iter().find(|tool| tool.definition().name.eq_ignore_ascii_case(name));
        own.or_else(|| self.0.iter().find(|tool| tool.aliases().iter().any(|alias| alias.eq_ignore_ascii_case(name))))
    }

    /// As offered to the model.
    pub fn definitions(&self) -> Vec<ToolDefinition> {
        self.0.iter().map(|tool| tool.definition().clone()).collect()
    }

    /// Names of the groups, each once, sorted.
    pub fn toolsets(&self) -> Vec<String> {
        let mut names: Vec<String> = self.0.iter().map(|tool| tool.toolset().to_owned()).collect();
        names.sort();
        names.dedup();
        names
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|tool| tool.definition().name.as_str())
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn Tool>> {
        self.0.iter()
    }

    /// This set and more behind it.
    #[must_use]
    pub fn with(mut self, tools: impl IntoIterator<Item = Arc<dyn Tool>>) -> Self {
        self.0.extend(tools);
        self
    }
}
