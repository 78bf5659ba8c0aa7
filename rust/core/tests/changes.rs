//! Routes that change while operations run: proofs hold phase by phase, and forged ones do not.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use cm_core::engine::certificate::{self, Certificate, CertificateError};
use cm_core::engine::fluid::{EngineError, Limits, run_by};
use cm_core::engine::ladder::{self, Run, Rung};
use cm_core::engine::maxmin::Method;
use cm_core::engine::number::Pair;
use cm_core::engine::observer::Unobserved;
use cm_core::engine::workload::{NEVER_PS, Workload, WorkloadBuilder};

const LIMITS: Limits = Limits {
    events: 1_000_000,
    until_ps: None,
    cancel: None,
};
const PS_PER_S: u64 = 1_000_000_000_000;

/// Two operations of 12 bytes on one resource of 12 B/s; from 1 s on each has one of its own, of 3
/// and of 6 B/s.
fn parted() -> Workload {
    let mut builder = WorkloadBuilder::default();
    let resources = [12, 3, 6].map(|rate_bps| builder.resource(rate_bps));
    let routes = resources.map(|resource| builder.route([(resource, 1, 1)], 7, 0));
    for _ in 0..2 {
        builder.op(routes[0], (12, 1), 0, [], []);
    }
    builder.change(PS_PER_S, vec![routes[1], routes[2]]);
    builder.build().unwrap()
}

fn proof(workload: &Workload) -> Certificate {
    ladder::certify(workload, LIMITS).unwrap()
}

#[test]
fn what_is_left_goes_on_along_the_new_routes() {
    // 6 of 12 bytes are left of each after 1 s: 2 s more at 3 B/s, 1 s at 6 B/s.
    let workload = parted();
    let run = Run::climb(&workload, LIMITS, Rung::Pair).unwrap();
    let served = |op| run.times(&workload, op).unwrap().served_ps;
    let s = i128::from(PS_PER_S);
    assert_eq!((served(0), served(1)), (3 * s, 2 * s));
    assert_eq!(run.n_events(), 4);
    certificate::check(&workload, &proof(&workload)).unwrap();
}

#[test]
fn both_solvers_move_flows_alike() {
    // 90 operations in two phases on 12 resources, whose sets differ from phase to phase.
    let mut builder = WorkloadBuilder::default();
    let resources: Vec<u32> = (0..12)
        .map(|r| builder.resource(28 + 7 * (r % 3)))
        .collect();
    let mut route = |first: u32, second: u32| {
        let chosen = [
            resources[first as usize % 5],
            resources[5 + second as usize % 7],
        ];
        builder.route(chosen.map(|resource| (resource, 1, 1)), 0, 0)
    };
    let before: Vec<u32> = (0..90).map(|op| route(op, op / 3)).collect();
    let after: Vec<u32> = (0..90).map(|op| route(op / 2, op)).collect();
    for (op, &route) in before.iter().enumerate() {
        builder.op(route, (1 + op as u128 % 4, 1), 0, [], []);
    }
    builder.change(PS_PER_S / 2, after);
    let workload = builder.build().unwrap();
    let runs = [Method::Flows, Method::Levels]
        .map(|method| run_by::<Pair>(method, &workload, LIMITS, &mut Unobserved).unwrap());
    assert_eq!(runs[0].n_ambiguous + runs[1].n_ambiguous, 0);
    for op in 0..90 {
        let [a, b] = [&runs[0], &runs[1]].map(|run| run.served[op].residue());
        assert_eq!(a, b, "operation {op}");
    }
}

#[test]
fn a_proof_without_the_change_proves_nothing() {
    let workload = parted();
    let mut steady = workload.clone();
    steady.changes.clear();
    let refused = certificate::check(&workload, &proof(&steady)).unwrap_err();
    assert_eq!(refused, CertificateError::Malformed { event: 0 });
    // Nor does one that says when, but has no event then.
    let forged = Certificate {
        changes: workload.changes.clone(),
        ..proof(&steady)
    };
    let refused = certificate::check(&workload, &forged).unwrap_err();
    let at_ps = PS_PER_S;
    assert_eq!(refused, CertificateError::Change { event: 1, at_ps });
}

#[test]
fn a_proof_with_other_routes_in_a_later_phase_proves_nothing() {
    let workload = parted();
    let mut forged = proof(&workload);
    forged.changes[0].op_routes.reverse();
    let refused = certificate::check(&workload, &forged).unwrap_err();
    assert_eq!(refused, CertificateError::Route { op: 0 });
}

#[test]
fn an_operation_without_a_route_ends_the_run_only_if_it_is_to_be_served() {
    let gap_from = |at_ps: u64| {
        let mut builder = WorkloadBuilder::default();
        let link = builder.resource(12);
        let route = builder.route([(link, 1, 1)], 0, 0);
        let gap = builder.route([], NEVER_PS, 0);
        builder.op(route, (12, 1), 0, [], []);
        builder.change(at_ps, vec![gap]);
        Run::climb(&builder.build().unwrap(), LIMITS, Rung::Pair)
    };
    let cut = gap_from(PS_PER_S - 1).unwrap_err();
    assert_eq!(cut, EngineError::CutOff { op: 0, phase: 1 });
    // It is through at the very moment.
    assert!(gap_from(PS_PER_S).is_ok());
}
