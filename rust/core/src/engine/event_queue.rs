//! What happens next: releases in a heap, and per resource its next completion.
//!
//! Events are ordered by a lower bound of their exact time, then by kind and id, so the order is
//! total. Several may overlap the earliest one; the exact times decide which of them are the next
//! event. A resource's completion changes with every change of its level, so completions stand in a
//! tournament (Knuth, TAOCP vol. 3, 5.4.1): one leaf per resource, each inner node the smaller of its
//! two children, and a change climbs only as far as it matters.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::number::order_key;

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// An operation's predecessors are through.
    Release(u32),
    /// A resource has served the next of the flows it holds back.
    Completion(u32),
}

/// No event.
const NEVER: u64 = u64::MAX;

/// Events ordered by a lower bound of their time.
#[derive(Debug, Clone)]
pub struct EventQueue {
    releases: BinaryHeap<Reverse<(u64, u32)>>,
    /// Node 1 is the root, the children of node i are 2 i and 2 i + 1, the leaves come last.
    completions: Vec<u64>,
}

impl EventQueue {
    /// No events yet.
    pub fn new(n_resources: usize) -> Self {
        Self {
            releases: BinaryHeap::new(),
            completions: vec![NEVER; 2 * n_resources.next_power_of_two()],
        }
    }

    /// Makes room for the completions of more resources.
    pub fn grow(&mut self, n_resources: usize) {
        let old = self.completions.len() / 2;
        if n_resources > old {
            let leaves = self.completions.split_off(old);
            self.completions = vec![NEVER; 2 * n_resources.next_power_of_two()];
            for (resource, key) in leaves.into_iter().enumerate() {
                self.set(resource as u32, key);
            }
        }
    }

    /// Adds an event; `lower` is a lower bound of its time. It takes the place of the completion
    /// that its resource had.
    pub fn push(&mut self, lower: f64, event: Event) {
        let key = order_key(lower);
        match event {
            Event::Release(op) => self.releases.push(Reverse((key, op))),
            Event::Completion(resource) => self.set(resource, key),
        }
    }

    /// Takes back the completion of a resource, if it has one.
    pub fn cancel(&mut self, resource: u32) {
        self.set(resource, NEVER);
    }

    /// Drops all releases but those to be kept.
    pub fn retain_releases(&mut self, mut keep: impl FnMut(u32) -> bool) {
        self.releases.retain(|&Reverse((_, op))| keep(op));
    }

    /// Takes out the event of least lower bound, if that bound is at most `limit`.
    pub fn pop_until(&mut self, limit: f64) -> Option<Event> {
        let release = self.releases.peek().map_or(NEVER, |entry| entry.0.0);
        let completion = self.completions[1];
        let key = release.min(completion);
        if key == NEVER || f64::from_bits(key) > limit {
            return None;
        }
        if release <= completion {
            return self
                .releases
                .pop()
                .map(|Reverse((_, op))| Event::Release(op));
        }
        let n_leaves = self.completions.len() / 2;
        let mut node = 1;
        while node < n_leaves {
            node *= 2;
            node += usize::from(self.completions[node] != key);
        }
        let resource = (node - n_leaves) as u32;
        self.cancel(resource);
        Some(Event::Completion(resource))
    }

    fn set(&mut self, resource: u32, key: u64) {
        let mut node = self.completions.len() / 2 + resource as usize;
        self.completions[node] = key;
        while node > 1 {
            let smaller = self.completions[node].min(self.completions[node ^ 1]);
            node /= 2;
            if self.completions[node] == smaller {
                return;
            }
            self.completions[node] = smaller;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_out_by_time_then_releases_first_then_by_id() {
        let mut queue = EventQueue::new(3);
        for (lower, event) in [
            (5.0, Event::Completion(2)),
            (2.0, Event::Completion(1)),
            (2.0, Event::Completion(0)),
            (2.0, Event::Release(7)),
            (1.0, Event::Release(9)),
            (3.0, Event::Completion(2)),
        ] {
            queue.push(lower, event);
        }
        queue.push(9.0, Event::Completion(1));
        let mut order = Vec::new();
        while let Some(event) = queue.pop_until(3.0) {
            order.push(event);
        }
        let expected = [
            Event::Release(9),
            Event::Release(7),
            Event::Completion(0),
            Event::Completion(2),
        ];
        assert_eq!(order, expected);
        queue.cancel(1);
        assert_eq!(queue.pop_until(f64::INFINITY), None);
    }
}
