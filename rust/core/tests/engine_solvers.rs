//! Whichever solver repairs the rates, a run gives the same times, bit for bit.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod plane;

use cm_core::engine::fluid::{Limits, run_by};
use cm_core::engine::maxmin::Method;
use cm_core::engine::number::{Extended, Number, Pair, Rational};
use cm_core::engine::observer::{Observer, Unobserved};
use cm_core::engine::timeline::Timeline;
use cm_core::engine::workload::{Workload, WorkloadBuilder};
use num_rational::BigRational;
use num_traits::Zero;
use proptest::prelude::*;

const LIMITS: Limits = Limits {
    events: 1_000_000,
    until_ps: None,
    cancel: None,
};

fn timeline<N: Number>(method: Method, workload: &Workload) -> Timeline<N> {
    run_by(method, workload, LIMITS, &mut Unobserved).unwrap()
}

/// Released and served times in whole picoseconds; a double-double can round them all.
fn whole_ps(timeline: &Timeline<Extended>) -> Vec<i128> {
    let times = timeline.released.iter().chain(&timeline.served);
    times.map(|time| time.ceil().unwrap()).collect()
}

/// Residues of all times, which say with them whether two times are the same rational.
fn residues(timeline: &Timeline<Pair>) -> Vec<u64> {
    let times = timeline.released.iter().chain(&timeline.served);
    times.map(Pair::residue).collect()
}

fn check(workload: &Workload) {
    let flows = timeline::<Pair>(Method::Flows, workload);
    assert_eq!(flows.n_ambiguous, 0);
    for method in [Method::Levels, Method::Auto] {
        let other = timeline::<Pair>(method, workload);
        assert_eq!(other.n_ambiguous, 0, "{method:?}");
        assert_eq!(other.n_events, flows.n_events, "{method:?}");
        assert_eq!(residues(&other), residues(&flows), "{method:?}");
    }
    let [by_flows, by_levels] =
        [Method::Flows, Method::Levels].map(|method| timeline::<Extended>(method, workload));
    assert_eq!(by_levels.n_events, flows.n_events);
    assert_eq!(whole_ps(&by_levels), whole_ps(&by_flows));
}

#[test]
fn both_solvers_agree_on_dense_work() {
    check(&plane::skewed_all_to_all(40, 1));
    check(&plane::hashed_all_to_all(48));
}

#[test]
fn both_solvers_agree_on_dependent_work() {
    check(&plane::mixed(40, 0));
    check(&plane::mixed(24, 256));
}

#[test]
fn dense_work_is_repaired_by_levels_of_its_own_accord() {
    // The rates found are the same; which of several equal bottlenecks is named tells the solvers
    // apart, and here they differ.
    let workload = plane::skewed_all_to_all(40, 1);
    let bottlenecks = |method| {
        let mut watch = Bottlenecks(Vec::new());
        run_by::<Pair>(method, &workload, LIMITS, &mut watch).unwrap();
        watch.0
    };
    assert_ne!(bottlenecks(Method::Auto), bottlenecks(Method::Flows));
}

struct Bottlenecks(Vec<(u32, u32)>);

impl<N> Observer<N> for Bottlenecks {
    fn moved(&mut self, op: u32, bottleneck: u32) {
        self.0.push((op, bottleneck));
    }
}

/// Tests the definition of max-min fairness after every event, from flows and rates alone.
struct Optimal<'w> {
    workload: &'w Workload,
    bottleneck: Vec<Option<u32>>,
    levels: Vec<BigRational>,
    active: Vec<bool>,
    n_checked: usize,
}

impl<'w> Optimal<'w> {
    fn new(workload: &'w Workload) -> Self {
        Self {
            workload,
            bottleneck: vec![None; workload.n_ops()],
            levels: vec![BigRational::zero(); workload.capacities.len()],
            active: vec![false; workload.n_ops()],
            n_checked: 0,
        }
    }
}

impl Observer<Rational> for Optimal<'_> {
    fn entered(&mut self, op: u32, _now: &Rational) {
        self.active[op as usize] = true;
    }

    fn left(&mut self, op: u32, _now: &Rational) {
        self.active[op as usize] = false;
    }

    fn moved(&mut self, op: u32, bottleneck: u32) {
        self.bottleneck[op as usize] = Some(bottleneck);
    }

    fn relevelled(&mut self, resource: u32, level: &Rational) {
        self.levels[resource as usize] = level.0.clone();
    }

    fn settled(&mut self, _now: &Rational) {
        let n = self.levels.len();
        let mut load = vec![BigRational::zero(); n];
        let mut fastest = vec![BigRational::zero(); n];
        let active = || (0..self.active.len()).filter(|&op| self.active[op]);
        let rate = |op: usize| &self.levels[self.bottleneck[op].unwrap() as usize];
        for op in active() {
            assert!(*rate(op) > BigRational::zero());
            for incidence in self.workload.route(op) {
                let at = incidence.resource as usize;
                load[at] += rate(op) * BigRational::from_integer(incidence.weight.into());
                fastest[at] = fastest[at].clone().max(rate(op).clone());
            }
        }
        let capacity = |at: usize| BigRational::from_integer(self.workload.capacities[at].into());
        assert!((0..n).all(|at| load[at] <= capacity(at)));
        for op in active() {
            let held = self.workload.route(op).iter().any(|incidence| {
                let at = incidence.resource as usize;
                load[at] == capacity(at) && fastest[at] == *rate(op)
            });
            assert!(held, "nothing holds operation {op} back");
        }
        self.n_checked += 1;
    }
}

/// Resources and weights, size, start and the bits that choose predecessors.
type Operation = (Vec<(u32, u64)>, u64, u64, u64);

#[derive(Debug, Clone)]
struct Case {
    rates: Vec<u64>,
    ops: Vec<Operation>,
}

/// Many flows on few resources, with ties (few sizes and rates) or without, weights up to 4 and
/// edges; up to `n` operations.
fn cases(n: usize) -> impl Strategy<Value = Case> {
    let rates = prop_oneof![
        prop::collection::vec(prop_oneof![Just(28u64), Just(56), Just(84)], 2..80),
        prop::collection::vec(1u64..1000, 2..16),
    ];
    rates.prop_flat_map(move |rates| {
        let last = rates.len() as u32;
        let route =
            prop::collection::vec((0..last, prop_oneof![4 => Just(1u64), 1 => 1u64..5]), 1..5);
        let size = prop_oneof![Just(12u64), Just(24), 1u64..1000];
        let edges = prop_oneof![Just(0u64), any::<u64>()];
        let op = (route, size, 0u64..3, edges);
        (Just(rates), prop::collection::vec(op, 1..n)).prop_map(|(rates, mut ops)| {
            for (route, ..) in &mut ops {
                route.sort_unstable();
                route.dedup_by_key(|(resource, _)| *resource);
            }
            Case { rates, ops }
        })
    })
}

fn build(case: &Case) -> Workload {
    let mut builder = WorkloadBuilder::default();
    for &rate in &case.rates {
        builder.resource(rate);
    }
    for (at, (route, size, start, bits)) in case.ops.iter().enumerate() {
        let shares = route
            .iter()
            .map(|&(resource, weight)| (resource, weight, 1));
        let route = builder.route(shares, 0, 0);
        let data = (at > 0 && bits % 3 == 1).then(|| ((bits >> 2) % at as u64) as u32);
        let order = (at > 0 && bits % 5 == 1).then(|| ((bits >> 9) % at as u64) as u32);
        let start_ps = start * 300_000_000_000;
        builder.op(route, ((*size).into(), 1), start_ps, data, order);
    }
    builder.build().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn both_solvers_agree_on_random_work(case in cases(150)) {
        check(&build(&case));
    }

    #[test]
    fn repair_by_levels_is_max_min_fair_after_every_event(case in cases(24)) {
        let workload = build(&case);
        let mut optimal = Optimal::new(&workload);
        let run = run_by::<Rational>(Method::Levels, &workload, LIMITS, &mut optimal).unwrap();
        prop_assert_eq!(optimal.n_checked as u64, run.n_events);
    }
}
