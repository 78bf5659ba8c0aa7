//! What may be watched while an engine runs: link usage, certificates. The engine itself keeps
//! only what it needs, so a plain run pays nothing.

use super::number::Number;
use super::workload::{Incidence, PS_PER_S, Workload};

/// Hooks of a run; every default does nothing.
pub trait Observer<N> {
    /// An operation that loads nothing was released and served at `now`.
    fn passed(&mut self, _op: u32, _now: &N) {}
    /// An operation was released and starts to be served.
    fn entered(&mut self, _op: u32, _now: &N) {}
    /// Routes are those of another phase from now on, for what is released at this moment too.
    fn changed(&mut self, _phase: usize) {}
    /// An operation goes on along its route of this phase, with so much work left, in bytes times
    /// picoseconds per second.
    fn rerouted(&mut self, _op: u32, _now: &N, _left: &N) {}
    /// An operation's last byte was served.
    fn left(&mut self, _op: u32, _now: &N) {}
    /// An operation is held back by another resource from now on.
    fn moved(&mut self, _op: u32, _bottleneck: u32) {}
    /// The flows held back by a resource have another rate from now on.
    fn relevelled(&mut self, _resource: u32, _level: &N) {}
    /// All that happens at `now` has been told.
    fn settled(&mut self, _now: &N) {}
}

/// Watches nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unobserved;

impl<N> Observer<N> for Unobserved {}

/// Which route each operation is on, phase by phase.
#[derive(Debug, Clone)]
struct Tracks<'w> {
    workload: &'w Workload,
    phase: usize,
    on: Vec<u32>,
}

impl<'w> Tracks<'w> {
    fn new(workload: &'w Workload) -> Self {
        Self {
            workload,
            phase: 0,
            on: workload.op_routes.clone(),
        }
    }

    /// Puts an operation on its route of this phase, and tells which that is.
    fn enter(&mut self, op: u32) -> &'w [Incidence] {
        self.on[op as usize] = self.workload.routes_in(self.phase)[op as usize];
        self.of(op)
    }

    /// The route that an operation has entered.
    fn of(&self, op: u32) -> &'w [Incidence] {
        let workload = self.workload;
        workload.routes.row(self.on[op as usize] as usize)
    }
}

/// For how long each resource was in use.
#[derive(Debug, Clone)]
pub struct Usage<'w, N> {
    tracks: Tracks<'w>,
    n_flows: Vec<u32>,
    since: Vec<N>,
    /// Time with at least one flow, per resource, in picoseconds.
    pub busy: Vec<N>,
}

impl<'w, N: Number> Usage<'w, N> {
    /// All resources idle.
    pub fn new(workload: &'w Workload) -> Self {
        let n = workload.capacities.len();
        Self {
            tracks: Tracks::new(workload),
            n_flows: vec![0; n],
            since: vec![N::zero(); n],
            busy: vec![N::zero(); n],
        }
    }
}

impl<N: Number> Observer<N> for Usage<'_, N> {
    fn changed(&mut self, phase: usize) {
        self.tracks.phase = phase;
    }

    fn entered(&mut self, op: u32, now: &N) {
        for incidence in self.tracks.enter(op) {
            let resource = incidence.resource as usize;
            if self.n_flows[resource] == 0 {
                self.since[resource] = now.clone();
            }
            self.n_flows[resource] += 1;
        }
    }

    fn rerouted(&mut self, op: u32, now: &N, _left: &N) {
        self.left(op, now);
        self.entered(op, now);
    }

    fn left(&mut self, op: u32, now: &N) {
        for incidence in self.tracks.of(op) {
            let resource = incidence.resource as usize;
            self.n_flows[resource] -= 1;
            if self.n_flows[resource] == 0 {
                self.busy[resource] = self.busy[resource].add(&now.sub(&self.since[resource]));
            }
        }
    }
}

/// How much of the work each resource served, where routes change meanwhile.
#[derive(Debug, Clone)]
pub struct Served<'w, N> {
    tracks: Tracks<'w>,
    /// Per resource, in the units of its capacity times picoseconds.
    pub work: Vec<N>,
}

impl<'w, N: Number> Served<'w, N> {
    /// Nothing served.
    pub fn new(workload: &'w Workload) -> Self {
        Self {
            tracks: Tracks::new(workload),
            work: vec![N::zero(); workload.capacities.len()],
        }
    }
}

impl<N: Number> Observer<N> for Served<'_, N> {
    fn changed(&mut self, phase: usize) {
        self.tracks.phase = phase;
    }

    fn entered(&mut self, op: u32, _now: &N) {
        let (size, denominator) = self.tracks.workload.size(op as usize);
        let work = N::from_ratio(size * PS_PER_S, denominator);
        for incidence in self.tracks.enter(op) {
            let served = &mut self.work[incidence.resource as usize];
            *served = served.add(&work.mul_int(incidence.weight));
        }
    }

    fn rerouted(&mut self, op: u32, _now: &N, left: &N) {
        for incidence in self.tracks.of(op) {
            let served = &mut self.work[incidence.resource as usize];
            *served = served.sub(&left.mul_int(incidence.weight));
        }
        for incidence in self.tracks.enter(op) {
            let served = &mut self.work[incidence.resource as usize];
            *served = served.add(&left.mul_int(incidence.weight));
        }
    }
}
