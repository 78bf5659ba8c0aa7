//! Max-min fair rates on an abstract system of flows and resources, repaired event by event.
//!
//! Progressive filling (Bertsekas and Gallager, "Data Networks", 1992, section 6.5.2): raise all
//! rates together; a resource that fills up freezes the flows on it, at its *level*. The result is
//! characterized by: loads are within capacity, and every flow crosses a saturated resource, its
//! *bottleneck*, on which no flow is faster. It is unique.
//!
//! Two solvers repair one allocation. Repair by flows ([`local`]) costs as much as the flows that it
//! fills again, and suits sparse work; repair by levels ([`levels`]) costs as much as the levels that
//! change, which is far less where thousands of flows share each resource, but a fixed price more per
//! event. Both end where the characterization holds, so the rates are the same numbers; which of
//! several equally saturated resources is named as a flow's bottleneck may differ.

mod allocation;
mod flows;
mod levels;
mod local;

use self::allocation::Allocation;
pub use self::allocation::Move;
use self::levels::{Levels, Plan};
use self::local::Local;
use super::number::{Ambiguity, Number};
use super::workload::{Incidence, Workload};

/// Which solver repairs the rates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Method {
    /// By flows, until the work turns out to be dense; then by levels.
    #[default]
    Auto,
    /// By flows.
    Flows,
    /// By levels, from the first repair on.
    Levels,
}

/// Flows filled per event, above those that enter and leave, from which on repair by levels pays.
const DENSE: u64 = 50;

/// Events over which this is averaged.
const WINDOW: u64 = 64;

/// Bytes that repair by levels may take for each resource of each operation's route. One plane of a
/// CM384 was measured to need 11 to 14 of them at 128 to 256 ranks. Messages striped over all seven
/// planes would need 96 to 137, and are repaired faster by flows: a move of one touches the weights of
/// every two of its 28 resources.
pub const LEVELS_BYTES_PER_INCIDENCE: u64 = 64;

/// The active flows and their max-min fair rates.
#[derive(Debug, Clone)]
pub struct MaxMin<'w, N: Number> {
    /// None where flows bring their routes along.
    workload: Option<&'w Workload>,
    all: Allocation<'w, N>,
    local: Local<N>,
    levels: Option<Box<Levels<N>>>,
    method: Method,
    /// Flows that entered or left since the last repair.
    n_changed: u64,
    /// Flows filled beyond those, in all and in the last [`WINDOW`] events, decaying.
    n_refilled: u64,
    recent: u64,
    touched: Vec<u32>,
    moves: Vec<Move>,
}

impl<'w, N: Number> MaxMin<'w, N> {
    /// No flows on the workload's resources.
    pub fn new(workload: &'w Workload, method: Method) -> Self {
        Self {
            workload: Some(workload),
            all: Allocation::new(workload),
            local: Local::new(workload.capacities.len()),
            levels: None,
            method,
            n_changed: 0,
            n_refilled: 0,
            recent: 0,
            touched: Vec::new(),
            moves: Vec::new(),
        }
    }

    /// No flows on no resources: [`Self::add_resource`] adds some at any time, and flows bring their
    /// routes along.
    pub fn open(method: Method) -> Self {
        Self {
            workload: None,
            all: Allocation::open(),
            local: Local::new(0),
            levels: None,
            method,
            n_changed: 0,
            n_refilled: 0,
            recent: 0,
            touched: Vec::new(),
            moves: Vec::new(),
        }
    }

    /// Adds a resource.
    pub fn add_resource(&mut self, capacity: u128) {
        self.all.add_resource(capacity);
        self.local.add_resource();
        if let Some(levels) = &mut self.levels {
            levels.add_resource(&N::from_int(capacity));
        }
    }

    /// Multiplies the capacity of a resource, which then is `capacity`, and all weights on it. No
    /// rate changes.
    pub fn rescale(&mut self, resource: u32, factor: u64, capacity: u128) {
        self.all.capacities[resource as usize] = N::from_int(capacity);
        self.all.flows.rescale(resource, factor);
        self.local.rescale(resource, factor);
        if let Some(levels) = &mut self.levels {
            levels.rescale(resource, factor, &self.all.capacities[resource as usize]);
        }
    }

    /// What holds a flow back.
    pub fn bottleneck(&self, slot: u32) -> u32 {
        self.all.flows.bottleneck(slot)
    }

    /// The operation that a slot serves.
    pub fn op(&self, slot: u32) -> u32 {
        self.all.flows.op(slot)
    }

    /// The route that a slot's flow takes.
    pub fn route(&self, slot: u32) -> u32 {
        self.all.flows.route_of(slot)
    }

    /// The slots of the active flows.
    pub fn active(&self) -> &[u32] {
        self.all.flows.active()
    }

    /// The rate of the flows that a resource holds back.
    pub fn level(&self, resource: u32) -> &N {
        &self.all.levels[resource as usize]
    }

    /// How many flows a resource holds back.
    pub fn held(&self, resource: u32) -> u32 {
        self.all.held[resource as usize]
    }

    /// Ambiguous comparisons so far.
    pub fn ambiguity(&mut self) -> &mut Ambiguity {
        &mut self.all.ambiguity
    }

    /// Adds a flow; its rate is known after the next [`Self::repair`].
    pub fn enter(&mut self, op: u32, route: u32) -> u32 {
        let slot = self.all.flows.enter(op, route);
        match &mut self.levels {
            Some(levels) => levels.enter(slot),
            None => self.local.enter(slot),
        }
        self.n_changed += 1;
        slot
    }

    /// Adds a flow with a route of its own, likewise; for an open solver.
    pub fn enter_own(&mut self, op: u32, route: &[Incidence]) -> u32 {
        let slot = self.all.flows.enter_own(op, route);
        match &mut self.levels {
            Some(levels) => levels.enter(slot),
            None => self.local.enter(slot),
        }
        self.n_changed += 1;
        slot
    }

    /// Removes a flow.
    pub fn leave(&mut self, slot: u32) {
        match &mut self.levels {
            Some(levels) => levels.leave(&self.all, slot),
            None => self.local.leave(&self.all, slot),
        }
        self.all.held[self.all.flows.bottleneck(slot) as usize] -= 1;
        self.all.flows.leave(slot);
        self.n_changed += 1;
    }

    /// Finds the new rates after the flows that entered and left since the last repair.
    pub fn repair(&mut self) {
        self.touched.clear();
        self.moves.clear();
        let (all, touched, moves) = (&mut self.all, &mut self.touched, &mut self.moves);
        if let Some(levels) = &mut self.levels {
            if levels.repair(all, touched, moves).is_err() {
                levels.tell_moves(all, moves);
                self.local.refill(all, touched, moves);
                levels.adopt(all, touched, moves);
            }
        } else {
            let n_filled = self.local.repair(all, touched, moves);
            let extra = n_filled.saturating_sub(self.n_changed);
            self.n_refilled += extra;
            self.recent += extra;
            self.recent -= self.recent / WINDOW;
            if self.is_dense() {
                self.switch();
            }
        }
        self.n_changed = 0;
    }

    /// Whether repair by levels pays: it will if work goes on as in the last events, and by now the
    /// repairs have cost as much as it costs to switch, about one visit to each operation.
    fn is_dense(&self) -> bool {
        match self.method {
            Method::Flows => false,
            Method::Levels => true,
            Method::Auto => {
                let n_ops = (self.workload).map_or(self.all.flows.active().len(), Workload::n_ops);
                self.recent > DENSE * WINDOW && self.n_refilled > n_ops as u64
            }
        }
    }

    fn switch(&mut self) {
        match self.workload {
            Some(workload) => match self.plan(workload) {
                Some(plan) => self.switch_to(Levels::new(&self.all, plan)),
                None => self.method = Method::Flows,
            },
            None => self.switch_to(Levels::open(&self.all)),
        }
    }

    /// What repair by levels needs, if that may be had.
    fn plan(&self, workload: &Workload) -> Option<Plan> {
        let ops = 0..workload.n_ops();
        let n_incidences: usize = ops.map(|op| workload.route(op).len()).sum();
        let budget = LEVELS_BYTES_PER_INCIDENCE * n_incidences as u64;
        let fits = |plan: &Plan| self.method == Method::Levels || plan.n_bytes() <= budget;
        Plan::new(workload).filter(fits)
    }

    fn switch_to(&mut self, mut levels: Levels<N>) {
        levels.adopt(&mut self.all, &mut self.touched, &mut self.moves);
        self.levels = Some(Box::new(levels));
    }

    /// The resources whose level or held flows the last repair may have changed, in a fixed order.
    pub fn touched(&self) -> &[u32] {
        &self.touched
    }

    /// The flows whose bottleneck the last repair changed, in the order of the changes.
    pub fn moves(&self) -> &[Move] {
        &self.moves
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::number::Pair;
    use crate::engine::workload::WorkloadBuilder;

    /// 400 flows over two or three of 12 resources each.
    fn workload() -> Workload {
        let mut builder = WorkloadBuilder::default();
        for rate_bps in 0..12 {
            builder.resource(28 + 7 * (rate_bps % 3));
        }
        for op in 0..400u32 {
            let mut resources = [op % 5, 5 + op / 5 % 4, 9 + op / 20 % 3].to_vec();
            resources.truncate(2 + op as usize % 2);
            let route = builder.route(resources.into_iter().map(|r| (r, 1, 1)), 0, 0);
            builder.op(route, (1, 1), 0, [], []);
        }
        builder.build().expect("no edges, no cycle")
    }

    /// Lets flows come and go in both solvers and compares all rates after each repair.
    fn check(repairs_per_lane: usize, n_arrivals: usize) {
        let workload = workload();
        let mut by_flows = MaxMin::<Pair>::new(&workload, Method::Flows);
        let mut by_levels = MaxMin::<Pair>::new(&workload, Method::Levels);
        let mut slots = Vec::new();
        let mut ops = 0..400u32;
        for event in 0.. {
            for op in ops.by_ref().take(n_arrivals) {
                let route = workload.op_routes[op as usize];
                assert_eq!(by_flows.enter(op, route), by_levels.enter(op, route));
                slots.push(by_flows.all.flows.active().last().copied().unwrap_or(0));
            }
            for solver in [&mut by_flows, &mut by_levels] {
                solver.repair();
            }
            if let Some(levels) = &mut by_levels.levels {
                levels.repairs_per_lane = repairs_per_lane;
            }
            for &slot in &slots {
                let [a, b] = [&by_flows, &by_levels].map(|solver| solver.all.rate(slot));
                assert_eq!(a.map(Pair::residue), b.map(Pair::residue), "event {event}");
            }
            if slots.is_empty() {
                break;
            }
            let slot = slots.swap_remove(event * 7 % slots.len());
            by_flows.leave(slot);
            by_levels.leave(slot);
        }
        assert_eq!(by_levels.all.ambiguity, Ambiguity(0));
    }

    #[test]
    fn flows_that_come_and_go_have_the_same_rates_by_either_solver() {
        check(REPAIRS_FOR_ALL, 3);
    }

    #[test]
    fn a_repair_that_is_given_up_fills_everything_afresh() {
        check(0, 3);
    }

    #[test]
    fn a_burst_of_arrivals_fills_everything_afresh() {
        check(REPAIRS_FOR_ALL, 100);
    }

    const REPAIRS_FOR_ALL: usize = 200;
}
