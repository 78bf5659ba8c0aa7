//! The event loop's state: what is released, served and due.

use super::clock::{Clock, Due};
use crate::csr::Csr;
use crate::engine::event_queue::{Event, EventQueue};
use crate::engine::maxmin::{MaxMin, Method, Move};
use crate::engine::number::{Number, Relation};
use crate::engine::observer::Observer;
use crate::engine::timeline::Timeline;
use crate::engine::workload::Workload;

/// Bytes per second times picoseconds: sizes in bytes are scaled by this many ps per second.
const PS_PER_S: u128 = 1_000_000_000_000;

/// A run under way.
pub(super) struct Fluid<'w, 'o, N: Number, O> {
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
    through: Vec<u32>,
}

impl<'w, 'o, N: Number, O: Observer<N>> Fluid<'w, 'o, N, O> {
    /// Nothing released yet.
    pub(super) fn new(method: Method, workload: &'w Workload, observer: &'o mut O) -> Self {
        let n = workload.n_ops();
        let n_pending = (0..n)
            .map(|op| (workload.depends_on.row(op).len() + workload.follows.row(op).len()) as u32)
            .collect();
        Self {
            workload,
            observer,
            solver: MaxMin::new(workload, method),
            queue: EventQueue::new(workload.capacities.len()),
            clocks: workload.capacities.iter().map(|_| Clock::new()).collect(),
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
            through: Vec::new(),
        }
    }

    /// Queues the operations without predecessors; the others start from their start time.
    pub(super) fn release_sources(&mut self) {
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

    /// The exact time of an event taken from the queue.
    fn time_of(&mut self, event: Event) -> Option<N> {
        match event {
            Event::Release(op) => Some(self.ready[op as usize].clone()),
            Event::Completion(resource) => {
                self.clocks[resource as usize].next(&self.dues, self.solver.ambiguity())
            }
        }
    }

    /// Finds the earliest time, applies everything that happens then, and returns it.
    pub(super) fn next_event(&mut self) -> Option<N> {
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
                .is_none_or(|now| self.solver.ambiguity().less(&time, now))
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
            Event::Completion(resource) => self.complete(resource, now),
        }
    }

    fn release(&mut self, op: u32, now: &N) {
        let route = self.workload.op_routes[op as usize];
        let unloaded = self.workload.routes.row(route as usize).is_empty();
        if unloaded || self.workload.size(op as usize).0 == 0 {
            self.observer.passed(op, now);
            self.serve(op, now);
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
    fn complete(&mut self, resource: u32, now: &N) {
        let mut through = std::mem::take(&mut self.through);
        let clock = &mut self.clocks[resource as usize];
        clock.pop_due(&self.dues, now, self.solver.ambiguity(), &mut through);
        for slot in through.drain(..) {
            self.dues[slot as usize].version += 1;
            let op = self.solver.op(slot);
            self.solver.leave(slot);
            self.observer.left(op, now);
            self.serve(op, now);
        }
        self.through = through;
        if self.solver.held(resource) == 0 {
            self.clocks[resource as usize].rest();
        }
    }

    /// Records that an operation is served and tells its successors.
    fn serve(&mut self, op: u32, now: &N) {
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
    pub(super) fn settle(&mut self, now: &N) {
        self.solver.repair();
        for &resource in self.solver.touched() {
            let clock = &mut self.clocks[resource as usize];
            if !clock.runs_at(self.solver.level(resource)) {
                clock.advance(now);
            }
        }
        for &Move { slot, from, to } in self.solver.moves() {
            let due = &mut self.dues[slot as usize];
            let remaining = match self.clocks.get(from as usize) {
                Some(old) => due.reading.sub(&old.reading_at(now)),
                None => due.reading.clone(),
            };
            self.clocks[to as usize].join(slot, due, &remaining, now);
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
            self.queue.cancel(resource);
            return;
        }
        let level = self.solver.level(resource);
        if clock.run_at(level) {
            self.observer.relevelled(resource, level);
        }
        let lower = clock.next_lower(&self.dues);
        self.queue.push(lower, Event::Completion(resource));
    }

    /// What the run found.
    pub(super) fn finish(mut self, n_events: u64) -> Timeline<N> {
        assert_eq!(
            self.n_served,
            self.workload.n_ops(),
            "an acyclic workload is served to its end"
        );
        Timeline {
            n_ambiguous: self.solver.ambiguity().0,
            released: self.ready,
            served: self.served,
            n_events,
        }
    }
}

/// Raises `ready` to `time`.
fn meet<N: Number>(ready: &mut N, time: N, solver: &mut MaxMin<'_, N>) {
    if solver.ambiguity().less(ready, &time) {
        *ready = time;
    }
}
