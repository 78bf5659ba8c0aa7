//! Sessions report what a batch run of the same flows gives, to the picosecond.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod asking;

use std::sync::Arc;

use asking::question;
use cm_core::collective::{Collective, Payload};
use cm_core::fabric::routing::RoutingOptions;
use cm_core::fabric::{Fabric, Params, presets};
use cm_core::placement::Flow;
use cm_core::session::Session;
use cm_core::simulate::{Simulation, Work};
use proptest::prelude::*;

fn cm384() -> Arc<Fabric> {
    let params = Params::new().with_int("nodes", 2);
    Arc::new(presets::lookup("cm384").unwrap().build(&params).unwrap())
}

/// Start, ends and bytes.
type Sent = (u64, u32, u32, u64);

fn flows(fabric: &Fabric, sent: &[Sent]) -> Vec<Flow> {
    let flow = |&(start_ps, src, dst, size_bytes): &Sent| {
        let nodes = fabric.rank_nodes(&[src, dst]).unwrap();
        Flow {
            src: nodes[0],
            dst: nodes[1],
            size_bytes,
            start_ps,
            depends_on: Vec::new(),
            follows: Vec::new(),
            via: Vec::new(),
        }
    };
    sent.iter().map(flow).collect()
}

fn batch(fabric: &Arc<Fabric>, flows: &[Flow]) -> Vec<u64> {
    let settings = question(fabric, Collective::AllGather, 2, Payload::Bytes(1)).settings;
    let run = Simulation::run(fabric.clone(), Work::Flows(flows.to_vec()), settings, None);
    let times = run.unwrap().op_times().unwrap();
    times.iter().map(|times| times.arrived_ps as u64).collect()
}

/// Advances from promise to promise until `end_ps`, and holds each promise against what comes.
fn follow(session: &mut Session, end_ps: u64, arrived: &mut [u64]) {
    while let Some(promised) = session.next_event_ps().unwrap().filter(|&it| it <= end_ps) {
        if promised > session.now_ps() {
            assert_eq!(session.advance_to(promised - 1).unwrap(), []);
        }
        let now = session.advance_to(promised).unwrap();
        assert!(!now.is_empty(), "nothing joined, so the promise is kept");
        assert!(now.is_sorted());
        for (id, time_ps) in now {
            assert_eq!(time_ps, promised);
            arrived[id as usize] = time_ps;
        }
    }
}

fn open(fabric: &Arc<Fabric>) -> Session {
    Session::new(fabric, "spray", &RoutingOptions::default()).unwrap()
}

fn inject(session: &mut Session, flow: &Flow) -> u64 {
    let added = session.inject(flow.start_ps, flow.src, flow.dst, flow.size_bytes, &[]);
    added.unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn arrivals_are_those_of_a_batch_run(
        mut sent in prop::collection::vec(
            (
                0u64..3_000_000,
                (0u32..6).prop_map(|end| 5 * end),
                (0u32..6).prop_map(|end| 5 * end + 1),
                prop::sample::select(vec![0u64, 1, 4096, 98_304, 99_991, 250_000]),
            ),
            1..25,
        ),
        ahead in any::<bool>(),
    ) {
        sent.sort_unstable();
        let fabric = cm384();
        let flows = flows(&fabric, &sent);
        let mut session = open(&fabric);
        let mut arrived = vec![0; flows.len()];
        for flow in &flows {
            if !ahead {
                follow(&mut session, flow.start_ps, &mut arrived);
                session.advance_to(flow.start_ps.max(session.now_ps())).unwrap();
            }
            inject(&mut session, flow);
        }
        follow(&mut session, u64::MAX, &mut arrived);
        prop_assert_eq!(session.n_live(), 0);
        prop_assert_eq!(session.exactness().n_ambiguous, 0);
        prop_assert_eq!(arrived, batch(&fabric, &flows));
    }

    /// A flow that is cancelled at its start has taken nothing from anybody.
    #[test]
    fn what_is_cancelled_at_once_changes_nothing(
        sizes in prop::collection::vec(1u64..300_000, 2..12),
        which in any::<prop::sample::Index>(),
    ) {
        let fabric = cm384();
        let sent: Vec<Sent> = (0..).zip(&sizes).map(|(i, &size)| (0, i % 5, 16 + i % 3, size)).collect();
        let mut session = open(&fabric);
        let mut kept = flows(&fabric, &sent);
        let ids: Vec<u64> = kept.iter().map(|flow| inject(&mut session, flow)).collect();
        let gone = which.index(ids.len());
        session.cancel(ids[gone]).unwrap();
        let mut arrived = vec![0; ids.len()];
        follow(&mut session, u64::MAX, &mut arrived);
        kept.remove(gone);
        arrived.remove(gone);
        prop_assert_eq!(arrived, batch(&fabric, &kept));
    }
}
