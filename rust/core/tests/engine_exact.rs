//! The fluid engine against a slow simulator in big rationals that solves every event from scratch.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use cm_core::csr::Csr;
use cm_core::engine::certificate::{Certificate, Record, check};
use cm_core::engine::fluid::{Limits, run};
use cm_core::engine::ladder::certify;
use cm_core::engine::number::{Extended, Number, Pair, Rational, residue};
use cm_core::engine::observer::Unobserved;
use cm_core::engine::workload::{Workload, WorkloadBuilder};
use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::Zero;
use proptest::prelude::*;

type Q = BigRational;

fn q(n: u128) -> Q {
    Q::from_integer(BigInt::from(n))
}

/// Released and served times by definition: at each event, progressive filling over all active flows.
fn naive(w: &Workload) -> Vec<(Q, Q)> {
    let n = w.n_ops();
    let mut released: Vec<Option<Q>> = vec![None; n];
    let mut served: Vec<Option<Q>> = vec![None; n];
    let mut left: Vec<Q> = (0..n)
        .map(|op| Q::new(w.size(op).0.into(), w.size(op).1.into()) * q(1_000_000_000_000))
        .collect();
    let mut now = Q::zero();
    loop {
        release(w, &now, &mut released, &mut served, &left);
        let active: Vec<usize> = (0..n)
            .filter(|&op| served[op].is_none() && released[op].as_ref().is_some_and(|r| *r <= now))
            .collect();
        let rates = fill(w, &active);
        let mut next: Option<Q> = None;
        let mut consider = |t: Q| {
            if next.as_ref().is_none_or(|next| t < *next) {
                next = Some(t);
            }
        };
        for (op, rate) in active.iter().zip(&rates) {
            consider(&now + &left[*op] / rate);
        }
        for time in (0..n).filter_map(|op| released[op].clone().filter(|r| *r > now)) {
            consider(time);
        }
        let Some(next) = next else { break };
        for (op, rate) in active.iter().zip(&rates) {
            left[*op] -= rate * (&next - &now);
            if left[*op].is_zero() {
                served[*op] = Some(next.clone());
            }
        }
        now = next;
    }
    released
        .into_iter()
        .zip(served)
        .map(|(r, s)| (r.unwrap(), s.unwrap()))
        .collect()
}

/// Sets release times that have become known; serves at once what loads nothing.
fn release(
    w: &Workload,
    now: &Q,
    released: &mut [Option<Q>],
    served: &mut [Option<Q>],
    left: &[Q],
) {
    let latency = |op: usize| q(w.latencies_ps[w.op_routes[op] as usize].into());
    let mut changed = true;
    while changed {
        changed = false;
        for op in 0..w.n_ops() {
            let data: Option<Vec<Q>> = w
                .depends_on
                .row(op)
                .iter()
                .map(|&p| served[p as usize].as_ref().map(|s| s + latency(p as usize)))
                .collect();
            let order: Option<Vec<Q>> = w
                .follows
                .row(op)
                .iter()
                .map(|&p| served[p as usize].clone())
                .collect();
            if released[op].is_none()
                && let (Some(data), Some(order)) = (data, order)
            {
                let software = q(w.software_ps[w.op_routes[op] as usize].into());
                let usable = data.into_iter().fold(q(w.start_ps(op).into()), Ord::max) + software;
                released[op] = Some(order.into_iter().fold(usable, Ord::max));
                changed = true;
            }
            let empty = left[op].is_zero() || w.routes.row(w.op_routes[op] as usize).is_empty();
            if served[op].is_none() && empty && released[op].as_ref().is_some_and(|r| r <= now) {
                served[op].clone_from(&released[op]);
                changed = true;
            }
        }
    }
}

fn fill(w: &Workload, active: &[usize]) -> Vec<Q> {
    let route = |op: usize| w.routes.row(w.op_routes[op] as usize);
    let mut residual: Vec<Q> = w.capacities.iter().map(|&c| q(c)).collect();
    let mut rates: Vec<Option<Q>> = vec![None; active.len()];
    while rates.iter().any(Option::is_none) {
        let mut weight = vec![BigInt::zero(); residual.len()];
        for (&op, _) in active.iter().zip(&rates).filter(|(_, rate)| rate.is_none()) {
            for i in route(op) {
                weight[i.resource as usize] += i.weight;
            }
        }
        let share = |r: usize| &residual[r] / Q::from_integer(weight[r].clone());
        let level = (0..residual.len())
            .filter(|&r| !weight[r].is_zero())
            .map(share)
            .min()
            .unwrap();
        let full: Vec<bool> = (0..residual.len())
            .map(|r| !weight[r].is_zero() && share(r) == level)
            .collect();
        for (&op, rate) in active
            .iter()
            .zip(&mut rates)
            .filter(|(_, rate)| rate.is_none())
        {
            if route(op).iter().any(|i| full[i.resource as usize]) {
                *rate = Some(level.clone());
                for i in route(op) {
                    residual[i.resource as usize] -= &level * Q::from_integer(i.weight.into());
                }
            }
        }
    }
    rates.into_iter().map(Option::unwrap).collect()
}

#[derive(Debug, Clone)]
struct Case {
    rates: Vec<u64>,
    routes: Vec<Route>,
    ops: Vec<Operation>,
}

/// Shares (resource, numerator, denominator), latency and software cost in picoseconds.
type Route = (Vec<(u32, u64, u64)>, u64, u64);

/// Route, size (numerator, denominator), start time, data edges, order edges.
type Operation = (u32, u128, u64, u64, Vec<u32>, Vec<u32>);

fn case() -> impl Strategy<Value = Case> {
    let rate = prop_oneof![Just(28u64), Just(196), Just(7), 1u64..1000];
    (prop::collection::vec(rate, 2..10)).prop_flat_map(|rates| {
        let n = rates.len() as u32;
        let share = (0..n, 1u64..4, prop_oneof![Just(1u64), 1u64..5]);
        let route = (prop::collection::vec(share, 0..5), 0u64..3, 0u64..2).prop_map(
            |(mut shares, l, s)| {
                shares.sort_unstable();
                shares.dedup_by_key(|s| s.0);
                (shares, l * 100_000_000_000, s * 50_000_000_000)
            },
        );
        (Just(rates), prop::collection::vec(route, 1..12)).prop_flat_map(|(rates, routes)| {
            let size = prop_oneof![Just((64u128, 1u64)), Just((0, 1)), (0u128..500, 1u64..8)];
            let op = (
                1..=routes.len() as u32,
                size,
                0u64..3,
                any::<u64>(),
                any::<u64>(),
            );
            (Just(rates), Just(routes), prop::collection::vec(op, 1..40)).prop_map(
                |(rates, routes, raw)| {
                    let ops = raw
                        .iter()
                        .enumerate()
                        .map(|(at, &(route, size, start, data, order))| {
                            let pick = |bits: u64| -> Vec<u32> {
                                let mut preds: Vec<u32> = (0..(bits % 3) * u64::from(at > 0))
                                    .map(|k| ((bits >> (8 * k + 2)) % at as u64) as u32)
                                    .collect();
                                preds.sort_unstable();
                                preds.dedup();
                                preds
                            };
                            (
                                route,
                                size.0,
                                size.1,
                                start * 300_000_000_000,
                                pick(data),
                                pick(order),
                            )
                        })
                        .collect();
                    Case { rates, routes, ops }
                },
            )
        })
    })
}

fn build(case: &Case) -> Workload {
    let mut builder = WorkloadBuilder::default();
    for &rate in &case.rates {
        builder.resource(rate);
    }
    for (shares, latency, software) in &case.routes {
        builder.route(shares.iter().copied(), *latency, *software);
    }
    for (route, n, d, start, data, order) in &case.ops {
        builder.op(
            *route,
            (*n, *d),
            *start,
            data.iter().copied(),
            order.iter().copied(),
        );
    }
    builder.build().unwrap()
}

const LIMITS: Limits = Limits {
    events: 100_000,
    until_ps: None,
    cancel: None,
};

fn exact(x: f64) -> Q {
    Q::from_float(x).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn every_time_equals_the_naive_rational_simulator(case in case()) {
        let workload = build(&case);
        let truth = naive(&workload);
        let rational = run::<Rational>(&workload, LIMITS, &mut Unobserved).unwrap();
        let pair = run::<Pair>(&workload, LIMITS, &mut Unobserved).unwrap();
        let extended = run::<Extended>(&workload, LIMITS, &mut Unobserved).unwrap();
        prop_assert_eq!(pair.n_ambiguous, 0);
        prop_assert_eq!(pair.n_events, rational.n_events);
        for (op, (released, served)) in truth.iter().enumerate() {
            prop_assert_eq!(released, &rational.released[op].0);
            prop_assert_eq!(served, &rational.served[op].0);
            prop_assert_eq!(residue::of_rational(served), pair.served[op].residue());
            prop_assert_eq!(residue::of_rational(served), extended.served[op].residue());
            prop_assert!(exact(pair.served[op].lower()) <= *served);
            prop_assert!(*served <= exact(pair.served[op].upper()));
            prop_assert_eq!(residue::of_rational(released), pair.released[op].residue());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn the_certificate_of_a_run_checks_and_a_tampered_one_does_not(case in case(), at in any::<usize>()) {
        let workload = build(&case);
        let certificate = certify(&workload, LIMITS).unwrap();
        prop_assert_eq!(check(&workload, &certificate), Ok(()));
        if !certificate.levels.is_empty() {
            let mut scaled = certificate.clone();
            let at = at % scaled.levels.len();
            scaled.levels[at] = scaled.levels[at].mul_int(1001).div_int(1000);
            prop_assert!(check(&workload, &scaled).is_err());
            let no_level = without(&certificate, |r| matches!(r, Record::Level { .. }));
            prop_assert!(check(&workload, &no_level).is_err());
            let unheld = without(&certificate, |r| matches!(r, Record::Bottleneck { .. }));
            prop_assert!(check(&workload, &unheld).is_err());
        }
        for dropped in [Record::Entered { op: 0 }, Record::Left { op: 0 }, Record::Passed { op: 0 }] {
            if certificate.records.parts().1.contains(&dropped) {
                prop_assert!(check(&workload, &without(&certificate, |r| *r == dropped)).is_err());
            }
        }
        let mut late = certificate.clone();
        late.time_ps += 1;
        prop_assert!(check(&workload, &late).is_err());
        let mut rerouted = certificate.clone();
        let route = rerouted.op_routes[0] as usize;
        if let Some(other) = (0..workload.routes.n_rows())
            .find(|&r| workload.routes.row(r) != workload.routes.row(route))
        {
            rerouted.op_routes[0] = other as u32;
            prop_assert!(check(&workload, &rerouted).is_err());
        }
    }
}

/// The certificate without its first record that matches.
fn without(certificate: &Certificate, matches: impl Fn(&Record) -> bool) -> Certificate {
    let mut dropped = false;
    let mut records = Csr::default();
    for row in certificate.records.rows() {
        records.push_row(row.iter().copied().filter(|record| {
            let drop = !dropped && matches(record);
            dropped |= drop;
            !drop
        }));
    }
    Certificate {
        records,
        ..certificate.clone()
    }
}
