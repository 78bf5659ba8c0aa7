//! Flows that bring their routes along: whichever solver repairs the rates, they are the same.

use cm_core::engine::maxmin::{MaxMin, Method};
use cm_core::engine::number::{Ambiguity, Pair};
use cm_core::engine::workload::Incidence;
use proptest::prelude::*;

/// What happens between two repairs.
#[derive(Debug, Clone)]
enum Step {
    /// A resource of so many bytes per second is added.
    Resource(u64),
    /// Flows enter, each crossing these resources (modulo their number) with these weights.
    Enter(Vec<Vec<(usize, u64)>>),
    /// Flows leave, each the one at this place (modulo their number).
    Leave(Vec<usize>),
    /// All weights on a resource, and its capacity, are multiplied.
    Rescale(usize, u64),
}

fn step() -> impl Strategy<Value = Step> {
    let route = prop::collection::vec((any::<usize>(), 1u64..4), 1..5);
    prop_oneof![
        1 => prop::sample::select(vec![1u64, 28, 28, 35, 49, 1000]).prop_map(Step::Resource),
        4 => prop::collection::vec(route, 1..4).prop_map(Step::Enter),
        2 => prop::collection::vec(any::<usize>(), 1..3).prop_map(Step::Leave),
        1 => (any::<usize>(), 2u64..5).prop_map(|(at, factor)| Step::Rescale(at, factor)),
    ]
}

/// The two solvers side by side, and what they were told.
struct Both {
    solvers: [MaxMin<'static, Pair>; 2],
    capacities: Vec<u128>,
    scales: Vec<u64>,
    slots: Vec<u32>,
    n_ops: u32,
}

impl Both {
    fn new() -> Self {
        Self {
            solvers: [Method::Flows, Method::Levels].map(MaxMin::open),
            capacities: Vec::new(),
            scales: Vec::new(),
            slots: Vec::new(),
            n_ops: 0,
        }
    }

    fn add_resource(&mut self, rate_bps: u64) {
        self.capacities.push(rate_bps.into());
        self.scales.push(1);
        for solver in &mut self.solvers {
            solver.add_resource(rate_bps.into());
        }
    }

    fn enter(&mut self, route: &[(usize, u64)]) {
        let mut row: Vec<Incidence> = Vec::new();
        for &(at, weight) in route {
            let resource = at % self.capacities.len();
            if row.iter().all(|known| known.resource != resource as u32) {
                row.push(Incidence {
                    resource: resource as u32,
                    weight: weight * self.scales[resource],
                });
            }
        }
        row.sort_unstable_by_key(|incidence| incidence.resource);
        let [a, b] = &mut self.solvers;
        let slot = a.enter_own(self.n_ops, &row);
        assert_eq!(slot, b.enter_own(self.n_ops, &row));
        self.n_ops += 1;
        self.slots.push(slot);
    }

    fn leave(&mut self, at: usize) {
        if !self.slots.is_empty() {
            let slot = self.slots.swap_remove(at % self.slots.len());
            for solver in &mut self.solvers {
                solver.leave(slot);
            }
        }
    }

    fn rescale(&mut self, at: usize, factor: u64) {
        let resource = at % self.capacities.len();
        if self.scales[resource] > 1 << 20 {
            return;
        }
        self.scales[resource] *= factor;
        self.capacities[resource] *= u128::from(factor);
        for solver in &mut self.solvers {
            solver.rescale(resource as u32, factor, self.capacities[resource]);
        }
    }

    /// Repairs both and compares the rates of all flows.
    fn repair(&mut self) {
        for solver in &mut self.solvers {
            solver.repair();
        }
        for &slot in &self.slots {
            let rates = self.solvers.each_ref().map(|solver| {
                let resource = solver.bottleneck(slot);
                solver.level(resource).residue()
            });
            assert_eq!(rates[0], rates[1], "slot {slot}");
        }
        for solver in &mut self.solvers {
            assert_eq!(*solver.ambiguity(), Ambiguity(0));
        }
    }
}

proptest! {
    #[test]
    fn both_solvers_find_the_same_rates_as_flows_and_resources_come_and_go(
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let mut both = Both::new();
        both.add_resource(28);
        for step in steps {
            match step {
                Step::Resource(rate_bps) => both.add_resource(rate_bps),
                Step::Enter(routes) => routes.iter().for_each(|route| both.enter(route)),
                // What has just entered has no rate yet, and cannot leave before the repair.
                Step::Leave(places) => places.into_iter().for_each(|at| both.leave(at)),
                Step::Rescale(at, factor) => both.rescale(at, factor),
            }
            both.repair();
        }
    }
}

/// More lanes than a chunk has, so that the tables grow.
#[test]
fn resources_that_are_added_while_flows_are_under_way_are_shared_fairly() {
    let mut both = Both::new();
    for rate_bps in 0..200u64 {
        both.add_resource(28 + 7 * (rate_bps % 5));
        let at = rate_bps as usize;
        both.enter(&[(at, 1), (at * 7 / 11, 2), (at / 3, 1)]);
        both.repair();
        if rate_bps % 4 == 3 {
            both.leave(at * 5);
            both.repair();
        }
    }
}
