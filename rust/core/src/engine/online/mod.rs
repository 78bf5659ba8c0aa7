//! The fluid engine for flows and graphs of operations that are added while it runs.
//!
//! It shares clocks, queue and repair with a batch run; what differs is that nobody knows the tasks
//! beforehand. Those that are served are forgotten, so memory follows what is under way.

mod graph;
mod latency;
mod tasks;
mod wires;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use self::graph::{Graph, Tail};
pub use self::tasks::Course;
use self::tasks::Tasks;
pub use self::wires::{Path, Wires};
use super::fluid::Net;
use super::maxmin::{MaxMin, Method};
use super::number::{Number, Relation};

/// A task that was served: when its last byte arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Arrival {
    /// In picoseconds, rounded up once.
    pub time_ps: i128,
    /// The number that it was given.
    pub id: u64,
}

/// What is known of the first arrival without letting anything happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foresight {
    /// When it will be, if there is one.
    Known(Option<i128>),
    /// What is served next may be overtaken by what is served later.
    Open,
}

/// The engine at one rung of the number ladder.
#[derive(Debug, Clone)]
pub struct Online<N: Number> {
    net: Net<'static, N>,
    tasks: Tasks<N>,
    /// Edits of the wires that it knows of.
    n_edits: u64,
    /// When something happened last.
    last: N,
    is_over_budget: bool,
}

impl<N: Number> Default for Online<N> {
    fn default() -> Self {
        Self {
            net: Net::new(MaxMin::open(Method::Auto), 0),
            tasks: Tasks::default(),
            n_edits: 0,
            last: N::zero(),
            is_over_budget: false,
        }
    }
}

impl<N: Number> Online<N> {
    /// Learns of the resources that were added since, and of scales that have grown.
    pub fn learn(&mut self, wires: &Wires) {
        if self.n_edits == wires.n_edits {
            return;
        }
        self.n_edits = wires.n_edits;
        for (resource, known) in self.tasks.scales.iter_mut().enumerate() {
            let scale = wires.scales[resource];
            if *known != scale {
                let capacity = wires.capacity(resource);
                (self.net.solver).rescale(resource as u32, scale / *known, capacity);
                *known = scale;
            }
        }
        for resource in self.tasks.scales.len()..wires.scales.len() {
            self.net.add_resource(wires.capacity(resource));
            self.tasks.scales.push(wires.scales[resource]);
        }
    }

    /// Queues a flow; not before the time that the engine has reached.
    pub fn inject(&mut self, id: u64, path: Arc<Path>, size_bytes: u64, ready_ps: u64) {
        let ready = N::from_int(ready_ps.into());
        (self.tasks).take_up_flow(&mut self.net, id, path, size_bytes, ready);
    }

    /// Queues the operations of a graph, likewise; one without operations never arrives.
    pub fn inject_graph(&mut self, id: u64, graph: Arc<Graph>) {
        if graph.n_ops() > 0 {
            self.tasks.take_up_graph(&mut self.net, id, graph);
        }
    }

    /// Takes out a task, at a time that the engine has reached, if it is not served yet.
    pub fn cancel(&mut self, id: u64, now_ps: u64) {
        if self.tasks.cancel(&mut self.net, id) {
            let now = N::from_int(now_ps.into());
            self.net.settle(&mut self.tasks, &now);
        }
        if self.tasks.is_littered() {
            self.net.retain(|place| self.tasks.keep(place));
        }
    }

    /// Lets all tasks go on with what they have left on other resources and courses, from a time on
    /// that the engine has reached.
    pub fn rewire(&mut self, wires: &Wires, courses: &BTreeMap<u64, Course>, now_ps: u64) {
        let now = N::from_int(now_ps.into());
        let mut old = std::mem::replace(&mut self.net, Net::new(MaxMin::open(Method::Auto), 0));
        *self.net.solver.ambiguity() = *old.solver.ambiguity();
        self.tasks.scales.clear();
        self.n_edits = 0;
        self.learn(wires);
        self.tasks.set_courses(courses, &old, &mut self.net, &now);
        self.net.settle(&mut self.tasks, &now);
    }

    /// Lets everything happen up to and with a time. `stop` is asked after each event, with the number
    /// of flows under way, whether that was enough; the time that has been reached.
    pub fn advance_to(&mut self, time_ps: u64, stop: &mut dyn FnMut(usize) -> bool) -> u64 {
        let mut reached_ps = time_ps;
        let mut end = N::from_int(time_ps.into());
        while let Some(next) = self.net.look(&self.tasks, None) {
            if self.net.solver.ambiguity().less(&end, &next) {
                self.net.put_back();
                break;
            }
            self.step(next);
            if reached_ps == time_ps && stop(self.n_flows()) {
                // What else happens within the same picosecond belongs to it.
                reached_ps = time_ps.min(self.last.upper().ceil() as u64);
                end = N::from_int(reached_ps.into());
            }
        }
        reached_ps
    }

    fn n_flows(&self) -> usize {
        self.net.solver.active().len()
    }

    fn step(&mut self, next: N) {
        self.is_over_budget |= next.over_budget();
        self.net.happen(&mut self.tasks, &next);
        self.net.settle(&mut self.tasks, &next);
        self.last = next;
    }

    /// Whether it is certain that nothing has happened after a time.
    pub fn is_within(&self, time_ps: u64) -> bool {
        let end = N::from_int(time_ps.into());
        matches!(self.last.compare(&end), Relation::Less | Relation::Equal)
    }

    /// Whether a task is not served yet.
    pub fn holds(&self, id: u64) -> bool {
        self.tasks.holds(id)
    }

    /// Whether nothing waits or is served.
    pub fn is_idle(&self) -> bool {
        self.tasks.is_idle()
    }

    /// Takes the arrivals since the last call, in the order of service.
    pub fn take_arrivals(&mut self) -> std::vec::Drain<'_, Arrival> {
        self.tasks.arrivals.drain(..)
    }

    /// Comparisons and roundings that this rung could not decide.
    pub fn n_open(&mut self) -> u64 {
        self.net.solver.ambiguity().0 + self.tasks.n_straddling
    }

    /// Whether the numbers have outgrown the budget of their rung.
    pub fn is_over_budget(&self) -> bool {
        self.is_over_budget
    }

    /// When the first task will have arrived if nothing is added; `known` is the first arrival of
    /// those that are served.
    ///
    /// Whatever is served at the next event or later arrives no sooner than the least latency after
    /// it.
    pub fn foresee(&mut self, known: Option<i128>) -> Foresight {
        let Some(next) = self.net.look(&self.tasks, None) else {
            return Foresight::Known(known);
        };
        let first = self.net.first_through(&next);
        self.net.put_back();
        let least_ps = self.tasks.least_latency_ps();
        let earliest = next.add(&N::from_int(least_ps.into()));
        if self.is_by(known, &earliest) {
            return Foresight::Known(known);
        }
        let latencies = first.iter().map(|&place| self.tasks.flow_latency_ps(place));
        // Of an operation among others it is not known whether it is the last.
        let Some(latency_ps) = latencies.min().flatten() else {
            return Foresight::Open;
        };
        if self.tasks.comes_first(&self.net, latency_ps, &next) {
            let arrival_ps = self.tasks.round(&next.add(&N::from_int(latency_ps.into())));
            let first_ps = known.map_or(arrival_ps, |known| known.min(arrival_ps));
            return Foresight::Known(Some(first_ps));
        }
        Foresight::Open
    }

    /// Lets things happen until the first arrival is known, and says when it is; none if `stop` says
    /// after an event that it was enough. The arrivals wait to be taken.
    pub fn run_to_arrival(
        &mut self,
        mut known: Option<i128>,
        stop: &mut dyn FnMut(usize) -> bool,
    ) -> Option<Option<i128>> {
        while let Some(next) = self.net.look(&self.tasks, None) {
            let least_ps = self.tasks.least_latency_ps();
            let earliest = next.add(&N::from_int(least_ps.into()));
            if self.is_by(known, &earliest) {
                self.net.put_back();
                break;
            }
            let n_before = self.tasks.arrivals.len();
            self.step(next);
            let arrived = self.tasks.arrivals[n_before..].iter();
            known = arrived.map(|arrival| arrival.time_ps).chain(known).min();
            if stop(self.n_flows()) {
                return None;
            }
        }
        Some(known)
    }

    fn is_by(&mut self, known: Option<i128>, time: &N) -> bool {
        let known = known.and_then(|known| u128::try_from(known).ok());
        known.is_some_and(|known| !self.net.solver.ambiguity().less(time, &N::from_int(known)))
    }
}
