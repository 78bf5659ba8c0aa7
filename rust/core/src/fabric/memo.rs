//! A memo: what was computed from a fabric and some of its nodes, for those who ask again.
//!
//! Values are pure functions of the key, so that keeping or forgetting them changes no result. The
//! memo holds a few entries and forgets the oldest.

use std::any::{Any, TypeId};
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex};

use super::graph::Fabric;
use crate::ids::NodeId;

/// Entries kept; a search over placements asks about many lists of nodes once each.
const CAPACITY: usize = 64;

struct Entry {
    nodes: Box<[NodeId]>,
    of_type: TypeId,
    value: Arc<dyn Any + Send + Sync>,
}

/// The entries, oldest first.
#[derive(Default)]
pub(super) struct Memo(Mutex<VecDeque<Entry>>);

impl fmt::Debug for Memo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Memo")
    }
}

impl Fabric {
    /// What `make` computes from the fabric and these nodes, kept under its type.
    pub fn memo<T: Any + Send + Sync>(&self, nodes: &[NodeId], make: impl FnOnce() -> T) -> Arc<T> {
        let of_type = TypeId::of::<T>();
        // Never waits: in a forked child the lock may be held for ever by a thread that it lacks.
        let entries = || self.memo_entries().0.try_lock().ok();
        let known = entries().and_then(|entries| {
            let is_it = |entry: &&Entry| entry.of_type == of_type && *entry.nodes == *nodes;
            Some(entries.iter().find(is_it)?.value.clone())
        });
        if let Some(Ok(known)) = known.map(Arc::downcast::<T>) {
            return known;
        }
        // Made without the lock: of two threads both may do it, and their values are equal.
        let value = Arc::new(make());
        if let Some(mut entries) = entries() {
            if entries.len() == CAPACITY {
                entries.pop_front();
            }
            entries.push_back(Entry {
                nodes: nodes.into(),
                of_type,
                value: value.clone(),
            });
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fabric::{Params, presets};

    #[test]
    fn a_value_is_made_once_per_type_and_nodes_until_it_is_forgotten() {
        let fabric = presets::lookup("cm384").unwrap();
        let fabric = fabric.build(&Params::new()).unwrap();
        let mut made = 0;
        let mut ask = |first: u32| {
            let value = fabric.memo(&[NodeId(first)], || {
                made += 1;
                first
            });
            (*value, made)
        };
        assert_eq!(ask(1), (1, 1));
        assert_eq!(ask(1), (1, 1));
        assert_eq!(ask(2), (2, 2));
        for other in 0..CAPACITY as u32 {
            ask(100 + other);
        }
        assert_eq!(ask(1), (1, CAPACITY + 3));
        assert_eq!(
            *fabric.memo(&[NodeId(1)], || "another type"),
            "another type"
        );
    }
}
