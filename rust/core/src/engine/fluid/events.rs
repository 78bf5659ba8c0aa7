//! A batch: operations with edges between them, what is released and served.

use super::net::{Net, Program};
use crate::csr::Csr;
use crate::engine::maxmin::{MaxMin, Method};
use crate::engine::number::{Number, Relation};
use crate::engine::observer::Observer;
use crate::engine::timeline::Timeline;
use crate::engine::workload::{NEVER_PS, NO_ROUTE, PS_PER_S, Workload};

/// A run under way.
pub(super) struct Fluid<'w, 'o, N: Number, O> {
    net: Net<'w, N>,
    batch: Batch<'w, 'o, N, O>,
}

/// The operations of a workload, each released when its predecessors are through.
struct Batch<'w, 'o, N: Number, O> {
    workload: &'w Workload,
    observer: &'o mut O,
    work: Vec<N>,
    latencies: Vec<N>,
    data_successors: Csr<u32>,
    order_successors: Csr<u32>,
    n_pending: Vec<u32>,
    ready: Vec<N>,
    served: Vec<N>,
    n_served: usize,
    /// The routes of this phase, and how many changes have led to it.
    op_routes: &'w [u32],
    phase: usize,
    /// The route that each operation is on or was served on; empty where routes never change.
    served_on: Vec<u32>,
    /// An operation that no live path serves.
    cut_off: Option<u32>,
}

impl<'w, 'o, N: Number, O: Observer<N>> Fluid<'w, 'o, N, O> {
    /// Nothing released yet.
    pub(super) fn new(method: Method, workload: &'w Workload, observer: &'o mut O) -> Self {
        let n = workload.n_ops();
        let n_pending = (0..n)
            .map(|op| (workload.depends_on.row(op).len() + workload.follows.row(op).len()) as u32)
            .collect();
        let batch = Batch {
            workload,
            observer,
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
            op_routes: &workload.op_routes,
            phase: 0,
            served_on: if workload.changes.is_empty() {
                Vec::new()
            } else {
                vec![NO_ROUTE; n]
            },
            cut_off: None,
        };
        let solver = MaxMin::new(workload, method);
        let net = Net::new(solver, workload.capacities.len());
        Self { net, batch }
    }

    /// Queues the operations without predecessors; the others start from their start time.
    pub(super) fn release_sources(&mut self) {
        let batch = &mut self.batch;
        for op in 0..batch.workload.n_ops() {
            let route = batch.workload.op_routes[op] as usize;
            let earliest = batch.workload.start_ps(op) + batch.workload.software_ps[route];
            if earliest > 0 {
                batch.ready[op] = N::from_int(earliest.into());
            }
            if batch.n_pending[op] == 0 {
                self.net.push(op as u32, &batch.ready[op]);
            }
        }
    }

    /// Finds the earliest time, applies everything that happens then, and returns it.
    pub(super) fn next_event(&mut self) -> Option<N> {
        let change = self.batch.next_change();
        let now = self.net.look(&self.batch, change.clone())?;
        let changes = change.is_some_and(|change| matches!(change.compare(&now), Relation::Equal));
        if changes {
            self.batch.change();
        }
        self.net.happen(&mut self.batch, &now);
        if changes {
            self.reroute(&now);
        }
        Some(now)
    }

    /// Moves what is under way to the routes of a new phase.
    fn reroute(&mut self, now: &N) {
        let batch = &mut self.batch;
        for slot in self.net.solver.active().to_vec() {
            let op = self.net.solver.op(slot);
            let route = batch.op_routes[op as usize];
            if self.net.solver.route(slot) == route {
                continue;
            }
            if batch.workload.latencies_ps[route as usize] == NEVER_PS {
                batch.cut_off.get_or_insert(op);
                return;
            }
            let left = self.net.reroute(slot, route, now);
            batch.put_on(op, route);
            batch.observer.rerouted(op, now, &left);
        }
    }

    /// An operation that is released or under way and that no live path serves.
    pub(super) fn cut_off(&self) -> Option<(u32, usize)> {
        self.batch.cut_off.map(|op| (op, self.batch.phase))
    }

    /// Repairs the rates and the clocks after the events at `now`.
    pub(super) fn settle(&mut self, now: &N) {
        self.net.settle(&mut self.batch, now);
    }

    /// What the run found.
    pub(super) fn finish(mut self, n_events: u64) -> Timeline<N> {
        assert_eq!(
            self.batch.n_served,
            self.batch.workload.n_ops(),
            "an acyclic workload is served to its end"
        );
        Timeline {
            n_ambiguous: self.net.solver.ambiguity().0,
            released: self.batch.ready,
            served: self.batch.served,
            served_on: self.batch.served_on,
            n_events,
        }
    }
}

impl<N: Number, O: Observer<N>> Program<N> for Batch<'_, '_, N, O> {
    fn ready(&self, op: u32) -> &N {
        &self.ready[op as usize]
    }

    fn release(&mut self, net: &mut Net<'_, N>, op: u32, now: &N) {
        let route = self.op_routes[op as usize];
        if self.workload.latencies_ps[route as usize] == NEVER_PS {
            self.cut_off.get_or_insert(op);
            return;
        }
        self.put_on(op, route);
        let unloaded = self.workload.routes.row(route as usize).is_empty();
        if unloaded || self.workload.size(op as usize).0 == 0 {
            self.observer.passed(op, now);
            self.serve(net, op, now);
            return;
        }
        let work = &self.work[self.workload.op_sizes[op as usize] as usize];
        net.enter(op, route, work);
        self.observer.entered(op, now);
    }

    fn served(&mut self, net: &mut Net<'_, N>, op: u32, now: &N) {
        self.observer.left(op, now);
        self.serve(net, op, now);
    }

    fn moved(&mut self, op: u32, bottleneck: u32) {
        self.observer.moved(op, bottleneck);
    }

    fn relevelled(&mut self, resource: u32, level: &N) {
        self.observer.relevelled(resource, level);
    }

    fn settled(&mut self, now: &N) {
        self.observer.settled(now);
    }
}

impl<N: Number, O: Observer<N>> Batch<'_, '_, N, O> {
    /// When routes change next, if anything is left to be served.
    fn next_change(&self) -> Option<N> {
        let change = self.workload.changes.get(self.phase);
        let change = change.filter(|_| self.n_served < self.workload.n_ops());
        change.map(|change| N::from_int(change.at_ps.into()))
    }

    /// From now on routes are those of the next phase.
    fn change(&mut self) {
        self.phase += 1;
        self.op_routes = self.workload.routes_in(self.phase);
        self.observer.changed(self.phase);
    }

    fn put_on(&mut self, op: u32, route: u32) {
        if let Some(served_on) = self.served_on.get_mut(op as usize) {
            *served_on = route;
        }
    }

    /// The route that an operation is on or was served on.
    fn route(&self, op: u32) -> u32 {
        let on = self.served_on.get(op as usize);
        on.map_or_else(|| self.op_routes[op as usize], |&route| route)
    }

    /// Records that an operation is served and tells its successors.
    fn serve(&mut self, net: &mut Net<'_, N>, op: u32, now: &N) {
        self.served[op as usize] = now.clone();
        self.n_served += 1;
        let workload = self.workload;
        let route = self.route(op);
        let (start, items) = self.data_successors.parts();
        let data = start[op as usize] as usize..start[op as usize + 1] as usize;
        if !data.is_empty() {
            let arrived = now.add(&self.latencies[route as usize]);
            for index in data {
                let successor = items[index] as usize;
                let software = workload.software_ps[workload.op_routes[successor] as usize];
                let usable = if software == 0 {
                    arrived.clone()
                } else {
                    arrived.add(&N::from_int(software.into()))
                };
                meet(&mut self.ready[successor], usable, &mut net.solver);
                self.n_pending[successor] -= 1;
                if self.n_pending[successor] == 0 {
                    net.push(successor as u32, &self.ready[successor]);
                }
            }
        }
        // Events come in the order of their times, and data arrives no sooner than it is served: of
        // an operation's predecessors in order only one that is through last of all can matter.
        for &successor in self.order_successors.row(op as usize) {
            let successor = successor as usize;
            self.n_pending[successor] -= 1;
            if self.n_pending[successor] == 0 {
                meet(&mut self.ready[successor], now.clone(), &mut net.solver);
                net.push(successor as u32, &self.ready[successor]);
            }
        }
    }
}

/// Raises `ready` to `time`.
fn meet<N: Number>(ready: &mut N, time: N, solver: &mut MaxMin<'_, N>) {
    if solver.ambiguity().less(ready, &time) {
        *ready = time;
    }
}
