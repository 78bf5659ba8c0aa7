//! What was injected and is not served yet.
//!
//! A task is one flow, or a graph of operations. Operations that are queued or being served have a
//! place, which the solver takes for their number.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::Arrival;
use super::graph::{Graph, Run, Tail};
use super::latency::{ByLatency, UNKNOWN_PS};
use super::wires::Path;
use crate::engine::fluid::{Net, Program};
use crate::engine::number::Number;
use crate::engine::workload::Incidence;
use crate::engine::workload::PS_PER_S;

/// Where a task runs.
#[derive(Debug, Clone)]
pub enum Course {
    /// A flow on a path.
    Flow(Arc<Path>),
    /// Operations on paths of their own.
    Graph(Arc<Graph>),
}

#[derive(Debug, Clone)]
struct Task<N> {
    id: u64,
    what: What<N>,
}

#[derive(Debug, Clone)]
enum What<N> {
    Flow {
        path: Arc<Path>,
        work: N,
        place: u32,
    },
    Graph(Box<Run<N>>),
}

impl<N: Number> Task<N> {
    fn path(&self, op: u32) -> &Path {
        match &self.what {
            What::Flow { path, .. } => path,
            What::Graph(run) => run.path(op),
        }
    }

    fn work(&self, op: u32) -> &N {
        match &self.what {
            What::Flow { work, .. } => work,
            What::Graph(run) => run.work(op),
        }
    }

    /// What follows its last byte.
    fn tail(&self) -> Tail {
        match &self.what {
            What::Flow { .. } => Tail::default(),
            What::Graph(run) => run.tail(),
        }
    }

    /// It does not arrive sooner than this after its last service.
    fn latency_ps(&self) -> u64 {
        match &self.what {
            What::Flow { path, .. } => path.latency_ps,
            What::Graph(run) => run.least_latency_ps(),
        }
    }
}

/// An operation that is queued or being served.
#[derive(Debug, Clone)]
struct Place<N> {
    task: u32,
    /// Its number in the task.
    op: u32,
    ready: N,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// The place is free.
    Gone,
    Queued,
    /// Queued, but nobody wants it any more.
    Cancelled,
    /// Being served in this slot of the solver.
    Entered(u32),
}

/// All tasks that are not served yet.
#[derive(Debug, Clone)]
pub(super) struct Tasks<N> {
    under_way: Vec<Option<Task<N>>>,
    free_slots: Vec<u32>,
    task_of: FxHashMap<u64, u32>,
    places: Vec<Place<N>>,
    free_places: Vec<u32>,
    n_cancelled: usize,
    by_latency: ByLatency,
    /// Scale of each resource's row, as far as the net knows.
    pub(super) scales: Vec<u64>,
    /// The route that enters next.
    row: Vec<Incidence>,
    /// Operations whose last predecessor is through.
    released: Vec<u32>,
    pub(super) arrivals: Vec<Arrival>,
    /// Arrivals that straddle a picosecond at this rung.
    pub(super) n_straddling: u64,
}

impl<N> Default for Tasks<N> {
    fn default() -> Self {
        Self {
            under_way: Vec::new(),
            free_slots: Vec::new(),
            task_of: FxHashMap::default(),
            places: Vec::new(),
            free_places: Vec::new(),
            n_cancelled: 0,
            by_latency: ByLatency::default(),
            scales: Vec::new(),
            row: Vec::new(),
            released: Vec::new(),
            arrivals: Vec::new(),
            n_straddling: 0,
        }
    }
}

/// Covers the roundings of a few sums and quotients of doubles.
pub(super) const SLACK: f64 = 4e-15;

const UNDER_WAY: &str = "a task stays until its last operation is served";

impl<N: Number> Tasks<N> {
    /// Takes up a flow.
    pub(super) fn take_up_flow(
        &mut self,
        net: &mut Net<'_, N>,
        id: u64,
        path: Arc<Path>,
        size_bytes: u64,
        ready: N,
    ) {
        let work = N::from_int(u128::from(size_bytes) * PS_PER_S);
        let not_before_ps = path.arrives_after(ready.lower(), work.lower());
        let place = 0;
        let what = What::Flow { path, work, place };
        let task = self.take_up(Task { id, what }, not_before_ps);
        let at = self.queue(net, task, 0, ready);
        if let Some(Task {
            what: What::Flow { place, .. },
            ..
        }) = &mut self.under_way[task as usize]
        {
            *place = at;
        }
    }

    /// Takes up a graph, which has operations.
    pub(super) fn take_up_graph(&mut self, net: &mut Net<'_, N>, id: u64, graph: Arc<Graph>) {
        let run = Box::new(Run::<N>::new(graph));
        let sources: Vec<(u32, N)> = run
            .sources()
            .map(|op| (op, run.ready[op as usize].clone()))
            .collect();
        let what = What::Graph(run);
        let task = self.take_up(Task { id, what }, UNKNOWN_PS);
        for (op, ready) in sources {
            self.queue(net, task, op, ready);
        }
    }

    fn take_up(&mut self, task: Task<N>, not_before_ps: f64) -> u32 {
        let (id, latency_ps) = (task.id, task.latency_ps());
        let slot = if let Some(slot) = self.free_slots.pop() {
            self.under_way[slot as usize] = Some(task);
            slot
        } else {
            self.under_way.push(Some(task));
            self.under_way.len() as u32 - 1
        };
        self.task_of.insert(id, slot);
        self.by_latency.insert(latency_ps, slot, not_before_ps);
        slot
    }

    /// Queues the release of an operation; its place.
    fn queue(&mut self, net: &mut Net<'_, N>, task: u32, op: u32, ready: N) -> u32 {
        let queued = Place {
            task,
            op,
            ready,
            state: State::Queued,
        };
        let place = if let Some(place) = self.free_places.pop() {
            self.places[place as usize] = queued;
            place
        } else {
            self.places.push(queued);
            self.places.len() as u32 - 1
        };
        net.push(place, &self.places[place as usize].ready);
        place
    }

    /// Forgets a task if it is not served yet, and withdraws what is being served of it; whether
    /// something was.
    pub(super) fn cancel(&mut self, net: &mut Net<'_, N>, id: u64) -> bool {
        let Some(slot) = self.task_of.remove(&id) else {
            return false;
        };
        let task = self.under_way[slot as usize].take().expect(UNDER_WAY);
        self.free_slots.push(slot);
        self.by_latency.remove(task.latency_ps(), slot);
        let places = match task.what {
            What::Flow { place, .. } => place..place + 1,
            What::Graph(_) => 0..self.places.len() as u32,
        };
        let mut was_served = false;
        for place in places {
            let op = &mut self.places[place as usize];
            match op.state {
                State::Queued if op.task == slot => {
                    op.state = State::Cancelled;
                    self.n_cancelled += 1;
                }
                State::Entered(entered) if op.task == slot => {
                    net.withdraw(entered);
                    self.leave(place);
                    was_served = true;
                }
                _ => {}
            }
        }
        was_served
    }

    /// Whether there are so many cancelled releases that it pays to drop them from the queue.
    pub(super) fn is_littered(&self) -> bool {
        self.n_cancelled > 64 && self.n_cancelled > self.places.len() / 2
    }

    /// Whether a queued operation is still wanted; the place of one that is not is free after this.
    pub(super) fn keep(&mut self, place: u32) -> bool {
        let is_wanted = self.places[place as usize].state != State::Cancelled;
        if !is_wanted {
            self.n_cancelled -= 1;
            self.leave(place);
        }
        is_wanted
    }

    fn leave(&mut self, place: u32) {
        self.places[place as usize].state = State::Gone;
        self.free_places.push(place);
    }

    /// Whether a task is not served yet.
    pub(super) fn holds(&self, id: u64) -> bool {
        self.task_of.contains_key(&id)
    }

    /// Whether nothing waits or is served.
    pub(super) fn is_idle(&self) -> bool {
        self.task_of.is_empty()
    }

    /// No task arrives sooner than this after its last service.
    pub(super) fn least_latency_ps(&self) -> u64 {
        self.by_latency.least_ps().unwrap_or(0)
    }

    /// How soon the flow at a place arrives after its service; none of an operation among others.
    pub(super) fn flow_latency_ps(&self, place: u32) -> Option<u64> {
        let task = self.places[place as usize].task;
        match &self.under_way[task as usize].as_ref()?.what {
            What::Flow { path, .. } => Some(path.latency_ps),
            What::Graph(_) => None,
        }
    }

    /// Whether it is plain that no task arrives before a flow that is the next to be served, at `now`,
    /// and has this latency: even alone on their links those of less latency would come later.
    pub(super) fn comes_first(&mut self, net: &Net<'_, N>, latency_ps: u64, now: &N) -> bool {
        let arrives_ps = (now.upper() + latency_ps as f64) * (1.0 + SLACK);
        let (under_way, places) = (&self.under_way, &self.places);
        let bound = |slot: u32| {
            let task = under_way[slot as usize].as_ref().expect(UNDER_WAY);
            let What::Flow { path, work, place } = &task.what else {
                return None;
            };
            let op = &places[*place as usize];
            Some(match op.state {
                State::Entered(slot) => path.arrives_after(now.lower(), net.least_left(slot, now)),
                _ => path.arrives_after(op.ready.lower(), work.lower()),
            })
        };
        (self.by_latency).all_arrive_after(arrives_ps, latency_ps, bound)
    }

    pub(super) fn round(&mut self, time: &N) -> i128 {
        time.ceil().unwrap_or_else(|| {
            self.n_straddling += 1;
            time.upper().ceil() as i128
        })
    }

    /// Sets the course of tasks anew, and lets what they have left enter an empty net.
    pub(super) fn set_courses(
        &mut self,
        courses: &BTreeMap<u64, Course>,
        old: &Net<'_, N>,
        net: &mut Net<'_, N>,
        now: &N,
    ) {
        for (id, course) in courses {
            let Some(&slot) = self.task_of.get(id) else {
                continue;
            };
            let mut task = self.under_way[slot as usize].take().expect(UNDER_WAY);
            self.by_latency.remove(task.latency_ps(), slot);
            match (&mut task.what, course) {
                (What::Flow { path, .. }, Course::Flow(new)) => *path = new.clone(),
                (What::Graph(run), Course::Graph(new)) => run.graph = new.clone(),
                _ => unreachable!("a task keeps its kind"),
            }
            (self.by_latency).insert(task.latency_ps(), slot, UNKNOWN_PS);
            self.under_way[slot as usize] = Some(task);
        }
        for place in 0..self.places.len() as u32 {
            match self.places[place as usize].state {
                State::Gone => {}
                State::Queued => net.push(place, &self.places[place as usize].ready),
                State::Cancelled => {
                    self.keep(place);
                }
                State::Entered(slot) => self.enter(net, place, &old.left(slot, now)),
            }
        }
    }

    fn enter(&mut self, net: &mut Net<'_, N>, place: u32, work: &N) {
        let Place { task, op, .. } = self.places[place as usize];
        let task = self.under_way[task as usize].as_ref().expect(UNDER_WAY);
        self.row.clear();
        self.row.extend(task.path(op).row(&self.scales));
        let slot = net.enter_own(place, &self.row, work);
        self.places[place as usize].state = State::Entered(slot);
    }

    fn serve(&mut self, net: &mut Net<'_, N>, place: u32, now: &N) {
        let Place { task: slot, op, .. } = self.places[place as usize];
        self.leave(place);
        let mut task = self.under_way[slot as usize].take().expect(UNDER_WAY);
        let arrived = match &mut task.what {
            What::Flow { path, .. } => Some(now.add(&N::from_int(path.latency_ps.into()))),
            What::Graph(run) => {
                let mut released = std::mem::take(&mut self.released);
                let arrived = run.serve(op, now, net.solver.ambiguity(), &mut released);
                for op in released.drain(..) {
                    self.queue(net, slot, op, run.ready[op as usize].clone());
                }
                self.released = released;
                arrived
            }
        };
        if let Some(arrived) = arrived {
            let id = task.id;
            let time_ps = task.tail().end_ps(self.round(&arrived));
            self.arrivals.push(Arrival { time_ps, id });
            self.task_of.remove(&id);
            self.free_slots.push(slot);
            self.by_latency.remove(task.latency_ps(), slot);
        } else {
            self.under_way[slot as usize] = Some(task);
        }
    }
}

impl<N: Number> Program<N> for Tasks<N> {
    fn ready(&self, op: u32) -> &N {
        &self.places[op as usize].ready
    }

    fn release(&mut self, net: &mut Net<'_, N>, op: u32, now: &N) {
        if !self.keep(op) {
            return;
        }
        let Place { task, op: own, .. } = self.places[op as usize];
        let task = self.under_way[task as usize].as_ref().expect(UNDER_WAY);
        let work = task.work(own);
        if work.is_zero() || task.path(own).is_free() {
            self.serve(net, op, now);
        } else {
            let work = work.clone();
            self.enter(net, op, &work);
        }
    }

    fn served(&mut self, net: &mut Net<'_, N>, op: u32, now: &N) {
        self.serve(net, op, now);
    }
}
