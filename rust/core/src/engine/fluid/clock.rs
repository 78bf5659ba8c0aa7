//! Virtual time of a resource: the flows that it holds back share one rate, its level, so one clock,
//! the integral of the level, says for all of them how much is served.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::engine::number::{Ambiguity, Number, order_key};

/// A flow that a clock will find through, by a lower bound of its reading at that time; stale unless
/// the version is the slot's.
type Entry = Reverse<(u64, u32, u32)>;

/// The clock of one resource.
#[derive(Debug, Clone)]
pub(super) struct Clock<N: Number> {
    /// Integral of the level.
    pub(super) reading: N,
    /// When the reading was taken.
    pub(super) since: N,
    due: BinaryHeap<Entry>,
    /// What the clock has run at since then.
    level: N,
    reciprocal: Option<N::Reciprocal>,
    /// When the next flow is through, once somebody asked.
    next: Option<N>,
}

/// When a flow is through.
#[derive(Debug, Clone)]
pub(super) struct Due<N> {
    /// Reading of its bottleneck's clock at that time.
    pub(super) reading: N,
    pub(super) version: u32,
}

/// Reciprocals of levels, found once each: a port that serves now one flow and now two has two levels
/// all along a run, and those of its like.
#[derive(Debug, Clone)]
pub(super) struct Reciprocals<N: Number> {
    /// By the bits of the level's double.
    known: Vec<Option<(N, N::Reciprocal)>>,
}

/// Levels remembered; where two fall on one place, the later one stays.
const KNOWN_LEVELS: usize = 64;

impl<N: Number> Reciprocals<N> {
    pub(super) fn new() -> Self {
        Self { known: Vec::new() }
    }

    fn of(&mut self, level: &N) -> N::Reciprocal {
        self.known.resize(KNOWN_LEVELS, None);
        // Multiplied, the highest bits depend on all others (Fibonacci hashing, TAOCP vol. 3, 6.4).
        let hash = level.value().to_bits().wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let place = (hash >> (64 - KNOWN_LEVELS.ilog2())) as usize;
        if let Some((known, reciprocal)) = &self.known[place]
            && known.is_same(level)
        {
            return reciprocal.clone();
        }
        let reciprocal = level.reciprocal();
        self.known[place] = Some((level.clone(), reciprocal.clone()));
        reciprocal
    }
}

impl<N: Number> Clock<N> {
    pub(super) fn new() -> Self {
        Self {
            reading: N::zero(),
            since: N::zero(),
            due: BinaryHeap::new(),
            level: N::zero(),
            reciprocal: None,
            next: None,
        }
    }

    /// The reading at a time since which the level has not changed.
    pub(super) fn reading_at(&self, now: &N) -> N {
        let elapsed = now.sub(&self.since);
        if self.due.is_empty() || elapsed.is_zero() {
            return self.reading.clone();
        }
        let scale = self.level.value() * now.value();
        self.reading.add(&self.level.mul(&elapsed)).anchored(scale)
    }

    /// An upper bound of it.
    pub(super) fn reading_upper(&self, now: &N) -> f64 {
        let elapsed = now.upper() - self.since.lower();
        // Four roundings to nearest; 2^-50 covers them.
        (self.reading.upper() + self.level.upper() * elapsed) * (1.0 + 8.9e-16)
    }

    /// Whether the clock runs at a level, maybe with another approximation.
    pub(super) fn runs_at(&self, level: &N) -> bool {
        self.level.is_same(level)
    }

    /// Takes the reading now, because the level will change.
    pub(super) fn advance(&mut self, now: &N) {
        self.reading = self.reading_at(now);
        self.since = now.clone();
        self.next = None;
    }

    /// Lets the clock run at a level from the last reading on; whether that is another one.
    pub(super) fn run_at(&mut self, level: &N) -> bool {
        let changes = !self.runs_at(level);
        if changes {
            self.level = level.clone();
            self.reciprocal = None;
        }
        changes
    }

    /// Adds a flow that now has `remaining` bytes to be served.
    pub(super) fn join(&mut self, slot: u32, due: &mut Due<N>, remaining: &N, now: &N) {
        if self.due.is_empty() {
            self.since = now.clone();
        }
        due.reading = remaining.add(&self.reading_at(now));
        due.version += 1;
        let key = order_key(due.reading.lower());
        self.due.push(Reverse((key, slot, due.version)));
        self.next = None;
    }

    /// Nobody is held back: the clock may start afresh, free of old rounding errors.
    pub(super) fn rest(&mut self) {
        self.due.clear();
        self.reading = N::zero();
        self.next = None;
    }

    /// A lower bound of the time at which the next flow is through.
    pub(super) fn next_lower(&mut self, dues: &[Due<N>]) -> f64 {
        self.next = None;
        while let Some(&Reverse((key, slot, version))) = self.due.peek() {
            if dues[slot as usize].version == version {
                let remaining = f64::from_bits(key) - self.reading.upper();
                let least = remaining.max(0.0) / self.level.upper();
                // Four roundings to nearest; 2^-50 covers them.
                return (self.since.lower() + least) * (1.0 - 8.9e-16);
            }
            self.due.pop();
        }
        f64::INFINITY
    }

    /// When the next flow is through.
    pub(super) fn next(
        &mut self,
        dues: &[Due<N>],
        reciprocals: &mut Reciprocals<N>,
        ambiguity: &mut Ambiguity,
    ) -> Option<N> {
        if self.next.is_none() {
            let slot = self.head(dues, ambiguity)?;
            let remaining = dues[slot as usize].reading.sub(&self.reading);
            let level = &self.level;
            let reciprocal = self.reciprocal.get_or_insert_with(|| reciprocals.of(level));
            let next = self.since.add(&remaining.div(level, reciprocal));
            let scale = next.value();
            self.next = Some(next.anchored(scale));
        }
        self.next.clone()
    }

    /// Takes out the flows that are through at `now`, the time of [`Self::next`].
    pub(super) fn pop_due(
        &mut self,
        dues: &[Due<N>],
        now: &N,
        ambiguity: &mut Ambiguity,
        through: &mut Vec<u32>,
    ) {
        let Some(first) = self.head(dues, ambiguity) else {
            return;
        };
        let reading = dues[first as usize].reading.clone();
        let limit = order_key(reading.upper());
        let mut later = Vec::new();
        while let Some(&entry) = self.due.peek().filter(|entry| entry.0.0 <= limit) {
            self.due.pop();
            let Reverse((_, slot, version)) = entry;
            let due = &dues[slot as usize];
            if due.version != version {
                continue;
            }
            if ambiguity.equal(&due.reading, &reading) {
                through.push(slot);
            } else {
                later.push(entry);
            }
        }
        self.due.extend(later);
        (self.reading, self.since) = (reading, now.clone());
        self.next = None;
    }

    /// The slot that is due first, after dropping stale entries.
    ///
    /// The heap orders lower bounds; of the entries that overlap the first one, the exact reading
    /// decides.
    pub(super) fn head(&mut self, dues: &[Due<N>], ambiguity: &mut Ambiguity) -> Option<u32> {
        let live = |&(_, slot, version): &(u64, u32, u32)| dues[slot as usize].version == version;
        let first = loop {
            let Reverse(entry) = self.due.pop()?;
            if live(&entry) {
                break entry;
            }
        };
        let mut head = first.1;
        let mut limit = order_key(dues[head as usize].reading.upper());
        let mut others = Vec::new();
        while let Some(&Reverse(entry)) = self.due.peek().filter(|entry| entry.0.0 <= limit) {
            self.due.pop();
            if live(&entry) {
                let (reading, least) = (
                    &dues[entry.1 as usize].reading,
                    &dues[head as usize].reading,
                );
                if ambiguity.less(reading, least) {
                    head = entry.1;
                    limit = limit.min(order_key(reading.upper()));
                }
                others.push(Reverse(entry));
            }
        }
        self.due.push(Reverse(first));
        self.due.extend(others);
        Some(head)
    }
}
