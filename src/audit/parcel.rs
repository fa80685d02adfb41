//! One request's events and how they are taken apart when the receiver refuses some of them (audit §3.6). Pure.
//!
//! A parcel is sent in parts, one after the other; events of one correlation keep their order over all parts.

use std::collections::VecDeque;

use crate::store::OutboxRow;

/// How an event is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    AsRecorded,
    /// Without what the receiver can do without: the one repair before quarantine.
    Minimal,
}

/// An event in a parcel. Its body is whole: altered ones never get here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) row: OutboxRow,
    pub(super) body: String,
    pub(super) form: Form,
}

/// Events of one request.
pub(super) type Part = Vec<Item>;

/// Parts still to be sent.
#[derive(Debug, Default)]
pub(super) struct Parcel(VecDeque<Part>);

impl Parcel {
    pub(super) fn new(items: Part) -> Self {
        let mut parcel = Self::default();
        parcel.put_back([items]);
        parcel
    }

    pub(super) fn next(&mut self) -> Option<Part> {
        self.0.pop_front()
    }

    /// A refused part of several events: the one named by `index` alone, what does not have to wait for it before, the
    /// rest of its correlation after it. Without a usable index the two halves.
    pub(super) fn separate(&mut self, part: Part, index: Option<usize>) {
        let Some(bad) = index.and_then(|index| part.get(index)) else { return self.halve(part) };
        let (bad, correlation_id) = (bad.row.seq, bad.row.correlation_id.clone());
        let mut parts = [Vec::new(), Vec::new(), Vec::new()];
        let [before, alone, after] = &mut parts;
        for item in part {
            if item.row.seq == bad {
                alone.push(item);
            } else if alone.is_empty() || item.row.correlation_id != correlation_id {
                before.push(item);
            } else {
                after.push(item);
            }
        }
        self.put_back(parts);
    }

    /// The two halves of a part, the first one first.
    pub(super) fn halve(&mut self, mut part: Part) {
        let second = part.split_off(part.len().div_ceil(2));
        self.put_back([part, second]);
    }

    /// One event again, in its other form.
    pub(super) fn again(&mut self, item: Item) {
        self.put_back([vec![item]]);
    }

    fn put_back(&mut self, parts: impl IntoIterator<Item = Part, IntoIter: DoubleEndedIterator>) {
        for part in parts.into_iter().rev().filter(|part| !part.is_empty()) {
            self.0.push_front(part);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn item(seq: i64, correlation_id: &str) -> Item {
        let row = OutboxRow {
            seq,
            event_id: format!("event-{seq}"),
            correlation_id: correlation_id.to_owned(),
            event_type: String::new(),
            event_timestamp: jiff::Timestamp::UNIX_EPOCH,
            attempts: 0,
            body: None,
        };
        Item { row, body: String::new(), form: Form::AsRecorded }
    }

    fn parts(mut parcel: Parcel) -> Vec<Vec<i64>> {
        let part = |part: Part| part.iter().map(|item| item.row.seq).collect();
        std::iter::from_fn(|| parcel.next()).map(part).collect()
    }

    fn separated(correlations: &str, index: Option<usize>) -> Vec<Vec<i64>> {
        let items = (0..).zip(correlations.chars()).map(|(seq, letter)| item(seq, &letter.to_string()));
        let mut parcel = Parcel::default();
        parcel.separate(items.collect(), index);
        parts(parcel)
    }

    #[test]
    fn only_followers_of_the_bad_event_wait_for_it() {
        assert_eq!(separated("aabb", Some(1)), [vec![0, 2, 3], vec![1]]);
        assert_eq!(separated("aabab", Some(1)), [vec![0, 2, 4], vec![1], vec![3]]);
        assert_eq!(separated("aaa", Some(0)), [vec![0], vec![1, 2]]);
        assert_eq!(separated("abc", None), [vec![0, 1], vec![2]]);
        assert_eq!(separated("abc", Some(9)), [vec![0, 1], vec![2]]);
    }

    proptest! {
        /// Whatever is poison and whatever is said about it: every event is tried alone or accepted, each correlation in
        /// its order, within a bounded number of requests.
        #[test]
        fn every_event_meets_its_fate_in_order(
            letters in "[abc]{1,40}", poison in prop::collection::vec(any::<bool>(), 40), names in 0..3_u8
        ) {
            let items: Part = (0..).zip(letters.chars()).map(|(seq, letter)| item(seq, &letter.to_string())).collect();
            let bad = |item: &Item| poison[usize::try_from(item.row.seq).unwrap()];
            let (count, culprits) = (items.len(), items.iter().filter(|item| bad(item)).count());
            let mut parcel = Parcel::new(items);
            let (mut fates, mut requests) = (Vec::new(), 0);
            while let Some(part) = parcel.next() {
                requests += 1;
                let first = part.iter().position(&bad);
                match (first, part.len()) {
                    (Some(_), 1) | (None, _) => fates.extend(part.iter().map(|item| item.row.clone())),
                    // The receiver names the culprit, names nobody, or names somebody else.
                    (Some(first), _) => parcel.separate(part, [Some(first), None, Some(0)][usize::from(names)]),
                }
            }
            prop_assert_eq!(fates.len(), count);
            prop_assert!(requests <= 1 + 2 * count.max(1) * (1 + culprits), "{} requests", requests);
            for letter in ["a", "b", "c"] {
                let order: Vec<i64> =
                    fates.iter().filter(|row| row.correlation_id == letter).map(|row| row.seq).collect();
                prop_assert!(order.is_sorted(), "{:?}", order);
            }
        }
    }
}
