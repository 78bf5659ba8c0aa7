//! The fluid engine: max-min fair rates between events, exactly.
//!
//! Events are releases and completions; rates are constant between them. The engine pops every
//! event of the earliest time (equality by residue), applies them and whatever they release at that
//! same time, and repairs the rates once.
//!
//! Virtual time per bottleneck: the flows that a resource holds back share one rate, its level, so
//! the resource keeps a clock V(t), the integral of its level. A flow that joins with `remaining`
//! bytes is due when the clock reads V + remaining, whatever the level does meanwhile; only a flow
//! whose bottleneck *changes* is touched. The global queue holds one completion per resource.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicBool, Ordering};

use super::event_queue::{Event, EventQueue};
use super::maxmin::{MaxMin, Move, order_key};
use super::number::{Ambiguity, Number, Relation};
use super::observer::Observer;
use super::timeline::Timeline;
use super::workload::Workload;
use crate::csr::Csr;

/// Why a run ended early.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// More events than allowed.
    #[error("the run reached its limit of {limit} events; raise event_limit to go on")]
    EventLimit {
        /// The limit.
        limit: u64,
    },
    /// More memory than allowed would be needed.
    #[error(
        "the run needs about {needed_bytes} bytes for {n_transfers} transfers, above the memory \
         limit of {limit_bytes}; raise memory_limit_bytes or ask for fewer ranks or chunks"
    )]
    MemoryLimit {
        /// The estimate.
        needed_bytes: u64,
        /// The limit.
        limit_bytes: u64,
        /// What needs it.
        n_transfers: u64,
    },
    /// The caller asked to stop.
    #[error("the run was interrupted")]
    Interrupted,
    /// The caller's limit in simulated time has passed.
    #[error("the run takes more than {at_least_ps} ps, longer than was asked for")]
    Late {
        /// It takes at least this long.
        at_least_ps: u64,
    },
    /// The numbers outgrew the budget of their rung.
    #[error("the exact rationals outgrew their budget")]
    OverBudget,
}

/// What bounds a run.
#[derive(Debug, Clone, Copy)]
pub struct Limits<'a> {
    /// Events after which the run ends with an error.
    pub events: u64,
    /// Simulated time after which the run ends with an error.
    pub until_ps: Option<u64>,
    /// Set by the caller to stop the run.
    pub cancel: Option<&'a AtomicBool>,
}

/// Bytes per second times picoseconds: sizes in bytes are scaled by this many ps per second.
const PS_PER_S: u128 = 1_000_000_000_000;

/// Events between two looks at the cancel flag.
const CANCEL_EVERY: u64 = 256;

/// Runs a workload to its end.
pub fn run<N: Number>(
    workload: &Workload,
    limits: Limits,
    observer: &mut impl Observer<N>,
) -> Result<Timeline<N>, EngineError> {
    let mut engine = Fluid::new(workload, observer);
    engine.release_sources();
    let mut n_events = 0;
    while let Some(now) = engine.next_event() {
        n_events += 1;
        if n_events > limits.events {
            return Err(EngineError::EventLimit {
                limit: limits.events,
            });
        }
        if n_events % CANCEL_EVERY == 0 && limits.cancel.is_some_and(|c| c.load(Ordering::Relaxed))
        {
            return Err(EngineError::Interrupted);
        }
        if let Some(until_ps) = limits.until_ps
            && now.lower() > until_ps as f64
        {
            return Err(EngineError::Late {
                at_least_ps: until_ps.saturating_add(1),
            });
        }
        if now.over_budget() {
            return Err(EngineError::OverBudget);
        }
        engine.settle(&now);
    }
    assert_eq!(
        engine.n_served,
        workload.n_ops(),
        "an acyclic workload is served to its end"
    );
    Ok(Timeline {
        released: engine.ready,
        served: engine.served,
        n_events,
        n_ambiguous: engine.solver.ambiguity.0,
    })
}

/// Virtual time of one resource.
#[derive(Debug)]
struct Clock<N: Number> {
    /// Integral of the level.
    reading: N,
    /// When the reading was taken.
    since: N,
    /// Slots by a lower bound of the reading at which they are through; stale unless the version
    /// is the slot's.
    due: BinaryHeap<Reverse<(u64, u32, u32)>>,
    /// The level that `reciprocal` belongs to.
    level: N,
    reciprocal: Option<N::Reciprocal>,
    /// When the next flow is through, and the version of the queue entry that says so.
    next: N,
    version: u32,
    /// The slot and its version that `next` belongs to.
    next_due: Option<(u32, u32)>,
}

impl<N: Number> Clock<N> {
    /// The reading at a time since which the level has not changed.
    fn reading_at(&self, now: &N) -> N {
        let elapsed = now.sub(&self.since);
        if self.due.is_empty() || elapsed.is_zero() {
            return self.reading.clone();
        }
        let scale = self.level.value() * now.value();
        self.reading.add(&self.level.mul(&elapsed)).anchored(scale)
    }

    /// Nobody is held back: the clock may start afresh, free of old rounding errors.
    fn rest(&mut self) {
        self.due.clear();
        self.reading = N::zero();
        self.version += 1;
        self.next_due = None;
    }
}

/// State of one active flow beside what the solver keeps.
#[derive(Debug, Clone)]
struct Due<N> {
    /// Reading of its bottleneck's clock at which it is through.
    reading: N,
    version: u32,
}

struct Fluid<'w, 'o, N: Number, O> {
    workload: &'w Workload,
    observer: &'o mut O,
    solver: MaxMin<'w, N>,
    queue: EventQueue,
    clocks: Vec<Clock<N>>,
    dues: Vec<Due<N>>,
    work: Vec<N>,
    latencies: Vec<N>,
    data_successors: Csr<u32>,
    order_successors: Csr<u32>,
    n_pending: Vec<u32>,
    ready: Vec<N>,
    served: Vec<N>,
    n_served: usize,
    stash: Vec<(Event, N)>,
}

impl<'w, 'o, N: Number, O: Observer<N>> Fluid<'w, 'o, N, O> {
    fn new(workload: &'w Workload, observer: &'o mut O) -> Self {
        let n = workload.n_ops();
        let clock = || Clock {
            reading: N::zero(),
            since: N::zero(),
            due: BinaryHeap::new(),
            level: N::zero(),
            reciprocal: None,
            next: N::zero(),
            version: 0,
            next_due: None,
        };
        let n_pending = (0..n)
            .map(|op| (workload.depends_on.row(op).len() + workload.follows.row(op).len()) as u32)
            .collect();
        Self {
            workload,
            observer,
            solver: MaxMin::new(workload),
            queue: EventQueue::default(),
            clocks: workload.capacities.iter().map(|_| clock()).collect(),
            dues: Vec::new(),
            work: workload
                .sizes
                .iter()
                .map(|&(n, d)| N::from_ratio(n * PS_PER_S, d))
                .collect(),
            latencies: workload
                .latencies_ps
                .iter()
                .map(|&l| N::from_int(l.into()))
                .collect(),
            data_successors: workload.depends_on.transposed(n),
            order_successors: workload.follows.transposed(n),
            n_pending,
            ready: vec![N::zero(); n],
            served: vec![N::zero(); n],
            n_served: 0,
            stash: Vec::new(),
        }
    }

    /// Queues the operations without predecessors; the others start from their start time.
    fn release_sources(&mut self) {
        for op in 0..self.workload.n_ops() {
            let route = self.workload.op_routes[op] as usize;
            let earliest = self.workload.start_ps(op) + self.workload.software_ps[route];
            if earliest > 0 {
                self.ready[op] = N::from_int(earliest.into());
            }
            if self.n_pending[op] == 0 {
                self.queue
                    .push(self.ready[op].lower(), Event::Release(op as u32));
            }
        }
    }

    /// The time of a live queue entry, `None` for a stale one.
    fn time_of(&self, event: Event) -> Option<N> {
        match event {
            Event::Release(op) => Some(self.ready[op as usize].clone()),
            Event::Completion { resource, version } => {
                let clock = &self.clocks[resource as usize];
                (clock.version == version).then(|| clock.next.clone())
            }
        }
    }

    /// Finds the earliest time, applies everything that happens then, and returns it.
    fn next_event(&mut self) -> Option<N> {
        let mut now: Option<N> = None;
        let mut stash = std::mem::take(&mut self.stash);
        while let Some(event) = self
            .queue
            .pop_until(now.as_ref().map_or(f64::INFINITY, Number::upper))
        {
            let Some(time) = self.time_of(event) else {
                continue;
            };
            if now
                .as_ref()
                .is_none_or(|now| self.solver.ambiguity.less(&time, now))
            {
                now = Some(time.clone());
            }
            stash.push((event, time));
        }
        if let Some(now) = &now {
            let mut at = 0;
            while at < stash.len() {
                if matches!(stash[at].1.compare(now), Relation::Equal) {
                    let (event, _) = stash.swap_remove(at);
                    self.apply(event, now);
                    self.stash_new_events(now, &mut stash);
                } else {
                    at += 1;
                }
            }
        }
        for (event, time) in stash.drain(..) {
            self.queue.push(time.lower(), event);
        }
        self.stash = stash;
        now
    }

    /// Takes the events that `apply` queued and that may happen at `now` as well.
    fn stash_new_events(&mut self, now: &N, stash: &mut Vec<(Event, N)>) {
        while let Some(event) = self.queue.pop_until(now.upper()) {
            if let Some(time) = self.time_of(event) {
                stash.push((event, time));
            }
        }
    }

    fn apply(&mut self, event: Event, now: &N) {
        match event {
            Event::Release(op) => self.release(op, now),
            Event::Completion { resource, .. } => self.complete(resource),
        }
    }

    fn release(&mut self, op: u32, now: &N) {
        let route = self.workload.op_routes[op as usize];
        let unloaded = self.workload.routes.row(route as usize).is_empty();
        if unloaded || self.workload.size(op as usize).0 == 0 {
            self.observer.passed(op, now);
            self.finish(op, now);
            return;
        }
        let slot = self.solver.enter(op, route) as usize;
        if slot == self.dues.len() {
            self.dues.push(Due {
                reading: N::zero(),
                version: 0,
            });
        }
        self.dues[slot].version += 1;
        let work = &self.work[self.workload.op_sizes[op as usize] as usize];
        self.dues[slot].reading = work.clone();
        self.observer.entered(op, now);
    }

    /// Serves every flow that is through when the clock of `resource` reaches its first due.
    fn complete(&mut self, resource: u32) {
        let clock = &mut self.clocks[resource as usize];
        let now = clock.next.clone();
        clock.version += 1;
        clock.next_due = None;
        let first = head(clock, &self.dues, &mut self.solver.ambiguity);
        let Some(reading) = first.map(|slot| self.dues[slot as usize].reading.clone()) else {
            return;
        };
        let clock = &mut self.clocks[resource as usize];
        (clock.reading, clock.since) = (reading.clone(), now.clone());
        let limit = order_key(reading.upper());
        let mut later = Vec::new();
        while let Some(&Reverse((key, slot, version))) = self.clocks[resource as usize]
            .due
            .peek()
            .filter(|entry| entry.0.0 <= limit)
        {
            self.clocks[resource as usize].due.pop();
            let due = &self.dues[slot as usize];
            if due.version != version {
                continue;
            }
            if !self.solver.ambiguity.equal(&due.reading, &reading) {
                later.push(Reverse((key, slot, version)));
                continue;
            }
            self.dues[slot as usize].version += 1;
            let op = self.solver.op(slot);
            self.solver.leave(slot);
            self.observer.left(op, &now);
            self.finish(op, &now);
        }
        let clock = &mut self.clocks[resource as usize];
        clock.due.extend(later);
        if self.solver.held(resource) == 0 {
            clock.rest();
        }
    }

    /// Records that an operation is served and tells its successors.
    fn finish(&mut self, op: u32, now: &N) {
        self.served[op as usize] = now.clone();
        self.n_served += 1;
        let workload = self.workload;
        let route = workload.op_routes[op as usize] as usize;
        let (start, items) = self.data_successors.parts();
        let data = start[op as usize] as usize..start[op as usize + 1] as usize;
        if !data.is_empty() {
            let arrived = now.add(&self.latencies[route]);
            for index in data {
                let successor = items[index] as usize;
                let software = workload.software_ps[workload.op_routes[successor] as usize];
                let usable = if software == 0 {
                    arrived.clone()
                } else {
                    arrived.add(&N::from_int(software.into()))
                };
                meet(&mut self.ready[successor], usable, &mut self.solver);
                self.n_pending[successor] -= 1;
                if self.n_pending[successor] == 0 {
                    let lower = self.ready[successor].lower();
                    self.queue.push(lower, Event::Release(successor as u32));
                }
            }
        }
        for &successor in self.order_successors.row(op as usize) {
            let successor = successor as usize;
            meet(&mut self.ready[successor], now.clone(), &mut self.solver);
            self.n_pending[successor] -= 1;
            if self.n_pending[successor] == 0 {
                let lower = self.ready[successor].lower();
                self.queue.push(lower, Event::Release(successor as u32));
            }
        }
    }

    /// Repairs the rates and the clocks after the events at `now`.
    fn settle(&mut self, now: &N) {
        self.solver.repair();
        for &resource in self.solver.touched() {
            if self.solver.changes(resource) {
                let clock = &mut self.clocks[resource as usize];
                clock.reading = clock.reading_at(now);
                clock.since = now.clone();
                clock.next_due = None;
            }
        }
        self.solver.commit();
        for &Move { slot, from, to } in self.solver.moves() {
            let due = &mut self.dues[slot as usize];
            if let Some(old) = self.clocks.get(from as usize) {
                due.reading = due.reading.sub(&old.reading_at(now));
            }
            due.version += 1;
            let clock = &mut self.clocks[to as usize];
            if clock.due.is_empty() {
                clock.since = now.clone();
            }
            due.reading = due.reading.add(&clock.reading_at(now));
            clock
                .due
                .push(Reverse((order_key(due.reading.lower()), slot, due.version)));
            self.observer.moved(self.solver.op(slot), to);
        }
        for position in 0..self.solver.touched().len() {
            self.schedule(self.solver.touched()[position]);
        }
        self.observer.settled(now);
    }

    /// Queues the next completion of a resource.
    fn schedule(&mut self, resource: u32) {
        let clock = &mut self.clocks[resource as usize];
        if self.solver.held(resource) == 0 {
            clock.rest();
            return;
        }
        let level = self.solver.level(resource);
        // Equality only saves a reciprocal here, so an undecided comparison may count as unequal.
        let same =
            clock.reciprocal.is_some() && matches!(clock.level.compare(level), Relation::Equal);
        if !same {
            clock.level = level.clone();
            clock.reciprocal = Some(level.reciprocal());
            self.observer.relevelled(resource, level);
        }
        let slot = head(clock, &self.dues, &mut self.solver.ambiguity)
            .expect("a flow held back is due some time");
        let due = &self.dues[slot as usize];
        if same && clock.next_due == Some((slot, due.version)) {
            return; // The entry in the queue still says so.
        }
        let remaining = due.reading.sub(&clock.reading);
        let reciprocal = clock.reciprocal.as_ref().expect("set above");
        let next = clock.since.add(&remaining.div(&clock.level, reciprocal));
        let scale = next.value();
        clock.next = next.anchored(scale);
        clock.next_due = Some((slot, due.version));
        clock.version += 1;
        let event = Event::Completion {
            resource,
            version: clock.version,
        };
        self.queue.push(clock.next.lower(), event);
    }
}

/// The slot that is due first on a clock, after dropping stale entries.
///
/// The heap orders lower bounds; of the entries that overlap the first one, the exact reading
/// decides.
fn head<N: Number>(
    clock: &mut Clock<N>,
    dues: &[Due<N>],
    ambiguity: &mut Ambiguity,
) -> Option<u32> {
    let live = |&(_, slot, version): &(u64, u32, u32)| dues[slot as usize].version == version;
    let first = loop {
        let Reverse(entry) = clock.due.pop()?;
        if live(&entry) {
            break entry;
        }
    };
    let mut head = first.1;
    let mut limit = order_key(dues[head as usize].reading.upper());
    let mut others = vec![Reverse(first)];
    while let Some(&Reverse(entry)) = clock.due.peek().filter(|entry| entry.0.0 <= limit) {
        clock.due.pop();
        if live(&entry) {
            if ambiguity.less(
                &dues[entry.1 as usize].reading,
                &dues[head as usize].reading,
            ) {
                head = entry.1;
                limit = limit.min(order_key(dues[head as usize].reading.upper()));
            }
            others.push(Reverse(entry));
        }
    }
    clock.due.extend(others);
    Some(head)
}

/// Raises `ready` to `time`.
fn meet<N: Number>(ready: &mut N, time: N, solver: &mut MaxMin<'_, N>) {
    if solver.ambiguity.less(ready, &time) {
        *ready = time;
    }
}
