//! Flows in flight: which are due when, and what changes at an event.
//!
//! What the flows are for is up to a [`Program`]: a batch of operations with edges between them, or
//! a session to which flows are added as time goes by.

use super::clock::{Clock, Due, Reciprocals};
use crate::engine::event_queue::{Event, EventQueue};
use crate::engine::maxmin::{MaxMin, Move};
use crate::engine::number::{Number, Relation};
use crate::engine::workload::Incidence;

/// Who releases operations, and is told of what becomes of them.
pub(in crate::engine) trait Program<N: Number> {
    /// When a queued operation is released.
    fn ready(&self, op: u32) -> &N;
    /// An operation is released: it enters, or is through at once.
    fn release(&mut self, net: &mut Net<'_, N>, op: u32, now: &N);
    /// An operation that entered has been served.
    fn served(&mut self, net: &mut Net<'_, N>, op: u32, now: &N);
    /// An operation is held back by another resource from now on.
    fn moved(&mut self, _op: u32, _bottleneck: u32) {}
    /// The flows held back by a resource have another rate from now on.
    fn relevelled(&mut self, _resource: u32, _level: &N) {}
    /// All that happens at `now` has been told.
    fn settled(&mut self, _now: &N) {}
}

/// The flows under way on the resources.
#[derive(Debug, Clone)]
pub(in crate::engine) struct Net<'w, N: Number> {
    pub(in crate::engine) solver: MaxMin<'w, N>,
    queue: EventQueue,
    clocks: Vec<Clock<N>>,
    dues: Vec<Due<N>>,
    reciprocals: Reciprocals<N>,
    /// Events that may be the next ones, with their times.
    stash: Vec<(Event, N)>,
    through: Vec<u32>,
}

impl<'w, N: Number> Net<'w, N> {
    /// No flows on so many resources.
    pub(in crate::engine) fn new(solver: MaxMin<'w, N>, n_resources: usize) -> Self {
        Self {
            solver,
            queue: EventQueue::new(n_resources),
            clocks: (0..n_resources).map(|_| Clock::new()).collect(),
            dues: Vec::new(),
            reciprocals: Reciprocals::new(),
            stash: Vec::new(),
            through: Vec::new(),
        }
    }

    /// Adds a resource to an open solver.
    pub(in crate::engine) fn add_resource(&mut self, capacity: u128) {
        self.solver.add_resource(capacity);
        self.clocks.push(Clock::new());
        self.queue.grow(self.clocks.len());
    }

    /// Queues the release of an operation.
    pub(in crate::engine) fn push(&mut self, op: u32, ready: &N) {
        self.queue.push(ready.lower(), Event::Release(op));
    }

    /// The exact time of an event taken from the queue.
    fn time_of(&mut self, event: Event, program: &impl Program<N>) -> Option<N> {
        match event {
            Event::Release(op) => Some(program.ready(op).clone()),
            Event::Completion(resource) => {
                let clock = &mut self.clocks[resource as usize];
                let ambiguity = self.solver.ambiguity();
                clock.next(&self.dues, &mut self.reciprocals, ambiguity)
            }
        }
    }

    /// Finds the earliest time at which something happens, by `by` at the latest;
    /// [`Self::happen`] or [`Self::put_back`] must follow.
    pub(in crate::engine) fn look(
        &mut self,
        program: &impl Program<N>,
        by: Option<N>,
    ) -> Option<N> {
        let mut now = by;
        while let Some(event) = self
            .queue
            .pop_until(now.as_ref().map_or(f64::INFINITY, Number::upper))
        {
            let Some(time) = self.time_of(event, program) else {
                continue;
            };
            if now
                .as_ref()
                .is_none_or(|now| self.solver.ambiguity().less(&time, now))
            {
                now = Some(time.clone());
            }
            self.stash.push((event, time));
        }
        now
    }

    /// Applies everything that happens at the time that [`Self::look`] found.
    pub(in crate::engine) fn happen(&mut self, program: &mut impl Program<N>, now: &N) {
        let mut stash = std::mem::take(&mut self.stash);
        let mut at = 0;
        while at < stash.len() {
            if matches!(stash[at].1.compare(now), Relation::Equal) {
                let (event, _) = stash.swap_remove(at);
                match event {
                    Event::Release(op) => program.release(self, op, now),
                    Event::Completion(resource) => self.complete(program, resource, now),
                }
                // What this queued may happen at `now` as well.
                while let Some(event) = self.queue.pop_until(now.upper()) {
                    if let Some(time) = self.time_of(event, program) {
                        stash.push((event, time));
                    }
                }
            } else {
                at += 1;
            }
        }
        self.stash = stash;
        self.put_back();
    }

    /// Lets what [`Self::look`] found happen later.
    pub(in crate::engine) fn put_back(&mut self) {
        for (event, time) in self.stash.drain(..) {
            self.queue.push(time.lower(), event);
        }
    }

    /// Of the flows that [`Self::look`] found to be through at `now`, one per resource.
    pub(in crate::engine) fn first_through(&mut self, now: &N) -> Vec<u32> {
        let mut ops = Vec::new();
        for (event, time) in &self.stash {
            if let Event::Completion(resource) = event
                && matches!(time.compare(now), Relation::Equal)
            {
                let clock = &mut self.clocks[*resource as usize];
                let slot = clock.head(&self.dues, self.solver.ambiguity());
                ops.extend(slot.map(|slot| self.solver.op(slot)));
            }
        }
        ops
    }

    /// Drops the queued releases of all operations but those to be kept.
    pub(in crate::engine) fn retain(&mut self, keep: impl FnMut(u32) -> bool) {
        self.queue.retain_releases(keep);
    }

    /// Adds a flow of so much work, in bytes times picoseconds per second.
    pub(in crate::engine) fn enter(&mut self, op: u32, route: u32, work: &N) {
        let slot = self.solver.enter(op, route);
        self.owe(slot, work);
    }

    /// Adds a flow with a route of its own, likewise; its slot.
    pub(in crate::engine) fn enter_own(&mut self, op: u32, route: &[Incidence], work: &N) -> u32 {
        let slot = self.solver.enter_own(op, route);
        self.owe(slot, work);
        slot
    }

    fn owe(&mut self, slot: u32, work: &N) {
        let slot = slot as usize;
        if slot == self.dues.len() {
            self.dues.push(Due {
                reading: N::zero(),
                version: 0,
            });
        }
        self.dues[slot].version += 1;
        self.dues[slot].reading = work.clone();
    }

    /// What a flow has left to be served at a time before the next event.
    pub(in crate::engine) fn left(&self, slot: u32, now: &N) -> N {
        let clock = &self.clocks[self.solver.bottleneck(slot) as usize];
        self.dues[slot as usize].reading.sub(&clock.reading_at(now))
    }

    /// A lower bound of it, in less time.
    pub(in crate::engine) fn least_left(&self, slot: u32, now: &N) -> f64 {
        let clock = &self.clocks[self.solver.bottleneck(slot) as usize];
        let due = self.dues[slot as usize].reading.lower();
        (due - clock.reading_upper(now)).max(0.0)
    }

    /// Takes a flow out that is not through; [`Self::settle`] must follow.
    pub(in crate::engine) fn withdraw(&mut self, slot: u32) {
        let resource = self.solver.bottleneck(slot);
        self.dues[slot as usize].version += 1;
        self.solver.leave(slot);
        if self.solver.held(resource) == 0 {
            self.clocks[resource as usize].rest();
            self.queue.cancel(resource);
        }
    }

    /// Lets a flow that is under way go on along another route; the work that it has left.
    /// [`Self::settle`] must follow.
    pub(super) fn reroute(&mut self, slot: u32, route: u32, now: &N) -> N {
        let op = self.solver.op(slot);
        let clock = &self.clocks[self.solver.bottleneck(slot) as usize];
        let left = self.dues[slot as usize].reading.sub(&clock.reading_at(now));
        self.withdraw(slot);
        self.enter(op, route, &left);
        left
    }

    /// Serves every flow that is through when the clock of `resource` reaches its first due.
    fn complete(&mut self, program: &mut impl Program<N>, resource: u32, now: &N) {
        let mut through = std::mem::take(&mut self.through);
        let clock = &mut self.clocks[resource as usize];
        clock.pop_due(&self.dues, now, self.solver.ambiguity(), &mut through);
        for slot in through.drain(..) {
            self.dues[slot as usize].version += 1;
            let op = self.solver.op(slot);
            self.solver.leave(slot);
            program.served(self, op, now);
        }
        self.through = through;
        if self.solver.held(resource) == 0 {
            self.clocks[resource as usize].rest();
        }
    }

    /// Repairs the rates and the clocks after the events at `now`.
    pub(in crate::engine) fn settle(&mut self, program: &mut impl Program<N>, now: &N) {
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
            program.moved(self.solver.op(slot), to);
        }
        for position in 0..self.solver.touched().len() {
            self.schedule(program, self.solver.touched()[position]);
        }
        program.settled(now);
    }

    /// Queues the next completion of a resource.
    fn schedule(&mut self, program: &mut impl Program<N>, resource: u32) {
        let clock = &mut self.clocks[resource as usize];
        if self.solver.held(resource) == 0 {
            clock.rest();
            self.queue.cancel(resource);
            return;
        }
        let level = self.solver.level(resource);
        if clock.run_at(level) {
            program.relevelled(resource, level);
        }
        let lower = clock.next_lower(&self.dues);
        self.queue.push(lower, Event::Completion(resource));
    }
}
