//! Taking over from the other solver: lanes, what they need, and the first assignment.

use super::dense::Meetings;
use super::weights::Weights;
use super::{Levels, NEAR, split};
use crate::engine::maxmin::allocation::{Allocation, Move};
use crate::engine::number::Number;
use crate::engine::number::lanes::{CHUNK, Lanes, MAX_LANES};
use crate::engine::workload::Workload;

/// Lanes for the resources of a workload.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    lane: Vec<u32>,
    resource: Vec<u32>,
    meetings: Meetings,
}

impl Plan {
    /// Numbers the resources that are in use, those which share no flow with each other apart, so
    /// that chunks of lanes do not mix them. `None` where the weights of a resource do not fit.
    pub(crate) fn new(workload: &Workload) -> Option<Self> {
        let n = workload.capacities.len();
        let mut totals = vec![0u64; n];
        for &route in workload.phases().flatten() {
            for incidence in workload.routes.row(route as usize) {
                let total = &mut totals[incidence.resource as usize];
                *total = total.saturating_add(incidence.weight);
            }
        }
        if totals.iter().any(|&total| total > u16::MAX.into()) {
            return None;
        }
        let mut parts = Parts((0..n as u32).collect());
        for route in workload.routes.rows() {
            for pair in route.windows(2) {
                parts.join(pair[0].resource, pair[1].resource);
            }
        }
        let used = (0..n as u32).filter(|&resource| totals[resource as usize] > 0);
        let mut order: Vec<(u32, u32)> = used.map(|r| (parts.root(r), r)).collect();
        order.sort_unstable();
        let resource: Vec<u32> = order.into_iter().map(|(_, resource)| resource).collect();
        if resource.len() > MAX_LANES {
            return None;
        }
        let mut lane = vec![u32::MAX; n];
        for (at, &resource) in resource.iter().enumerate() {
            lane[resource as usize] = at as u32;
        }
        let routes = workload.routes.rows().map(|route| {
            let lanes = route
                .iter()
                .map(|incidence| lane[incidence.resource as usize]);
            lanes.filter(|&lane| lane != u32::MAX).collect()
        });
        let meetings = Meetings::new(resource.len().div_ceil(CHUNK), routes);
        Some(Self {
            lane,
            resource,
            meetings,
        })
    }

    /// Bytes that the solver needs.
    pub(crate) fn n_bytes(&self) -> u64 {
        self.meetings.n_bytes()
    }
}

/// Resources that share flows, as a forest (Tarjan 1975, with halving of paths).
struct Parts(Vec<u32>);

impl Parts {
    fn root(&mut self, mut at: u32) -> u32 {
        while self.0[at as usize] != at {
            self.0[at as usize] = self.0[self.0[at as usize] as usize];
            at = self.0[at as usize];
        }
        at
    }

    fn join(&mut self, a: u32, b: u32) {
        let (a, b) = (self.root(a), self.root(b));
        self.0[a.max(b) as usize] = a.min(b);
    }
}

impl<N: Number> Levels<N> {
    /// No flows yet; [`Self::adopt`] takes over those of an allocation.
    pub(crate) fn new(all: &Allocation<'_, N>, plan: Plan) -> Self {
        let weights = Weights::of_meetings(plan.meetings);
        Self::on_lanes(all, plan.lane, plan.resource, weights)
    }

    /// The same on all resources of an open solver, to which [`Self::add_resource`] adds others.
    pub(crate) fn open(all: &Allocation<'_, N>) -> Self {
        let n = all.capacities.len();
        let lanes: Vec<u32> = (0..n as u32).collect();
        Self::on_lanes(all, lanes.clone(), lanes, Weights::open(n))
    }

    fn on_lanes(
        all: &Allocation<'_, N>,
        lane: Vec<u32>,
        resource: Vec<u32>,
        weights: Weights,
    ) -> Self {
        let n_chunks = resource.len().div_ceil(CHUNK);
        let n = n_chunks * CHUNK;
        let capacities = resource.iter();
        let capacities = capacities.map(|&resource| all.capacities[resource as usize].value());
        let mut capacities: Vec<f64> = capacities.collect();
        capacities.resize(n, 0.0);
        Self {
            lane,
            resource,
            weights,
            own: vec![0; n],
            holding: vec![0; n_chunks],
            values: N::Lanes::new(n_chunks),
            keys: vec![[f64::INFINITY; CHUNK]; n_chunks],
            capacities,
            vectors: pulp::Arch::new(),
            loads: vec![[0.0; CHUNK]; n_chunks],
            thresholds: vec![[f64::INFINITY; CHUNK]; n_chunks],
            waiting: std::collections::BinaryHeap::new(),
            is_waiting: vec![0; n_chunks],
            arrived: Vec::new(),
            repairs_per_lane: super::REPAIRS_PER_LANE,
            event: 1,
            changed: Vec::new(),
            changed_in: vec![0; n],
            moved: Vec::new(),
            moved_in: Vec::new(),
            origin: Vec::new(),
            slots: Vec::new(),
            marks: Vec::new(),
        }
    }

    /// Adds a resource to those of an open solver.
    pub(crate) fn add_resource(&mut self, capacity: &N) {
        let Weights::Sparse(weights) = &mut self.weights else {
            unreachable!("a workload has all its resources from the beginning");
        };
        weights.add_lane();
        let lane = self.resource.len();
        let (chunk, at) = split(lane);
        if chunk == self.keys.len() {
            let n = (chunk + 1) * CHUNK;
            self.own.resize(n, 0);
            self.holding.push(0);
            self.values.grow();
            self.keys.push([f64::INFINITY; CHUNK]);
            self.capacities.resize(n, 0.0);
            self.loads.push([0.0; CHUNK]);
            self.thresholds.push([f64::INFINITY; CHUNK]);
            self.is_waiting.push(0);
            self.changed_in.resize(n, 0);
        }
        self.lane.push(lane as u32);
        self.resource.push(lane as u32);
        self.capacities[lane] = capacity.value();
        self.thresholds[chunk][at] = capacity.value() * NEAR;
    }

    /// Takes note that all weights on a resource of an open solver were multiplied, and with them
    /// its capacity, which now is `capacity`.
    pub(crate) fn rescale(&mut self, resource: u32, factor: u64, capacity: &N) {
        let Weights::Sparse(weights) = &mut self.weights else {
            unreachable!("the scales of a workload are final");
        };
        let lane = self.lane[resource as usize] as usize;
        let (chunk, at) = split(lane);
        weights.scale(lane, factor);
        self.own[lane] *= factor;
        self.loads[chunk][at] *= factor as f64;
        self.capacities[lane] = capacity.value();
        if self.thresholds[chunk][at] < f64::INFINITY {
            self.thresholds[chunk][at] = capacity.value() * NEAR;
        }
    }

    /// Takes over a max-min fair allocation; flows held back by one of several equal levels may move
    /// to the first of them.
    pub(crate) fn adopt(
        &mut self,
        all: &mut Allocation<'_, N>,
        touched: &mut Vec<u32>,
        moves: &mut Vec<Move>,
    ) {
        self.weights.clear();
        self.own.fill(0);
        self.holding.fill(0);
        self.waiting.clear();
        self.is_waiting.fill(0);
        self.arrived.clear();
        self.changed.clear();
        self.moved.clear();
        self.event += 1;
        self.moved_in.resize(all.flows.n_slots(), 0);
        self.origin.resize(all.flows.n_slots(), super::NONE);
        for lane in 0..self.resource.len() {
            let (chunk, at) = split(lane);
            let resource = self.resource[lane] as usize;
            if all.held[resource] > 0 {
                self.values.set(lane, &all.levels[resource]);
                self.keys[chunk][at] = all.levels[resource].value();
            } else {
                self.values.set(lane, &N::zero());
                self.keys[chunk][at] = f64::INFINITY;
            }
        }
        for position in 0..all.flows.active().len() {
            let slot = all.flows.active()[position];
            let from = all.flows.bottleneck(slot);
            let first = self.first(all, slot, self.lane[from as usize] as usize);
            let to = self.resource[first];
            if from != to {
                all.flows.assign(slot, to);
                all.held[from as usize] -= 1;
                all.held[to as usize] += 1;
                moves.push(Move { slot, from, to });
                touched.extend([from, to]);
            }
            self.weigh(all, slot, first, 1);
        }
        for lane in 0..self.resource.len() {
            let (chunk, at) = split(lane);
            if self.own[lane] > 0 {
                self.holding[chunk] |= 1 << at;
                self.loads[chunk][at] = self.capacities[lane];
                self.thresholds[chunk][at] = f64::INFINITY;
            } else {
                self.values.set(lane, &N::zero());
                self.keys[chunk][at] = f64::INFINITY;
                self.thresholds[chunk][at] = self.capacities[lane] * NEAR;
            }
        }
        for lane in 0..self.resource.len() {
            if self.own[lane] == 0 {
                let (chunk, at) = split(lane);
                self.loads[chunk][at] = self.foreign(lane).0.value();
            }
        }
    }
}
