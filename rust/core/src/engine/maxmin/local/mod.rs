//! Local repair, for sparse work: a set of flows around an event is filled again.
//!
//! All flows outside the set keep their rates. Then the optimality condition is checked on the
//! resources of the set: where it holds there it holds everywhere, since nothing else changed, and
//! the allocation is unique; where it fails, the flows that break it join the set. The checks cost
//! O(1) per resource, because all flows that a resource holds back share one rate, its level, which
//! is also the largest rate on it.

mod fill;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::allocation::{Allocation, Move};
use super::flows::NONE;
use crate::engine::number::{Number, Relation};

/// What updates may add to the error of a load, relative to the capacity, before it is summed afresh.
const LOAD_ERROR: f64 = 1e-12;

#[derive(Debug, Clone)]
struct Resource<N> {
    /// Sum of weight times rate over the members.
    load: N,
    /// Error of the load when it was last summed afresh.
    fresh_noise: f64,
    /// No member is faster than this.
    fastest: N,
    scratch: Scratch<N>,
}

/// State of a resource during one repair.
#[derive(Debug, Clone)]
struct Scratch<N> {
    /// The repair that touched this resource last.
    repair: u64,
    /// The filling that froze flows here last.
    filling: u64,
    /// Capacity left by the flows outside the set.
    base: N,
    /// Weight of the set on this resource.
    set_weight: u64,
    /// Capacity left and weight left during the filling.
    residual: N,
    weight: u64,
    /// Level found by the filling, if it froze flows here.
    level: N,
    /// Fastest flow of the set that the filling froze on this resource.
    fastest: N,
}

impl<N: Number> Resource<N> {
    fn new() -> Self {
        Self {
            load: N::zero(),
            fresh_noise: 0.0,
            fastest: N::zero(),
            scratch: Scratch {
                repair: 0,
                filling: 0,
                base: N::zero(),
                set_weight: 0,
                residual: N::zero(),
                weight: 0,
                level: N::zero(),
                fastest: N::zero(),
            },
        }
    }
}

/// State of a flow during one repair.
#[derive(Debug, Clone, Copy, Default)]
struct Flow {
    /// The repair whose set this flow is in.
    repair: u64,
    /// The filling that froze this flow last.
    filling: u64,
    next_bottleneck: u32,
}

/// The solver; what it repairs is the [`Allocation`].
#[derive(Debug, Clone)]
pub(super) struct Local<N> {
    resources: Vec<Resource<N>>,
    flows: Vec<Flow>,
    arrived: Vec<u32>,
    freed: Vec<u32>,
    repair: u64,
    filling: u64,
    set: Vec<u32>,
    touched: Vec<u32>,
    /// Flows filled in this repair, each time anew.
    n_filled: u64,
    heap: BinaryHeap<Reverse<(u64, u32)>>,
    tied: Vec<u32>,
    later: Vec<(u64, u32)>,
}

impl<N: Number> Local<N> {
    pub(super) fn new(n_resources: usize) -> Self {
        Self {
            resources: (0..n_resources).map(|_| Resource::new()).collect(),
            flows: Vec::new(),
            arrived: Vec::new(),
            freed: Vec::new(),
            repair: 0,
            filling: 0,
            set: Vec::new(),
            touched: Vec::new(),
            n_filled: 0,
            heap: BinaryHeap::new(),
            tied: Vec::new(),
            later: Vec::new(),
        }
    }

    pub(super) fn add_resource(&mut self) {
        self.resources.push(Resource::new());
    }

    /// Takes note that all weights on a resource, and so its load, were multiplied.
    pub(super) fn rescale(&mut self, resource: u32, factor: u64) {
        let resource = &mut self.resources[resource as usize];
        resource.load = resource.load.mul_int(factor);
        resource.fresh_noise *= factor as f64;
    }

    /// Takes note of a flow that has entered the allocation.
    pub(super) fn enter(&mut self, slot: u32) {
        self.arrived.push(slot);
    }

    /// Takes note of a flow that is about to leave the allocation.
    pub(super) fn leave(&mut self, all: &Allocation<'_, N>, slot: u32) {
        let rate = all.rate(slot).expect("only a served flow leaves");
        for incidence in all.flows.crossed(slot) {
            let resource = &mut self.resources[incidence.resource as usize];
            // The last member takes all rounding errors with it.
            resource.load = if all.flows.members(incidence.resource).len() == 1 {
                N::zero()
            } else {
                resource.load.sub(&rate.mul_int(incidence.weight))
            };
            self.freed.push(incidence.resource);
        }
    }

    /// Makes the allocation that of the flows which entered and left since the last repair; tells how
    /// many flows were filled, each time anew.
    pub(super) fn repair(
        &mut self,
        all: &mut Allocation<'_, N>,
        touched: &mut Vec<u32>,
        moves: &mut Vec<Move>,
    ) -> u64 {
        self.begin(all);
        let arrived = std::mem::take(&mut self.arrived);
        for &slot in &arrived {
            self.join(all, slot);
        }
        self.arrived = arrived;
        self.arrived.clear();
        let freed = std::mem::take(&mut self.freed);
        for &resource in &freed {
            self.join_held(all, resource);
        }
        self.freed = freed;
        self.freed.clear();
        if self.set.is_empty() {
            return 0;
        }
        loop {
            self.fill(all);
            if self.set.len() == all.flows.active().len() {
                break;
            }
            let before = self.set.len();
            self.join_violators(all);
            if self.set.len() == before {
                break;
            }
            if self.set.len() * 2 > all.flows.active().len() {
                self.join_all(all);
            }
        }
        self.commit(all, moves);
        touched.extend_from_slice(&self.touched);
        self.n_filled
    }

    /// Fills everything from nothing, whatever this solver knew of the allocation before.
    pub(super) fn refill(
        &mut self,
        all: &mut Allocation<'_, N>,
        touched: &mut Vec<u32>,
        moves: &mut Vec<Move>,
    ) {
        self.begin(all);
        for resource in &mut self.resources {
            resource.load = N::zero();
        }
        for position in 0..all.flows.active().len() {
            self.join_at(all, all.flows.active()[position], None);
        }
        self.fill(all);
        self.commit(all, moves);
        touched.extend_from_slice(&self.touched);
    }

    fn begin(&mut self, all: &Allocation<'_, N>) {
        self.flows.resize(all.flows.n_slots(), Flow::default());
        self.repair += 1;
        self.n_filled = 0;
        self.set.clear();
        self.touched.clear();
    }

    fn join_all(&mut self, all: &mut Allocation<'_, N>) {
        for position in 0..all.flows.active().len() {
            self.join(all, all.flows.active()[position]);
        }
    }

    /// Makes the filled rates current.
    fn commit(&mut self, all: &mut Allocation<'_, N>, moves: &mut Vec<Move>) {
        let everybody = self.set.len() == all.flows.active().len();
        for &index in &self.touched {
            let resource = &mut self.resources[index as usize];
            let level = &mut all.levels[index as usize];
            let scratch = &resource.scratch;
            resource.load = all.capacities[index as usize].sub(&scratch.residual);
            if everybody || all.ambiguity.less(&resource.fastest, &scratch.fastest) {
                resource.fastest = scratch.fastest.clone();
            }
            if scratch.filling == self.filling {
                // An equal level keeps its old approximation, and with it its reciprocal.
                if !matches!(scratch.level.compare(level), Relation::Equal) {
                    *level = scratch.level.clone();
                }
                resource.fastest = level.clone();
            }
        }
        for &slot in &self.set {
            let from = all.flows.bottleneck(slot);
            let to = self.flows[slot as usize].next_bottleneck;
            all.held[to as usize] += 1;
            if from != to {
                all.flows.assign(slot, to);
                moves.push(Move { slot, from, to });
            }
        }
        self.renew_noisy_loads(all);
    }

    /// Adds a flow to the set that is filled again.
    fn join(&mut self, all: &mut Allocation<'_, N>, slot: u32) {
        let rate = all.rate(slot).cloned();
        self.join_at(all, slot, rate.as_ref());
    }

    /// Adds a flow that puts weight times `rate` on the loads of its resources so far.
    fn join_at(&mut self, all: &mut Allocation<'_, N>, slot: u32, rate: Option<&N>) {
        let flow = &mut self.flows[slot as usize];
        if flow.repair == self.repair {
            return;
        }
        flow.repair = self.repair;
        self.set.push(slot);
        for incidence in all.flows.crossed(slot) {
            let resource = &mut self.resources[incidence.resource as usize];
            let scratch = &mut resource.scratch;
            if scratch.repair != self.repair {
                scratch.repair = self.repair;
                scratch.base = all.capacities[incidence.resource as usize].sub(&resource.load);
                scratch.set_weight = 0;
                self.touched.push(incidence.resource);
            }
            scratch.set_weight += incidence.weight;
            if let Some(rate) = rate {
                scratch.base = scratch.base.add(&rate.mul_int(incidence.weight));
            }
        }
        let bottleneck = all.flows.bottleneck(slot);
        if bottleneck != NONE {
            all.held[bottleneck as usize] -= 1;
        }
    }

    /// Adds the flows that a resource holds back.
    fn join_held(&mut self, all: &mut Allocation<'_, N>, index: u32) {
        let mut position = 0;
        while all.held[index as usize] > 0 {
            let member = all.flows.members(index)[position];
            if member.bottleneck == index {
                self.join(all, member.slot);
            }
            position += 1;
        }
    }

    /// Adds to the set the flows outside it for which the optimality condition fails.
    fn join_violators(&mut self, all: &mut Allocation<'_, N>) {
        for position in 0..self.touched.len() {
            let index = self.touched[position];
            let resource = &self.resources[index as usize];
            let scratch = &resource.scratch;
            let froze = scratch.filling == self.filling;
            let holds = all.held[index as usize] > 0;
            if !froze && !holds {
                continue;
            }
            let level = &all.levels[index as usize];
            // Flows held here from before need the resource saturated and nobody faster.
            let broken = holds
                && (!(froze || all.ambiguity.equal(&scratch.residual, &N::zero()))
                    || all.ambiguity.less(level, &scratch.fastest));
            // Flows frozen here now need nobody outside the set to be faster.
            let outside = if holds { level } else { &resource.fastest };
            let overtaken = froze && all.ambiguity.less(&scratch.level, outside);
            if broken || overtaken {
                self.scan(all, index, broken, overtaken);
            }
        }
    }

    /// Adds the violators on one resource, and learns how fast the others are at most.
    fn scan(&mut self, all: &mut Allocation<'_, N>, index: u32, broken: bool, overtaken: bool) {
        let level = self.resources[index as usize].scratch.level.clone();
        let mut fastest = N::zero();
        for position in 0..all.flows.members(index).len() {
            let member = all.flows.members(index)[position];
            if self.flows[member.slot as usize].repair == self.repair {
                continue;
            }
            let rate = &all.levels[member.bottleneck as usize];
            if (broken && member.bottleneck == index)
                || (overtaken && all.ambiguity.less(&level, rate))
            {
                self.join(all, member.slot);
            } else if all.ambiguity.less(&fastest, rate) {
                fastest = rate.clone();
            }
        }
        self.resources[index as usize].fastest = fastest;
    }

    /// Sums loads afresh where updates have piled up rounding errors.
    fn renew_noisy_loads(&mut self, all: &Allocation<'_, N>) {
        for &index in &self.touched {
            let resource = &mut self.resources[index as usize];
            let added = noise(&resource.load) - resource.fresh_noise;
            if added > LOAD_ERROR * all.capacities[index as usize].value() {
                resource.load = all.load(index);
                resource.fresh_noise = noise(&resource.load);
            }
        }
    }
}

/// The width of the interval that a number is known to lie in.
fn noise<N: Number>(number: &N) -> f64 {
    number.upper() - number.lower()
}
