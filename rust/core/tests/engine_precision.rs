//! Error bounds stay what a few roundings cost, however long the run and however many rates are
//! derived from each other.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod plane;

use cm_core::engine::fluid::{Limits, run};
use cm_core::engine::number::{Extended, Number, Pair};
use cm_core::engine::observer::Observer;
use cm_core::engine::workload::Workload;

const LIMITS: Limits = Limits {
    events: u64::MAX,
    until_ps: None,
    cancel: None,
};

/// Every level that a run went through, event by event and there by resource.
#[derive(Debug)]
struct Levels<N> {
    settled: Vec<(u32, N)>,
    event: Vec<(u32, N)>,
}

impl<N: Number> Observer<N> for Levels<N> {
    fn relevelled(&mut self, resource: u32, level: &N) {
        self.event.push((resource, level.clone()));
    }

    fn settled(&mut self, _now: &N) {
        self.event.sort_unstable_by_key(|(resource, _)| *resource);
        self.settled.append(&mut self.event);
    }
}

/// Whether a pair encloses what the same run in double-doubles found.
fn encloses(pair: &Pair, truth: &Extended) -> bool {
    pair.residue() == truth.residue()
        && pair.lower() <= truth.upper()
        && truth.lower() <= pair.upper()
}

fn check(workload: &Workload, n_events: std::ops::RangeInclusive<u64>) {
    let mut levels = Levels {
        settled: Vec::new(),
        event: Vec::new(),
    };
    let pair = run::<Pair>(workload, LIMITS, &mut levels).unwrap();
    let mut truth = Levels {
        settled: Vec::new(),
        event: Vec::new(),
    };
    let extended = run::<Extended>(workload, LIMITS, &mut truth).unwrap();
    assert!(n_events.contains(&pair.n_events), "{}", pair.n_events);
    assert_eq!((pair.n_ambiguous, extended.n_ambiguous), (0, 0));
    assert_eq!(pair.n_events, extended.n_events);
    for (time, truth) in pair.served.iter().zip(&extended.served) {
        assert!(encloses(time, truth), "{time:?} {truth:?}");
    }
    assert_eq!(levels.settled.len(), truth.settled.len());
    for ((resource, level), (same, truth)) in levels.settled.iter().zip(&truth.settled) {
        assert_eq!(resource, same);
        assert!(encloses(level, truth), "{resource}: {level:?} {truth:?}");
    }
}

#[test]
fn a_long_run_of_unlike_sizes_leaves_no_comparison_open() {
    // 48 * 47 messages, hardly two of a size: nearly every one ends at a time of its own.
    check(&plane::skewed_all_to_all(48, 1), 2_000..=2_257);
}

#[test]
fn a_long_run_of_dependent_messages_leaves_no_comparison_open() {
    // 24 * 23 of the all-to-all, 24 * 46 of the ring, 32 * 10 of the halving-doubling.
    check(
        &plane::mixed(48, 0),
        500..=2 * (24 * 23 + 24 * 46 + 32 * 10),
    );
}

#[test]
fn a_run_of_equal_sizes_on_unequal_loads_leaves_no_comparison_open() {
    // At most one event per message and one for the start.
    check(&plane::hashed_all_to_all(48), 2..=2_257);
}
