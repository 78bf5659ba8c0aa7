//! Operations with edges between them, on paths: a collective that was placed.

use std::sync::Arc;

use super::wires::Path;
use crate::csr::Csr;
use crate::engine::number::{Ambiguity, Number};
use crate::engine::workload::{PS_PER_S, Workload};

/// What follows the arrival of a graph's last byte before it counts as arrived.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tail {
    /// For how long.
    pub lag_ps: u64,
    /// It does not before this time.
    pub not_before_ps: u64,
}

impl Tail {
    /// When a graph counts as arrived whose last byte arrives at a time.
    pub fn end_ps(&self, last_ps: i128) -> i128 {
        (last_ps + i128::from(self.lag_ps)).max(self.not_before_ps.into())
    }
}

/// Operations with edges between them.
#[derive(Debug)]
pub struct Graph {
    workload: Workload,
    /// The path of each of the workload's routes.
    paths: Vec<Arc<Path>>,
    data_successors: Csr<u32>,
    order_successors: Csr<u32>,
    n_pending: Vec<u32>,
    least_latency_ps: u64,
    tail: Tail,
}

impl Graph {
    /// The operations of a workload, its routes on these paths.
    ///
    /// # Panics
    /// If there is not one path per route.
    pub fn new(workload: Workload, paths: Vec<Arc<Path>>, tail: Tail) -> Self {
        assert_eq!(paths.len(), workload.latencies_ps.len(), "a path per route");
        let n = workload.n_ops();
        let n_preds = |op| workload.depends_on.row(op).len() + workload.follows.row(op).len();
        let used = workload.op_routes.iter();
        let latencies = used.map(|&route| paths[route as usize].latency_ps);
        Self {
            data_successors: workload.depends_on.transposed(n),
            order_successors: workload.follows.transposed(n),
            n_pending: (0..n).map(|op| n_preds(op) as u32).collect(),
            least_latency_ps: latencies.min().unwrap_or(0),
            paths,
            workload,
            tail,
        }
    }

    /// How many operations there are.
    pub fn n_ops(&self) -> usize {
        self.workload.n_ops()
    }

    /// What follows its last byte.
    pub fn tail(&self) -> Tail {
        self.tail
    }

    fn path(&self, op: u32) -> &Path {
        &self.paths[self.workload.op_routes[op as usize] as usize]
    }

    fn software_ps(&self, op: u32) -> u64 {
        self.workload.software_ps[self.workload.op_routes[op as usize] as usize]
    }
}

/// How far the operations of a graph are.
#[derive(Debug, Clone)]
pub(super) struct Run<N> {
    pub(super) graph: Arc<Graph>,
    /// Of each of the workload's sizes.
    work: Vec<N>,
    n_pending: Vec<u32>,
    pub(super) ready: Vec<N>,
    n_left: usize,
    last: N,
}

impl<N: Number> Run<N> {
    /// Nothing released yet.
    pub(super) fn new(graph: Arc<Graph>) -> Self {
        let workload = &graph.workload;
        let sizes = workload.sizes.iter();
        let earliest = |op: u32| workload.start_ps(op as usize) + graph.software_ps(op);
        Self {
            work: sizes
                .map(|&(numerator, denominator)| N::from_ratio(numerator * PS_PER_S, denominator))
                .collect(),
            n_pending: graph.n_pending.clone(),
            ready: (0..workload.n_ops() as u32)
                .map(|op| N::from_int(earliest(op).into()))
                .collect(),
            n_left: workload.n_ops(),
            last: N::zero(),
            graph,
        }
    }

    /// The operations without predecessors.
    pub(super) fn sources(&self) -> impl Iterator<Item = u32> {
        let n_pending = self.n_pending.iter();
        (0..)
            .zip(n_pending)
            .filter_map(|(op, &n)| (n == 0).then_some(op))
    }

    pub(super) fn path(&self, op: u32) -> &Path {
        self.graph.path(op)
    }

    pub(super) fn tail(&self) -> Tail {
        self.graph.tail
    }

    pub(super) fn work(&self, op: u32) -> &N {
        &self.work[self.graph.workload.op_sizes[op as usize] as usize]
    }

    pub(super) fn least_latency_ps(&self) -> u64 {
        self.graph.least_latency_ps
    }

    /// Serves an operation; those that it was the last to hold back are added to `released`. When the
    /// last byte of all has arrived, if this was the last operation.
    pub(super) fn serve(
        &mut self,
        op: u32,
        now: &N,
        ambiguity: &mut Ambiguity,
        released: &mut Vec<u32>,
    ) -> Option<N> {
        let graph = self.graph.clone();
        let arrived = now.add(&N::from_int(graph.path(op).latency_ps.into()));
        for &successor in graph.data_successors.row(op as usize) {
            let software = N::from_int(graph.software_ps(successor).into());
            self.meet(successor, arrived.add(&software), ambiguity, released);
        }
        for &successor in graph.order_successors.row(op as usize) {
            self.meet(successor, now.clone(), ambiguity, released);
        }
        self.last = ambiguity.max(self.last.clone(), arrived);
        self.n_left -= 1;
        (self.n_left == 0).then(|| self.last.clone())
    }

    /// One predecessor of an operation is through at a time.
    fn meet(&mut self, op: u32, time: N, ambiguity: &mut Ambiguity, released: &mut Vec<u32>) {
        let ready = &mut self.ready[op as usize];
        if ambiguity.less(ready, &time) {
            *ready = time;
        }
        let n_pending = &mut self.n_pending[op as usize];
        *n_pending -= 1;
        if *n_pending == 0 {
            released.push(op);
        }
    }
}
