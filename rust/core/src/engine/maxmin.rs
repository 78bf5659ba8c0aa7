//! Max-min fair rates on an abstract system of flows and resources, repaired event by event.
//!
//! Progressive filling (Bertsekas and Gallager, "Data Networks", 1992, section 6.5.2): raise all
//! rates together; a resource that fills up freezes the flows on it, at its *level*. The result is
//! characterized by: loads are within capacity, and every flow crosses a saturated resource, its
//! *bottleneck*, on which no flow is faster.
//!
//! After an event only a set of flows around it is filled again, with all others fixed; then the
//! characterization is checked on the resources of that set. Where it holds there it holds
//! everywhere, since nothing else changed, and the allocation is unique; where it fails, the flows
//! that break it join the set. The checks cost O(1) per resource, because all flows that a resource
//! holds back share one rate, its level, which is also the largest rate on it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::number::{Ambiguity, Number, Relation};
use super::workload::{Incidence, Workload};
use crate::csr::Csr;

/// No bottleneck yet.
pub const NONE: u32 = u32::MAX;

/// What updates may add to the error of a load, relative to the capacity, before it is summed afresh.
const LOAD_ERROR: f64 = 1e-12;

/// Members of a resource up to which their rates are summed afresh in every filling.
const FEW_MEMBERS: usize = 16;

/// One flow crossing a resource.
#[derive(Clone, Copy, Debug)]
struct Member {
    slot: u32,
    /// Which incidence of the flow's route this is.
    place: u32,
}

#[derive(Debug)]
struct Resource<N> {
    capacity: N,
    members: Vec<Member>,
    /// Sum of weight times rate over the members.
    load: N,
    /// Error of the load when it was last summed afresh.
    fresh_noise: f64,
    /// Rate of the flows held back here.
    level: N,
    /// How many flows are held back here.
    held: u32,
    /// No member is faster than this.
    fastest: N,
    scratch: Scratch<N>,
}

/// State of a resource during one repair.
#[derive(Debug)]
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

#[derive(Debug, Clone)]
struct Flow {
    op: u32,
    route: u32,
    bottleneck: u32,
    /// The repair whose set this flow is in.
    repair: u64,
    /// The filling that froze this flow last.
    filling: u64,
    next_bottleneck: u32,
    /// Position of this flow in the member list of each of its resources.
    positions: Vec<u32>,
}

/// A flow whose bottleneck changed in the last repair.
#[derive(Clone, Copy, Debug)]
pub struct Move {
    /// The flow's slot.
    pub slot: u32,
    /// The resource that held it back before, [`NONE`] for a new flow.
    pub from: u32,
    /// The resource that holds it back now.
    pub to: u32,
}

/// The active flows and their max-min fair rates.
#[derive(Debug)]
pub struct MaxMin<'w, N: Number> {
    routes: &'w Csr<Incidence>,
    resources: Vec<Resource<N>>,
    flows: Vec<Flow>,
    free: Vec<u32>,
    active: Vec<u32>,
    /// Position in `active` per slot.
    active_position: Vec<u32>,
    arrived: Vec<u32>,
    freed: Vec<u32>,
    repair: u64,
    filling: u64,
    set: Vec<u32>,
    touched: Vec<u32>,
    moves: Vec<Move>,
    heap: BinaryHeap<Reverse<(u64, u32)>>,
    tied: Vec<u32>,
    later: Vec<(u64, u32)>,
    /// Ambiguous comparisons so far.
    pub ambiguity: Ambiguity,
}

/// Orders non-negative doubles as integers.
#[inline]
pub(super) fn order_key(x: f64) -> u64 {
    x.max(0.0).to_bits()
}

impl<'w, N: Number> MaxMin<'w, N> {
    /// No flows on the workload's resources.
    pub fn new(workload: &'w Workload) -> Self {
        let resources = workload
            .capacities
            .iter()
            .map(|&capacity| Resource {
                capacity: N::from_int(capacity),
                members: Vec::new(),
                load: N::zero(),
                fresh_noise: 0.0,
                level: N::zero(),
                held: 0,
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
            })
            .collect();
        Self {
            routes: &workload.routes,
            resources,
            flows: Vec::new(),
            free: Vec::new(),
            active: Vec::new(),
            active_position: Vec::new(),
            arrived: Vec::new(),
            freed: Vec::new(),
            repair: 0,
            filling: 0,
            set: Vec::new(),
            touched: Vec::new(),
            moves: Vec::new(),
            heap: BinaryHeap::new(),
            tied: Vec::new(),
            later: Vec::new(),
            ambiguity: Ambiguity::default(),
        }
    }

    /// The operation that a slot serves.
    pub fn op(&self, slot: u32) -> u32 {
        self.flows[slot as usize].op
    }

    /// The resource that holds a flow back.
    pub fn bottleneck(&self, slot: u32) -> u32 {
        self.flows[slot as usize].bottleneck
    }

    /// The rate of the flows that a resource holds back.
    pub fn level(&self, resource: u32) -> &N {
        &self.resources[resource as usize].level
    }

    /// How many flows a resource holds back.
    pub fn held(&self, resource: u32) -> u32 {
        self.resources[resource as usize].held
    }

    /// Adds a flow; its rate is known after the next [`Self::repair`] and [`Self::commit`].
    pub fn enter(&mut self, op: u32, route: u32) -> u32 {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.flows.push(Flow {
                op: 0,
                route: 0,
                bottleneck: NONE,
                repair: 0,
                filling: 0,
                next_bottleneck: NONE,
                positions: Vec::new(),
            });
            self.active_position.push(0);
            self.flows.len() as u32 - 1
        });
        let flow = &mut self.flows[slot as usize];
        (flow.op, flow.route, flow.bottleneck) = (op, route, NONE);
        flow.positions.clear();
        for (place, incidence) in self.routes.row(route as usize).iter().enumerate() {
            let members = &mut self.resources[incidence.resource as usize].members;
            flow.positions.push(members.len() as u32);
            members.push(Member {
                slot,
                place: place as u32,
            });
        }
        self.active_position[slot as usize] = self.active.len() as u32;
        self.active.push(slot);
        self.arrived.push(slot);
        slot
    }

    /// Removes a flow.
    pub fn leave(&mut self, slot: u32) {
        let flow = &self.flows[slot as usize];
        let (route, bottleneck) = (flow.route as usize, flow.bottleneck as usize);
        let rate = self.resources[bottleneck].level.clone();
        for (place, incidence) in self.routes.row(route).iter().enumerate() {
            let resource = &mut self.resources[incidence.resource as usize];
            let position = self.flows[slot as usize].positions[place] as usize;
            resource.members.swap_remove(position);
            if let Some(moved) = resource.members.get(position) {
                self.flows[moved.slot as usize].positions[moved.place as usize] = position as u32;
            }
            resource.load = if resource.members.is_empty() {
                N::zero()
            } else {
                resource.load.sub(&rate.mul_int(incidence.weight))
            };
            self.freed.push(incidence.resource);
        }
        self.resources[bottleneck].held -= 1;
        let position = self.active_position[slot as usize] as usize;
        self.active.swap_remove(position);
        if let Some(&moved) = self.active.get(position) {
            self.active_position[moved as usize] = position as u32;
        }
        self.free.push(slot);
    }

    /// Finds the new rates after the flows that entered and left since the last repair. Levels
    /// and bottlenecks keep their old values until [`Self::commit`].
    pub fn repair(&mut self) {
        self.repair += 1;
        self.set.clear();
        self.touched.clear();
        let arrived = std::mem::take(&mut self.arrived);
        for &slot in &arrived {
            self.join(slot);
        }
        self.arrived = arrived;
        self.arrived.clear();
        let freed = std::mem::take(&mut self.freed);
        for &resource in &freed {
            self.join_held(resource);
        }
        self.freed = freed;
        self.freed.clear();
        if self.set.is_empty() {
            return;
        }
        loop {
            self.fill();
            if self.set.len() == self.active.len() {
                return;
            }
            let before = self.set.len();
            self.join_violators();
            if self.set.len() == before {
                return;
            }
            if self.set.len() * 2 > self.active.len() {
                for position in 0..self.active.len() {
                    self.join(self.active[position]);
                }
            }
        }
    }

    /// The resources whose level the last repair may have changed, in a fixed order.
    pub fn touched(&self) -> &[u32] {
        &self.touched
    }

    /// Whether the last repair gives a resource another level than its current one.
    pub fn changes(&self, resource: u32) -> bool {
        let resource = &self.resources[resource as usize];
        resource.scratch.filling == self.filling
            && !matches!(
                resource.scratch.level.compare(&resource.level),
                Relation::Equal
            )
    }

    /// The flows whose bottleneck the last repair changed.
    pub fn moves(&self) -> &[Move] {
        &self.moves
    }

    /// Makes the repaired rates current.
    pub fn commit(&mut self) {
        let all = self.set.len() == self.active.len();
        for &index in &self.touched {
            let resource = &mut self.resources[index as usize];
            let scratch = &resource.scratch;
            resource.load = resource.capacity.sub(&scratch.residual);
            if all || self.ambiguity.less(&resource.fastest, &scratch.fastest) {
                resource.fastest = scratch.fastest.clone();
            }
            if scratch.filling == self.filling {
                // An equal level keeps its old approximation, and with it its reciprocal.
                if !matches!(scratch.level.compare(&resource.level), Relation::Equal) {
                    resource.level = scratch.level.clone();
                }
                resource.fastest = resource.level.clone();
            }
        }
        self.moves.clear();
        for &slot in &self.set {
            let flow = &mut self.flows[slot as usize];
            let (from, to) = (flow.bottleneck, flow.next_bottleneck);
            self.resources[to as usize].held += 1;
            if from != to {
                flow.bottleneck = to;
                self.moves.push(Move { slot, from, to });
            }
        }
        self.renew_noisy_loads();
    }

    /// Adds a flow to the set that is filled again.
    fn join(&mut self, slot: u32) {
        let flow = &mut self.flows[slot as usize];
        if flow.repair == self.repair {
            return;
        }
        flow.repair = self.repair;
        self.set.push(slot);
        let bottleneck = flow.bottleneck;
        let rate = (bottleneck != NONE).then(|| self.resources[bottleneck as usize].level.clone());
        for incidence in self.routes.row(flow.route as usize) {
            let resource = &mut self.resources[incidence.resource as usize];
            let scratch = &mut resource.scratch;
            if scratch.repair != self.repair {
                scratch.repair = self.repair;
                scratch.base = resource.capacity.sub(&resource.load);
                scratch.set_weight = 0;
                self.touched.push(incidence.resource);
            }
            scratch.set_weight += incidence.weight;
            if let Some(rate) = &rate {
                scratch.base = scratch.base.add(&rate.mul_int(incidence.weight));
            }
        }
        if bottleneck != NONE {
            self.resources[bottleneck as usize].held -= 1;
        }
    }

    /// Adds the flows that a resource holds back.
    fn join_held(&mut self, index: u32) {
        let mut position = 0;
        while self.resources[index as usize].held > 0 {
            let slot = self.resources[index as usize].members[position].slot;
            if self.flows[slot as usize].bottleneck == index {
                self.join(slot);
            }
            position += 1;
        }
    }

    /// Progressive filling of the set into what the other flows leave.
    fn fill(&mut self) {
        self.filling += 1;
        let mut heap = std::mem::take(&mut self.heap).into_vec();
        heap.clear();
        for position in 0..self.touched.len() {
            let index = self.touched[position];
            self.renew_base(index);
            let scratch = &mut self.resources[index as usize].scratch;
            scratch.residual = scratch.base.clone();
            scratch.weight = scratch.set_weight;
            scratch.fastest = N::zero();
            heap.push(Reverse((share_key(scratch), index)));
        }
        self.heap = BinaryHeap::from(heap);
        let mut left = self.set.len();
        while left > 0 {
            let level = self.next_level();
            let mut tied = std::mem::take(&mut self.tied);
            tied.sort_unstable();
            for &index in &tied {
                left -= self.freeze(index, &level);
            }
            tied.clear();
            self.tied = tied;
        }
    }

    /// Frees what the set may use on a resource from the rounding errors of the running load: a few
    /// members are summed afresh, and a resource that the set has to itself is at its capacity.
    fn renew_base(&mut self, index: u32) {
        let resource = &self.resources[index as usize];
        let base = if resource.members.len() <= FEW_MEMBERS {
            let mut base = resource.capacity.clone();
            for member in &resource.members {
                let flow = &self.flows[member.slot as usize];
                if flow.repair != self.repair {
                    let weight = self.routes.row(flow.route as usize)[member.place as usize].weight;
                    let rate = &self.resources[flow.bottleneck as usize].level;
                    base = base.sub(&rate.mul_int(weight));
                }
            }
            base
        } else if matches!(
            resource.scratch.base.compare(&resource.capacity),
            Relation::Equal
        ) {
            resource.capacity.clone()
        } else {
            return;
        };
        self.resources[index as usize].scratch.base = base;
    }

    /// Takes the resources of least share off the heap into `tied`.
    ///
    /// Keys are lower bounds of shares, and shares only grow while the filling goes on, so a
    /// resource whose key exceeds the least share's upper bound cannot tie with it.
    fn next_level(&mut self) -> N {
        let mut level: Option<N> = None;
        while let Some(&Reverse((key, index))) = self.heap.peek() {
            if level
                .as_ref()
                .is_some_and(|level| key > order_key(level.upper()))
            {
                break;
            }
            self.heap.pop();
            let scratch = &self.resources[index as usize].scratch;
            if scratch.weight == 0 {
                continue;
            }
            let current = share_key(scratch);
            if current > key
                && self
                    .heap
                    .peek()
                    .is_some_and(|&Reverse((next, _))| next < current)
            {
                self.heap.push(Reverse((current, index)));
                continue;
            }
            let share = scratch.residual.div_int(scratch.weight);
            let scale = share.value();
            let share = share.anchored(scale);
            match level
                .as_ref()
                .map(|level| self.ambiguity.relation(&share, level))
            {
                None | Some(Relation::Equal) => {
                    level.get_or_insert(share);
                    self.tied.push(index);
                }
                Some(Relation::Less | Relation::AmbiguousLess) => {
                    self.heap
                        .extend(self.tied.drain(..).map(|other| Reverse((key, other))));
                    level = Some(share);
                    self.tied.push(index);
                }
                Some(Relation::Greater | Relation::AmbiguousGreater) => {
                    self.later.push((order_key(share.lower()), index));
                }
            }
        }
        self.heap.extend(self.later.drain(..).map(Reverse));
        level.expect("every flow of the set crosses a resource with weight left")
    }

    /// Freezes the unfrozen flows of the set on one resource; tells how many.
    fn freeze(&mut self, index: u32, level: &N) -> usize {
        let members = std::mem::take(&mut self.resources[index as usize].members);
        let mut frozen = 0;
        for member in &members {
            let flow = &mut self.flows[member.slot as usize];
            if flow.repair != self.repair || flow.filling == self.filling {
                continue;
            }
            flow.filling = self.filling;
            flow.next_bottleneck = index;
            frozen += 1;
            for incidence in self.routes.row(flow.route as usize) {
                let scratch = &mut self.resources[incidence.resource as usize].scratch;
                scratch.residual = scratch.residual.sub(&level.mul_int(incidence.weight));
                scratch.weight -= incidence.weight;
                scratch.fastest = level.clone();
            }
        }
        let resource = &mut self.resources[index as usize];
        resource.members = members;
        if frozen > 0 {
            resource.scratch.filling = self.filling;
            resource.scratch.level = level.clone();
        }
        frozen
    }

    /// Adds to the set the flows outside it for which the optimality condition fails.
    fn join_violators(&mut self) {
        for position in 0..self.touched.len() {
            let index = self.touched[position];
            let resource = &self.resources[index as usize];
            let scratch = &resource.scratch;
            let froze = scratch.filling == self.filling;
            let holds = resource.held > 0;
            if !froze && !holds {
                continue;
            }
            // Flows held here from before need the resource saturated and nobody faster.
            let broken = holds
                && (!(froze || self.ambiguity.equal(&scratch.residual, &N::zero()))
                    || self.ambiguity.less(&resource.level, &scratch.fastest));
            // Flows frozen here now need nobody outside the set to be faster.
            let outside = if holds {
                &resource.level
            } else {
                &resource.fastest
            };
            let overtaken = froze && self.ambiguity.less(&scratch.level, outside);
            if broken || overtaken {
                self.scan(index, broken, overtaken);
            }
        }
    }

    /// Adds the violators on one resource, and learns how fast the others are at most.
    fn scan(&mut self, index: u32, broken: bool, overtaken: bool) {
        let level = self.resources[index as usize].scratch.level.clone();
        let mut fastest = N::zero();
        for position in 0..self.resources[index as usize].members.len() {
            let slot = self.resources[index as usize].members[position].slot;
            let flow = &self.flows[slot as usize];
            if flow.repair == self.repair {
                continue;
            }
            let bottleneck = flow.bottleneck;
            let rate = &self.resources[bottleneck as usize].level;
            if (broken && bottleneck == index) || (overtaken && self.ambiguity.less(&level, rate)) {
                self.join(slot);
            } else if self.ambiguity.less(&fastest, rate) {
                fastest = rate.clone();
            }
        }
        self.resources[index as usize].fastest = fastest;
    }

    /// Sums loads afresh where updates have piled up rounding errors.
    fn renew_noisy_loads(&mut self) {
        for position in 0..self.touched.len() {
            let index = self.touched[position] as usize;
            let resource = &self.resources[index];
            let added = noise(&resource.load) - resource.fresh_noise;
            if added <= LOAD_ERROR * resource.capacity.value() {
                continue;
            }
            let mut load = N::zero();
            for member in &resource.members {
                let flow = &self.flows[member.slot as usize];
                let weight = self.routes.row(flow.route as usize)[member.place as usize].weight;
                load = load.add(
                    &self.resources[flow.bottleneck as usize]
                        .level
                        .mul_int(weight),
                );
            }
            self.resources[index].fresh_noise = noise(&load);
            self.resources[index].load = load;
        }
    }
}

/// The width of the interval that a number is known to lie in.
fn noise<N: Number>(number: &N) -> f64 {
    number.upper() - number.lower()
}

/// A lower bound of a resource's share, as a heap key.
#[inline]
fn share_key<N: Number>(scratch: &Scratch<N>) -> u64 {
    if scratch.weight == 0 {
        return u64::MAX;
    }
    // One division and one conversion round by at most 2^-52; 2^-50 covers both.
    order_key(scratch.residual.lower() / scratch.weight as f64 * (1.0 - 8.9e-16))
}
