//! The time-ordered queue of the event engine.
//!
//! Entries are ordered by a lower bound of their exact time, then by kind and id, so the order is
//! total. Several entries may overlap the earliest one; the exact times decide which of them are
//! the next event. Stale entries are recognized by their version when they come up.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// An operation's predecessors are through.
    Release(u32),
    /// A resource has served the next of the flows it holds back; stale unless the version is the
    /// resource's.
    Completion {
        /// The resource.
        resource: u32,
        /// The resource's version when the entry was made.
        version: u32,
    },
}

/// Events ordered by a lower bound of their time.
#[derive(Debug, Default)]
pub struct EventQueue {
    heap: BinaryHeap<Reverse<(u64, Event)>>,
}

impl EventQueue {
    /// Adds an event; `lower` is a lower bound of its time.
    pub fn push(&mut self, lower: f64, event: Event) {
        self.heap.push(Reverse((lower.max(0.0).to_bits(), event)));
    }

    /// The event of least lower bound, if that bound is at most `limit`.
    pub fn pop_until(&mut self, limit: f64) -> Option<Event> {
        let &Reverse((key, event)) = self.heap.peek()?;
        if f64::from_bits(key) > limit {
            return None;
        }
        self.heap.pop();
        Some(event)
    }
}
