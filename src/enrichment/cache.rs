//! Enrichments of one investigation, each made once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use super::{Enricher, Enrichment, EnrichmentError};
use crate::cluster::Cluster;
use crate::domain::ResourceRef;

/// Most targets remembered; further ones are enriched each time they are asked for.
const TARGETS_MAX: usize = 64;

type Cell = Arc<OnceCell<Arc<Enrichment>>>;

/// Results by API version, kind, namespace and name. Asking twice at the same time reads once. Errors are not kept: what
/// failed may work a turn later.
#[derive(Debug, Default)]
pub struct EnrichmentCache {
    cells: Mutex<HashMap<ResourceRef, Cell>>,
}

impl EnrichmentCache {
    /// The remembered enrichment, or a new one.
    ///
    /// # Errors
    /// As [`Enricher::enrich`].
    pub async fn enrich(
        &self,
        enricher: &Enricher,
        cluster: &dyn Cluster,
        target: &ResourceRef,
    ) -> Result<Arc<Enrichment>, EnrichmentError> {
        let cell = self.cell(target);
        let found = cell.get_or_try_init(|| async { enricher.enrich(cluster, target).await.map(Arc::new) }).await?;
        // The same object with its version named: a model leaves it out, a verified target has it.
        let _ = self.cell(&found.target).set(Arc::clone(found));
        Ok(Arc::clone(found))
    }

    fn cell(&self, target: &ResourceRef) -> Cell {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        match cells.len() < TARGETS_MAX || cells.contains_key(target) {
            true => Arc::clone(cells.entry(target.clone()).or_default()),
            false => Cell::default(),
        }
    }
}
