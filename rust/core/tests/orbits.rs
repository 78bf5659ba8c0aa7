//! One operation per orbit gives the times of all: explicit = orbits, for every algorithm in the
//! registry, transfer by transfer; and what breaks the symmetry is found out.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod asking;

use std::sync::Arc;

use cm_core::algorithms::{ALGORITHMS, Algorithm, lookup};
use cm_core::collective::{Collective, Payload};
use cm_core::engine::layers::Layers;
use cm_core::fabric::{Fabric, Params, presets};
use cm_core::question::{Choice, Question};
use cm_core::report;
use cm_core::simulate::{Simulation, Source, Work};

fn cm384() -> Arc<Fabric> {
    let preset = presets::lookup("cm384").unwrap();
    Arc::new(preset.build(&Params::new()).unwrap())
}

fn question(
    fabric: &Arc<Fabric>,
    endpoints: &[u32],
    algorithm: &'static dyn Algorithm,
    collective: Collective,
    size_bytes: u64,
) -> Question {
    let payload = match collective {
        Collective::Barrier => Payload::None,
        _ => Payload::Bytes(size_bytes),
    };
    let mut question = asking::question(fabric, collective, 2, payload);
    question.algorithm = Choice::Named(algorithm);
    question.endpoints = endpoints.to_vec();
    question.team = Arc::new(fabric.team(endpoints).unwrap());
    question
}

/// The order of the group that a run used, 1 where it used none.
fn order(simulation: &Simulation) -> u32 {
    match simulation.work() {
        Work::Jobs(jobs) => match &jobs[0].source {
            Source::Written(_) => 1,
            Source::Planned(planned) => planned.plan().orbits().group().order(),
        },
        Work::Flows(_) => 1,
    }
}

/// Compares with a run of every transfer, event by event; the order of the group used.
fn check(mut question: Question) -> u32 {
    let what = format!(
        "{:?} {:?} {:?}",
        question.algorithm, question.collective, question.endpoints
    );
    if question.check().is_err() {
        return 1;
    }
    let quick = question.answer(None).unwrap().simulation;
    question.settings.layers = Layers::NONE;
    let explicit = question.answer(None).unwrap().simulation;
    assert_eq!(order(&explicit), 1);
    assert_eq!(quick.time_ps(), explicit.time_ps(), "{what}");
    assert_eq!(
        quick.transfer_times().unwrap(),
        explicit.transfer_times().unwrap(),
        "{what}"
    );
    assert_eq!(
        report::rank_finishes(&quick).unwrap(),
        report::rank_finishes(&explicit).unwrap(),
        "{what}"
    );
    assert_eq!(quick.route_bound_ps(), explicit.route_bound_ps(), "{what}");
    assert_eq!(
        quick.digest().unwrap(),
        explicit.digest().unwrap(),
        "{what}"
    );
    assert_eq!(
        quick.job_finish_ps(0).unwrap(),
        explicit.job_finish_ps(0).unwrap()
    );
    let links = |simulation| report::links(simulation).unwrap();
    for (a, b) in links(&quick).iter().zip(links(&explicit)) {
        assert!(a.busy_ps.abs_diff(b.busy_ps) <= 1, "{what}");
        // Sums of doubles in another order.
        assert!(
            (a.bytes - b.bytes).abs() <= 1e-12 * b.bytes,
            "{what}: {a:?} {b:?}"
        );
    }
    let names = |simulation| -> Vec<String> {
        let mut names: Vec<String> = report::bottlenecks(simulation)
            .unwrap()
            .into_iter()
            .map(|u| u.name)
            .collect();
        names.sort();
        names
    };
    assert_eq!(names(&quick), names(&explicit), "{what}");
    order(&quick)
}

/// The ranks of two nodes, of some packages of each of four, and in an order without symmetry.
fn rank_lists() -> [Vec<u32>; 4] {
    [
        (0..32).collect(),
        (0..64).filter(|die| die % 16 < 8).collect(),
        (16..32).collect(),
        vec![5, 0, 17, 3, 40, 2, 33, 9],
    ]
}

#[test]
fn every_algorithm_takes_the_same_time_by_orbits() {
    let fabric = cm384();
    let mut n_symmetric = 0;
    for &algorithm in ALGORITHMS {
        for &collective in algorithm.about().collectives {
            for ranks in rank_lists() {
                // A size that nothing divides.
                let ranks = if collective == Collective::SendRecv {
                    &ranks[..2]
                } else {
                    &ranks
                };
                let question = question(&fabric, ranks, algorithm, collective, 999_983);
                n_symmetric += usize::from(check(question) > 1);
            }
        }
    }
    assert!(n_symmetric >= 20, "only {n_symmetric} runs used a symmetry");
}

fn order_of(question: &Question) -> u32 {
    order(&question.answer(None).unwrap().simulation)
}

/// On CM384 the sides of packages, the packages of nodes and the nodes are alike: one die stands
/// for all in an exchange, one node for all in a ring (`design/model.md`).
#[test]
fn the_groups_are_those_of_the_machine() {
    let fabric = cm384();
    let all: Vec<u32> = (0..768).collect();
    let order = |name: &str, collective| {
        let algorithm = lookup(name).unwrap();
        order_of(&question(&fabric, &all, algorithm, collective, 1 << 28))
    };
    assert_eq!(order("direct", Collective::AllToAll), 768);
    assert_eq!(order("ring", Collective::AllReduce), 48);
    assert_eq!(order("hierarchical", Collective::AllReduce), 8 * 48);
}

#[test]
fn what_breaks_the_symmetry_is_found_out() {
    let fabric = cm384();
    let ranks: Vec<u32> = (0..32).collect();
    let direct = lookup("direct").unwrap();
    let ask =
        |fabric: &Arc<Fabric>| question(fabric, &ranks, direct, Collective::AllToAll, 1 << 20);
    assert_eq!(check(ask(&fabric)), 32);
    let slow = |selector: &str, rate| {
        let links = [(selector.to_owned(), rate)];
        Arc::new(fabric.degrade(&links).unwrap())
    };
    // A failed chip that all nodes use alike leaves the symmetry; one link does not.
    assert_eq!(check(ask(&slow("l2.2.11", 0.0))), 32);
    assert_eq!(check(ask(&slow("node00/l1.3->l2.3.7", 0.5))), 16);
    assert_eq!(check(ask(&slow("node01/die05->node01/l1.0", 0.0))), 1);
    let mut hashed = ask(&fabric);
    hashed.settings.routing = "hash";
    assert_eq!(order_of(&hashed), 1);
    let mut skewed = ask(&fabric);
    skewed.starts_ps = (0..32).collect();
    assert_eq!(order_of(&skewed), 1);
    let mut late = ask(&fabric);
    late.starts_ps = vec![7];
    assert_eq!(check(late), 32);
    let mut counts = ask(&fabric);
    counts.payload = Payload::Counts((0..32 * 32).map(|i| u64::from(i % 33 != 0)).collect());
    assert_eq!(order_of(&counts), 1);
    let mut off = ask(&fabric);
    off.settings.layers.orbits = false;
    assert_eq!(order_of(&off), 1);
}

/// A plan by one transfer per orbit of what no memory would hold: n^2 chunks, more than 32 bits count.
#[test]
fn an_exchange_of_more_pairs_than_32_bits_count_takes_the_time_of_its_ports() {
    const N: u64 = 70_000;
    let params = Params::new()
        .with_int("endpoints", N as i64)
        .with_int("latency_ps", 1_000);
    let star = presets::lookup("star").unwrap();
    let star = Arc::new(star.build(&params).unwrap());
    let ranks: Vec<u32> = (0..N as u32).collect();
    let direct = lookup("direct").unwrap();
    // 50 GB/s a port, the default: N kB, of which one is the rank's own, and two links' latency.
    let asked = question(&star, &ranks, direct, Collective::AllToAll, N * 1_000);
    let simulation = asked.answer(None).unwrap().simulation;
    assert_eq!(u64::from(order(&simulation)), N);
    assert_eq!(simulation.time_ps(), (N - 1) * 20_000 + 2_000);
    assert_eq!(simulation.bound().time_ps, ((N - 1) * 20_000).into());
    let mut explicit = asked;
    explicit.settings.layers = Layers::NONE;
    let error = explicit.answer(None).unwrap_err();
    assert!(error.is_too_large(), "{error}");
}

/// A plan answers for every size, in any order of asking, and not for what is no size.
#[test]
fn a_plan_forgets_no_size() {
    let fabric = cm384();
    let ranks: Vec<u32> = (0..32).collect();
    for (name, collective) in [
        ("direct", Collective::AllToAll),
        ("ring", Collective::AllReduce),
    ] {
        let algorithm = lookup(name).unwrap();
        let ask = |fabric: &Arc<Fabric>, size: u64| {
            let question = question(fabric, &ranks, algorithm, collective, size);
            let simulation = question.answer(None).unwrap().simulation;
            (simulation.time_ps(), simulation.bound().time_ps)
        };
        for size in [0, 1, 999_983, 0, 1 << 30, 1, 12_345] {
            assert_eq!(ask(&fabric, size), ask(&cm384(), size), "{name} {size}");
        }
    }
}
