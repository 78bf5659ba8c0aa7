//! Sessions whose flows nearly all share links with each other, and calls that are stopped.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod asking;

use std::sync::Arc;

use asking::question;
use cm_core::collective::{Collective, Payload};
use cm_core::engine::fluid::EngineError;
use cm_core::error::Error;
use cm_core::fabric::routing::{self, RoutingOptions};
use cm_core::fabric::{Fabric, LinkChange, Params, presets};
use cm_core::placement::Flow;
use cm_core::session::Session;
use cm_core::simulate::{Simulation, Work};
use proptest::prelude::*;

fn cm384() -> Arc<Fabric> {
    let params = Params::new().with_int("nodes", 2);
    Arc::new(presets::lookup("cm384").unwrap().build(&params).unwrap())
}

/// Numbers without a pattern, the same ones each time (Knuth's MMIX generator).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = (self.0)
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// Flows between random dies, as many at once as would take a second alone, then one by one.
fn flows(fabric: &Fabric, n: u64, n_at_once: u64) -> Vec<Flow> {
    let mut numbers = Numbers(n);
    let n_endpoints = u64::from(fabric.n_endpoints());
    let flow = |number: u64| {
        let src = numbers.below(n_endpoints);
        let dst = (src + 1 + numbers.below(n_endpoints - 1)) % n_endpoints;
        let nodes = fabric.rank_nodes(&[src as u32, dst as u32]).unwrap();
        Flow {
            src: nodes[0],
            dst: nodes[1],
            size_bytes: 10_000_000 + numbers.below(50_000_000),
            start_ps: number.saturating_sub(n_at_once) * 5_000_000,
            depends_on: Vec::new(),
            follows: Vec::new(),
            via: Vec::new(),
        }
    };
    (0..n).map(flow).collect()
}

fn batch(fabric: &Arc<Fabric>, flows: &[Flow], rule: &str, changes: &[LinkChange]) -> Vec<u64> {
    let mut settings = question(fabric, Collective::AllGather, 2, Payload::Bytes(1)).settings;
    settings.routing = routing::lookup(rule).unwrap().name;
    let phases = fabric.phases(changes).unwrap();
    let work = Work::Flows(flows.to_vec());
    let run = Simulation::run_changing(fabric.clone(), work, settings, phases, None);
    let times = run.unwrap().op_times().unwrap();
    times.iter().map(|times| times.arrived_ps as u64).collect()
}

fn open(fabric: &Arc<Fabric>, rule: &str) -> Session {
    Session::new(fabric, rule, &RoutingOptions::default()).unwrap()
}

fn inject(session: &mut Session, flow: &Flow) {
    let (start_ps, size_bytes) = (flow.start_ps, flow.size_bytes);
    let added = session.inject(start_ps, flow.src, flow.dst, size_bytes, &[]);
    added.unwrap();
}

/// Lets flows join in time, each with a question for the next arrival, and all arrive.
fn follow(session: &mut Session, flows: &[Flow]) -> Vec<u64> {
    let mut arrived = vec![0; flows.len()];
    let mut take = |now: Vec<(u64, u64)>| {
        for (id, time_ps) in now {
            arrived[id as usize] = time_ps;
        }
    };
    for flow in flows {
        take(session.advance_to(flow.start_ps).unwrap());
        inject(session, flow);
        let promise = session.next_event_ps().unwrap();
        assert!(promise >= Some(session.now_ps()));
    }
    while let Some(promise) = session.next_event_ps().unwrap() {
        let now = session.advance_to(promise).unwrap();
        assert!(now.iter().all(|&(_, time_ps)| time_ps == promise));
        take(now);
    }
    arrived
}

#[test]
fn flows_that_join_many_others_take_the_times_of_a_batch_run() {
    let fabric = cm384();
    for rule in ["spray", "plane", "dest"] {
        let flows = flows(&fabric, 500, 350);
        let mut session = open(&fabric, rule);
        let arrived = follow(&mut session, &flows);
        assert_eq!(arrived, batch(&fabric, &flows, rule, &[]), "{rule}");
        assert_eq!(session.exactness().n_ambiguous, 0);
    }
}

#[test]
fn many_flows_go_on_with_what_they_have_left_when_a_link_changes() {
    let fabric = cm384();
    let flows = flows(&fabric, 400, 350);
    let changes = [(0.5, 100_000_001), (1.0, 900_000_000)].map(|(factor, at_ps)| LinkChange {
        selector: "node00/die03".to_owned(),
        factor,
        at_ps,
    });
    let mut session = open(&fabric, "spray");
    for change in &changes {
        session.set_link(change.clone()).unwrap();
    }
    let arrived = follow(&mut session, &flows);
    assert_eq!(arrived, batch(&fabric, &flows, "spray", &changes));
}

/// A burst comes when rates are repaired level by level already.
#[test]
fn a_burst_of_flows_is_repaired_as_a_whole() {
    let fabric = cm384();
    let mut flows = flows(&fabric, 600, 400);
    for flow in &mut flows[450..] {
        flow.start_ps = 300_000_000;
    }
    let mut session = open(&fabric, "spray");
    let arrived = follow(&mut session, &flows);
    assert_eq!(arrived, batch(&fabric, &flows, "spray", &[]));
}

fn is_stopped<T>(result: &Result<T, Error>) -> bool {
    matches!(result, Err(Error::Engine(EngineError::Interrupted)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_session_that_is_stopped_stands_where_it_was_and_loses_nothing(
        pauses in prop::collection::vec(1usize..6, 1..40),
        n in 20u64..60,
        joins_at in 0usize..10,
    ) {
        let fabric = cm384();
        let mut flows = flows(&fabric, n, n);
        let mut session = open(&fabric, "spray");
        for flow in &flows {
            inject(&mut session, flow);
        }
        let mut arrived = Vec::new();
        for (turn, pause) in pauses.into_iter().enumerate() {
            let mut left = pause;
            let before_ps = session.now_ps();
            let mut stop = |_| { left -= 1; left == 0 };
            let result = session.advance_to_unless(1 << 50, &mut stop);
            if is_stopped(&result) {
                prop_assert!(session.now_ps() >= before_ps);
                prop_assert!(session.now_ps() < 1 << 50);
                let now_ps = session.now_ps();
                let told = session.advance_to(now_ps).unwrap();
                prop_assert!(told.iter().all(|&(_, at_ps)| at_ps <= now_ps));
                arrived.extend(told);
                let promise = session.next_event_ps_unless(&mut |_| true);
                if !is_stopped(&promise) {
                    prop_assert_eq!(promise.unwrap(), session.fork().next_event_ps().unwrap());
                }
                if turn == joins_at {
                    let mut late = flows[0].clone();
                    late.start_ps = now_ps;
                    inject(&mut session, &late);
                    flows.push(late);
                }
            } else {
                arrived.extend(result.unwrap());
            }
        }
        arrived.extend(session.advance_to(1 << 51).unwrap());
        arrived.sort_unstable();
        let expected: Vec<(u64, u64)> = (0..).zip(batch(&fabric, &flows, "spray", &[])).collect();
        prop_assert_eq!(arrived, expected);
    }
}
