//! The tasks under way by latency, each with a time before which it does not arrive.
//!
//! A task of less latency than another may arrive first though it is served later. Whether any does
//! is asked for every promise, so each task keeps the bound that was found for it last: nothing that
//! joins or leaves lets a flow arrive sooner than alone on its links. Only a bound that has come
//! close is worth another look, which moves it on.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::number::order_key;

/// No bound yet.
pub(super) const UNKNOWN_PS: f64 = 0.0;

/// Tasks by latency and bound.
#[derive(Debug, Clone, Default)]
pub(super) struct ByLatency {
    tasks: BTreeMap<u64, BTreeSet<(u64, u32)>>,
    /// The bound of each task, as a key.
    bounds: Vec<u64>,
}

impl ByLatency {
    /// Adds a task that does not arrive before a time.
    pub(super) fn insert(&mut self, latency_ps: u64, task: u32, not_before_ps: f64) {
        let key = order_key(not_before_ps);
        let at = task as usize;
        if at >= self.bounds.len() {
            self.bounds.resize(at + 1, 0);
        }
        self.bounds[at] = key;
        (self.tasks.entry(latency_ps).or_default()).insert((key, task));
    }

    /// Takes out a task of this latency.
    pub(super) fn remove(&mut self, latency_ps: u64, task: u32) {
        if let Some(tasks) = self.tasks.get_mut(&latency_ps) {
            tasks.remove(&(self.bounds[task as usize], task));
            if tasks.is_empty() {
                self.tasks.remove(&latency_ps);
            }
        }
    }

    /// The least latency of all tasks.
    pub(super) fn least_ps(&self) -> Option<u64> {
        self.tasks.keys().next().copied()
    }

    /// Whether all tasks of less latency arrive after a time. `bound` finds the time before which one
    /// does not arrive as things stand, if there is one.
    pub(super) fn all_arrive_after(
        &mut self,
        time_ps: f64,
        less_than_ps: u64,
        bound: impl Fn(u32) -> Option<f64>,
    ) -> bool {
        for (_, tasks) in self.tasks.range_mut(..less_than_ps) {
            while let Some(&(key, task)) = tasks.first()
                && f64::from_bits(key) <= time_ps
            {
                let found = bound(task).filter(|&found| found > time_ps);
                let Some(found) = found else {
                    return false;
                };
                tasks.pop_first();
                self.bounds[task as usize] = order_key(found);
                tasks.insert((order_key(found), task));
            }
        }
        true
    }
}
