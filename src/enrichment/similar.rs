//! Names close to one that does not exist.

use super::reader::Reader;
use crate::cluster::ListQuery;
use crate::domain::ResourceRef;

/// Most names offered.
const SIMILAR_NAMES_MAX: usize = 5;
/// Least similarity of a name offered, 0–1: one minus edits per character.
const SIMILARITY_MIN: f64 = 0.4;

/// Existing names of the kind in the namespace, nearest first. Empty when they cannot be listed.
pub(super) async fn similar_names(reader: &Reader<'_>, missing: &ResourceRef) -> Vec<String> {
    let query = ListQuery { api_version: missing.api_version.clone(), ..ListQuery::kind(&missing.kind) };
    let Ok(list) = reader.list(&query.in_namespace(missing.namespace.as_deref())).await else { return Vec::new() };
    nearest(&missing.name, list.items.iter().map(|object| object.name()))
}

fn nearest<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let scored = names.map(|name| (strsim::normalized_levenshtein(wanted, name), name));
    let mut scored: Vec<(f64, &str)> = scored.filter(|(similarity, _)| *similarity >= SIMILARITY_MIN).collect();
    scored.sort_by(|(a, first), (b, second)| b.total_cmp(a).then_with(|| first.cmp(second)));
    scored.into_iter().take(SIMILAR_NAMES_MAX).map(|(_, name)| name.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_first_at_most_five_and_nothing_far() {
        let names = ["cart-db", "billing", "cart-apis", "cart-api-2", "cart", "cart-ap", "cart-web", "cart-api2"];
        let found = nearest("cart-api", names.into_iter());
        assert_eq!(found, ["cart-api2", "cart-apis", "cart-ap", "cart-api-2", "cart-db"]);
        assert_eq!(nearest("cart-api", ["billing", "zookeeper"].into_iter()), Vec::<String>::new());
    }
}
