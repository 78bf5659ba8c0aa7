//! What may be watched while an engine runs: link usage, certificates. The engine itself keeps
//! only what it needs, so a plain run pays nothing.

use super::number::Number;
use super::workload::Workload;

/// Hooks of a run; every default does nothing.
pub trait Observer<N> {
    /// An operation that loads nothing was released and served at `now`.
    fn passed(&mut self, _op: u32, _now: &N) {}
    /// An operation was released and starts to be served.
    fn entered(&mut self, _op: u32, _now: &N) {}
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

/// For how long each resource was in use.
#[derive(Debug, Clone)]
pub struct Usage<'w, N> {
    workload: &'w Workload,
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
            workload,
            n_flows: vec![0; n],
            since: vec![N::zero(); n],
            busy: vec![N::zero(); n],
        }
    }

    fn route(&self, op: u32) -> &'w [super::workload::Incidence] {
        self.workload
            .routes
            .row(self.workload.op_routes[op as usize] as usize)
    }
}

impl<N: Number> Observer<N> for Usage<'_, N> {
    fn entered(&mut self, op: u32, now: &N) {
        for incidence in self.route(op) {
            let resource = incidence.resource as usize;
            if self.n_flows[resource] == 0 {
                self.since[resource] = now.clone();
            }
            self.n_flows[resource] += 1;
        }
    }

    fn left(&mut self, op: u32, now: &N) {
        for incidence in self.route(op) {
            let resource = incidence.resource as usize;
            self.n_flows[resource] -= 1;
            if self.n_flows[resource] == 0 {
                self.busy[resource] = self.busy[resource].add(&now.sub(&self.since[resource]));
            }
        }
    }
}
