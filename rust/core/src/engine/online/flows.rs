//! The flows that are not served yet, and what becomes of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::Arrival;
use super::wires::Path;
use crate::engine::fluid::{Net, Program};
use crate::engine::number::Number;
use crate::engine::workload::Incidence;

/// A flow that was injected.
#[derive(Debug, Clone)]
pub(super) struct Flow<N> {
    pub(super) id: u64,
    pub(super) path: Arc<Path>,
    pub(super) work: N,
    pub(super) ready: N,
    pub(super) state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Queued,
    /// Queued, but nobody wants it any more.
    Cancelled,
    /// Being served in this slot of the solver.
    Entered(u32),
}

/// All flows that are not served yet. The solver calls the place of each its operation.
#[derive(Debug, Clone)]
pub(super) struct Flows<N> {
    places: Vec<Flow<N>>,
    free: Vec<u32>,
    n_cancelled: usize,
    place_of: FxHashMap<u64, u32>,
    /// How many flows have which latency.
    n_of_latency: BTreeMap<u64, usize>,
    /// Scale of each resource's row, as far as the net knows.
    pub(super) scales: Vec<u64>,
    /// The route that enters next.
    row: Vec<Incidence>,
    pub(super) arrivals: Vec<Arrival>,
    /// Arrivals that straddle a picosecond at this rung.
    pub(super) n_straddling: u64,
}

impl<N> Default for Flows<N> {
    fn default() -> Self {
        Self {
            places: Vec::new(),
            free: Vec::new(),
            n_cancelled: 0,
            place_of: FxHashMap::default(),
            n_of_latency: BTreeMap::new(),
            scales: Vec::new(),
            row: Vec::new(),
            arrivals: Vec::new(),
            n_straddling: 0,
        }
    }
}

impl<N: Number> Flows<N> {
    /// Takes up a flow; its place.
    pub(super) fn take_up(&mut self, flow: Flow<N>) -> u32 {
        let (id, latency_ps) = (flow.id, flow.path.latency_ps);
        *self.n_of_latency.entry(latency_ps).or_default() += 1;
        let place = if let Some(place) = self.free.pop() {
            self.places[place as usize] = flow;
            place
        } else {
            self.places.push(flow);
            self.places.len() as u32 - 1
        };
        self.place_of.insert(id, place);
        place
    }

    /// Forgets a flow if it is not served yet; the slot that it leaves, if it has one.
    pub(super) fn cancel(&mut self, id: u64) -> Option<u32> {
        let place = self.place_of.remove(&id)?;
        self.discount(place);
        let flow = &mut self.places[place as usize];
        if let State::Entered(slot) = flow.state {
            self.free.push(place);
            return Some(slot);
        }
        flow.state = State::Cancelled;
        self.n_cancelled += 1;
        None
    }

    /// Whether there are so many cancelled releases that it pays to drop them from the queue.
    pub(super) fn is_littered(&self) -> bool {
        self.n_cancelled > 64 && self.n_cancelled > self.places.len() / 2
    }

    /// Whether a queued flow is still wanted; the place of one that is not is free after this.
    pub(super) fn keep(&mut self, place: u32) -> bool {
        let is_wanted = self.places[place as usize].state != State::Cancelled;
        if !is_wanted {
            self.n_cancelled -= 1;
            self.free.push(place);
        }
        is_wanted
    }

    /// Whether no flow waits or is served.
    pub(super) fn is_idle(&self) -> bool {
        self.place_of.is_empty()
    }

    /// No flow arrives sooner than this after its service.
    pub(super) fn least_latency_ps(&self) -> u64 {
        self.n_of_latency.keys().next().copied().unwrap_or(0)
    }

    pub(super) fn latency_ps(&self, place: u32) -> u64 {
        self.places[place as usize].path.latency_ps
    }

    fn discount(&mut self, place: u32) {
        let latency_ps = self.latency_ps(place);
        if let Some(n) = self.n_of_latency.get_mut(&latency_ps) {
            *n -= 1;
            if *n == 0 {
                self.n_of_latency.remove(&latency_ps);
            }
        }
    }

    pub(super) fn round(&mut self, time: &N) -> i128 {
        time.ceil().unwrap_or_else(|| {
            self.n_straddling += 1;
            time.upper().ceil() as i128
        })
    }

    fn serve(&mut self, place: u32, now: &N) {
        let id = self.places[place as usize].id;
        let time_ps = self.round(&now.add(&N::from_int(self.latency_ps(place).into())));
        self.arrivals.push(Arrival { time_ps, id });
        self.place_of.remove(&id);
        self.discount(place);
        self.free.push(place);
    }
}

impl<N: Number> Program<N> for Flows<N> {
    fn ready(&self, op: u32) -> &N {
        &self.places[op as usize].ready
    }

    fn release(&mut self, net: &mut Net<'_, N>, op: u32, now: &N) {
        if !self.keep(op) {
            return;
        }
        let flow = &mut self.places[op as usize];
        if flow.path.is_free() || flow.work.is_zero() {
            self.serve(op, now);
            return;
        }
        self.row.clear();
        self.row.extend(flow.path.row(&self.scales));
        flow.state = State::Entered(net.enter_own(op, &self.row, &flow.work));
    }

    fn served(&mut self, _net: &mut Net<'_, N>, op: u32, now: &N) {
        self.serve(op, now);
    }
}
