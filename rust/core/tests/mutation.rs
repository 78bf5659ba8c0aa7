//! The verifier refuses broken schedules: every single change to a small schedule of every
//! algorithm, and random heaps of changes against an independent, naive oracle.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::collections::BTreeSet;

use cm_core::algorithms::{ALGORITHMS, schedule};
use cm_core::collective::conditions::{What, Who};
use cm_core::collective::{Collective, OptionValue, Options, Payload, Problem};
use cm_core::csr::Csr;
use cm_core::ids::RankId;
use cm_core::schedule::{ChunkRange, ChunkSizes, Op, Schedule, ScheduleParts, VerifyError, verify};
use cm_core::team::{Level, Team};
use proptest::prelude::*;

/// Small schedules of every algorithm and collective; of every root where there is one.
fn small_schedules() -> Vec<Schedule> {
    let mut schedules = Vec::new();
    for algorithm in ALGORITHMS {
        for &collective in algorithm.about().collectives {
            for (n, root) in [(2, 1), (4, 0), (4, 3), (5, 2), (6, 0), (8, 5)] {
                let team = team(n);
                let payload = match collective {
                    Collective::Barrier => Payload::None,
                    _ => Payload::Bytes(1000),
                };
                let mut problem = Problem::new(collective, &team, payload);
                problem.root = RankId(root * u32::from(collective.is_rooted()));
                let has_chunks = algorithm.about().options.iter().any(|o| o.name == "chunks");
                if has_chunks {
                    problem.options = Options::default().with("chunks", OptionValue::Int(2));
                }
                // Unsupported sizes aside; a dissemination barrier signals more than it needs
                // unless n = 2^k, so there some of its signals may be left out.
                if collective != Collective::Barrier || n.is_power_of_two() {
                    schedules.extend(schedule(*algorithm, &problem));
                }
            }
        }
    }
    schedules
}

/// Even teams have two groups, so that hierarchies run on them too.
fn team(n: u32) -> Team {
    if !n.is_multiple_of(2) {
        return Team::flat(n);
    }
    let groups = [0, 1].map(|x| (0..n / 2).map(|l| RankId(2 * l + x)).collect());
    let level = Level {
        name: "node".to_owned(),
        groups: groups.to_vec(),
    };
    Team::new(n, vec![level]).unwrap()
}

fn describe(schedule: &Schedule) -> String {
    let collective = schedule.collective().name();
    format!(
        "{} {collective} over {}",
        schedule.algorithm(),
        schedule.n_ranks()
    )
}

/// Edges derived anew, so that what is refused is the change itself.
fn rebuilt(mut parts: ScheduleParts) -> Schedule {
    parts.depends_on = None;
    parts.follows = None;
    parts.build().unwrap()
}

/// Where a scatter leaves blocks on ranks that an all-gather brings them to again, the oracle decides
/// what is harmless; everywhere else every mutant is refused.
fn check_refused(original: &Schedule, mutant: ScheduleParts, what: &str) {
    let mutant = rebuilt(mutant);
    if verify(&mutant).is_ok() {
        let is_harmless = has_useless_copies(original) && oracle_accepts(&mutant);
        assert!(is_harmless, "{}: {what} is accepted", describe(original));
    }
}

fn has_useless_copies(schedule: &Schedule) -> bool {
    verify(schedule).unwrap().useless_copies > 0
}

fn delete(parts: &mut ScheduleParts, t: usize) {
    parts.step.as_mut().unwrap().remove(t);
    parts.src.remove(t);
    parts.dst.remove(t);
    parts.chunks.remove(t);
    parts.op.remove(t);
}

fn duplicate(parts: &mut ScheduleParts, t: usize) {
    let step = parts.step.as_mut().unwrap();
    step.push(step[t]);
    parts.src.push(parts.src[t]);
    parts.dst.push(parts.dst[t]);
    parts.chunks.push(parts.chunks[t]);
    parts.op.push(parts.op[t]);
}

fn swapped(op: Op) -> Op {
    match op {
        Op::Copy => Op::Reduce,
        Op::Reduce => Op::Copy,
        Op::Local => Op::Local,
    }
}

#[test]
fn the_originals_are_accepted_by_verifier_and_oracle() {
    let schedules = small_schedules();
    // Over 15 algorithms on 1 to 8 collectives each, most on 6 teams.
    assert!(schedules.len() > 200, "{}", schedules.len());
    for schedule in &schedules {
        let gathers_what_is_there = schedule.collective() == Collective::Broadcast
            && ["nhr", "nb"].contains(&schedule.algorithm());
        assert_eq!(has_useless_copies(schedule), gathers_what_is_there);
        assert!(oracle_accepts(schedule), "{}", describe(schedule));
    }
}

#[test]
fn deleting_any_transfer_is_refused() {
    for schedule in small_schedules() {
        for t in 0..schedule.len() {
            let mut mutant = schedule.to_parts();
            delete(&mut mutant, t);
            check_refused(&schedule, mutant, &format!("without transfer {t}"));
        }
    }
}

#[test]
fn redirecting_a_transfer_is_refused_unless_the_sum_is_still_collected() {
    // A reduction may skip a rank that only passes the sum on: 0 -> 2 and 1 -> 2 sum as well as
    // 0 -> 1 -> 2; a barrier's signal may take another way too. The oracle decides these few. A
    // redirected copy leaves its destination without.
    for schedule in small_schedules() {
        let ranks = || (0..schedule.n_ranks()).map(RankId);
        for (t, dst) in (0..schedule.len()).flat_map(|t| ranks().map(move |dst| (t, dst))) {
            if dst == schedule.dst()[t] {
                continue;
            }
            let mut parts = schedule.to_parts();
            parts.dst[t] = dst;
            let mutant = rebuilt(parts.clone());
            let is_barrier = schedule.collective() == Collective::Barrier;
            if (schedule.op()[t] == Op::Reduce || is_barrier) && oracle_accepts(&mutant) {
                assert!(verify(&mutant).is_ok(), "{}", describe(&schedule));
            } else {
                check_refused(&schedule, parts, &format!("transfer {t} to {}", dst.0));
            }
        }
    }
}

#[test]
fn duplicating_a_transfer_or_swapping_its_operation_is_refused() {
    // A signal sent twice, or "added", tells a barrier nothing new.
    let moves_data = |s: &Schedule| s.collective() != Collective::Barrier;
    for schedule in small_schedules().into_iter().filter(moves_data) {
        for t in 0..schedule.len() {
            let mut mutant = schedule.to_parts();
            duplicate(&mut mutant, t);
            check_refused(&schedule, mutant, &format!("transfer {t} twice"));
            let mut mutant = schedule.to_parts();
            mutant.op[t] = swapped(mutant.op[t]);
            check_refused(
                &schedule,
                mutant,
                &format!("transfer {t} with the other operation"),
            );
        }
    }
}

#[test]
fn moving_a_transfer_to_other_chunks_is_refused() {
    for schedule in small_schedules() {
        for t in 0..schedule.len() {
            let range = schedule.chunks()[t];
            let shifted = (0..schedule.n_chunks()).map(|first| ChunkRange { first, ..range });
            let shorter = (1..range.count).map(|count| ChunkRange { count, ..range });
            for other in shifted.chain(shorter) {
                if other != range && other.last() < schedule.n_chunks() {
                    let mut mutant = schedule.to_parts();
                    mutant.chunks[t] = other;
                    check_refused(&schedule, mutant, &format!("transfer {t} with {other:?}"));
                }
            }
        }
    }
}

/// More than was asked for may do no harm: two ranks that reduce for each other both have the sum.
#[test]
fn a_transfer_of_more_chunks_is_refused_unless_it_does_no_harm() {
    let (mut refused, mut harmless) = (0, 0);
    for schedule in small_schedules() {
        for t in 0..schedule.len() {
            let range = schedule.chunks()[t];
            let longer = (range.count + 1..=schedule.n_chunks() as u32)
                .map(|count| ChunkRange { count, ..range })
                .filter(|other| other.is_distinct() && other.last() < schedule.n_chunks());
            for other in longer {
                let mut mutant = schedule.to_parts();
                mutant.chunks[t] = other;
                let mutant = rebuilt(mutant);
                let is_accepted = verify(&mutant).is_ok();
                let what = format!("{}: transfer {t} with {other:?}", describe(&schedule));
                assert_eq!(is_accepted, oracle_accepts(&mutant), "{what}");
                refused += u32::from(!is_accepted);
                harmless += u32::from(is_accepted);
            }
        }
    }
    assert!(refused > 100 && harmless > 0, "{refused} {harmless}");
}

/// Whether `ancestor` is reached from `t` through `edges`, by the closure of the definition.
fn reaches(edges: &Csr<u32>, ancestor: u32, t: u32) -> bool {
    let row = edges.row(t as usize);
    row.contains(&ancestor) || row.iter().any(|&other| reaches(edges, ancestor, other))
}

#[test]
fn removing_a_data_edge_is_refused_unless_the_others_imply_it() {
    let (mut refused, mut implied) = (0, 0);
    for schedule in small_schedules() {
        for t in 0..schedule.len() {
            for &writer in schedule.depends_on().row(t) {
                let mut edges = Csr::default();
                for (row, items) in schedule.depends_on().rows().enumerate() {
                    let kept = |&&other: &&u32| row != t || other != writer;
                    edges.push_row(items.iter().filter(kept).copied());
                }
                let is_implied = reaches(&edges, writer, t as u32);
                let mut mutant = schedule.to_parts();
                mutant.depends_on = Some(edges);
                match verify(&mutant.build().unwrap()) {
                    Ok(_) => assert!(is_implied, "{}: {writer} of {t}", describe(&schedule)),
                    Err(VerifyError::UnderSpecified { at, writer: named }) => {
                        assert!(!is_implied, "{}: {writer} of {t}", describe(&schedule));
                        assert_eq!((at.transfer as usize, named), (t, writer));
                    }
                    Err(other) => panic!("{}: {other}", describe(&schedule)),
                }
                refused += u32::from(!is_implied);
                implied += u32::from(is_implied);
            }
        }
    }
    // Both happen: an all-gather's write follows from the reduce-scatter's before it.
    assert!(refused > 100 && implied > 100, "{refused} {implied}");
}

#[test]
fn the_message_names_transfer_rank_chunk_and_rule() {
    let team = Team::flat(3);
    let problem = Problem::new(Collective::AllGather, &team, Payload::Bytes(9));
    let ring = schedule(ALGORITHMS[0], &problem).unwrap();
    let mut parts = ring.to_parts();
    parts.depends_on = Some({
        let mut none = Csr::default();
        (0..ring.len()).for_each(|_| none.push_row([]));
        none
    });
    // Step 1: rank 0 passes on chunk 2, which transfer 2 (rank 2, step 0) brought.
    let error = verify(&parts.build().unwrap()).unwrap_err().to_string();
    assert_eq!(
        error,
        "under-specified: transfer 3 (step 1, chunk 2, rank 0 to rank 1) sends without depending \
         on transfer 2, which wrote that chunk of its source"
    );
}

/// A user's schedule over three ranks with root 0 and a single chunk: (step, src, dst, op).
fn by_hand(collective: Collective, rows: &[(u32, u32, u32, Op)]) -> Schedule {
    let parts = ScheduleParts {
        collective,
        algorithm: "by hand".to_owned(),
        n_ranks: 3,
        root: RankId(0),
        n_chunks: 1,
        sizes: ChunkSizes::each([8]),
        traffic: None,
        step: Some(rows.iter().map(|row| row.0).collect()),
        src: rows.iter().map(|row| RankId(row.1)).collect(),
        dst: rows.iter().map(|row| RankId(row.2)).collect(),
        chunks: vec![ChunkRange::one(0u32); rows.len()],
        op: rows.iter().map(|row| row.3).collect(),
        depends_on: None,
        follows: None,
        in_network: Vec::new(),
    };
    parts.build().unwrap()
}

#[test]
fn every_rule_is_broken_by_name_even_where_the_result_would_be_right() {
    use Collective::{Broadcast, Reduce};
    use Op::{Copy, Local, Reduce as Add};
    let broadcast = [(1, 0, 1, Copy), (2, 0, 2, Copy)];
    let reduce = [(0, 1, 0, Add), (0, 2, 0, Add)];
    assert!(verify(&by_hand(Broadcast, &broadcast)).is_ok());
    assert!(verify(&by_hand(Reduce, &reduce)).is_ok());
    for (collective, extra, expected) in [
        // Rank 1 has nothing yet.
        (
            Broadcast,
            (0, 1, 2, Copy),
            "source empty: transfer 0 (step 0, chunk 0, rank 1 to rank 2)",
        ),
        (Broadcast, (0, 0, 0, Copy), "endpoints: transfer 0 "),
        (Broadcast, (0, 0, 1, Local), "endpoints: transfer 0 "),
        (
            Broadcast,
            (0, 0, 1, Add),
            "reduce into nothing: transfer 0 ",
        ),
        (Broadcast, (1, 0, 1, Copy), "write conflict: transfer 1 "),
        // Nobody needs rank 1's own data any more, yet it is lost.
        (Reduce, (1, 2, 1, Copy), "lost contribution: transfer 2 "),
        (Reduce, (1, 2, 0, Add), "double counting: transfer 2 "),
        (Reduce, (0, 0, 0, Local), "write conflict: transfer 1 "),
    ] {
        let valid: &[_] = if collective == Broadcast {
            &broadcast
        } else {
            &reduce
        };
        let error = verify(&by_hand(collective, &[valid, &[extra]].concat())).unwrap_err();
        assert!(error.to_string().starts_with(expected), "{error}");
    }
    let error = verify(&by_hand(Reduce, &reduce[..1]))
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "postcondition: rank 0 must end with the contributions of all ranks, and chunk 0 lacks that \
         of rank 2"
    );
}

#[test]
fn a_local_operation_and_useless_copies_are_legal() {
    // Rank 1 rearranges what it got before it passes it on; rank 0 sends rank 2 the same again.
    let rows = [
        (0, 0, 1, Op::Copy),
        (1, 1, 1, Op::Local),
        (2, 1, 2, Op::Copy),
        (3, 0, 2, Op::Copy),
    ];
    let schedule = by_hand(Collective::Broadcast, &rows);
    assert_eq!(schedule.depends_on().row(2), [0, 1]);
    assert_eq!(verify(&schedule).map(|proof| proof.useless_copies), Ok(1));
}

/// The rules of `reference/algorithms.md` section 1, with ordinary sets and no cleverness. Edges are
/// not looked at.
fn oracle_accepts(schedule: &Schedule) -> bool {
    let conditions = schedule.conditions();
    let ranks = || (0..schedule.n_ranks()).map(RankId);
    let is_barrier = schedule.collective() == Collective::Barrier;
    let meant = |rank: RankId, what: What| -> BTreeSet<RankId> {
        match what {
            What::Own => BTreeSet::from([rank]),
            What::Of(source) => BTreeSet::from([source]),
            What::All => ranks().collect(),
            What::Ends => unreachable!("tokens have tests of their own"),
        }
    };
    let holds = |rank: RankId, (who, what): (Who, What)| match who {
        Who::Only(holder) if holder != rank => None,
        _ => Some(meant(rank, what)),
    };
    let chunks = || 0..schedule.n_chunks();
    let start = |rank, c| holds(rank, conditions.before(c)).unwrap_or_default();
    let initial = |rank| chunks().map(move |c| start(rank, c));
    let mut state: Vec<Vec<BTreeSet<RankId>>> = ranks().map(|r| initial(r).collect()).collect();
    for step in schedule.step_ranges() {
        let before = state.clone();
        let mut written: Vec<(RankId, u64, Op)> = Vec::new();
        for t in step {
            let (src, dst, op) = (schedule.src()[t], schedule.dst()[t], schedule.op()[t]);
            for chunk in schedule.chunks()[t].iter() {
                let arriving = &before[src.index()][chunk as usize];
                let held = &mut state[dst.index()][chunk as usize];
                let clashes = written.iter().any(|&(r, c, o)| {
                    (r, c) == (dst, chunk) && (o, op) != (Op::Reduce, Op::Reduce)
                });
                let is_legal = match op {
                    _ if is_barrier => true,
                    Op::Copy => held.is_subset(arriving),
                    Op::Reduce => !held.is_empty() && held.is_disjoint(arriving),
                    Op::Local => false,
                };
                if src == dst || arriving.is_empty() || !is_legal || (clashes && !is_barrier) {
                    return false;
                }
                held.extend(arriving);
                written.push((dst, chunk, op));
            }
        }
    }
    ranks().all(|rank| {
        chunks().all(|chunk| match holds(rank, conditions.after(chunk)) {
            None => true,
            Some(wanted) => state[rank.index()][chunk as usize] == wanted,
        })
    })
}

/// One change to one transfer.
#[derive(Clone, Debug)]
enum Change {
    Delete,
    Duplicate,
    Src(u32),
    Dst(u32),
    Chunk(u32),
    Step(u32),
    Op,
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        Just(Change::Delete),
        Just(Change::Duplicate),
        (0..8u32).prop_map(Change::Src),
        (0..8u32).prop_map(Change::Dst),
        (0..64u32).prop_map(Change::Chunk),
        // Most shifts in time keep a schedule correct, so that both verdicts are met.
        (0..12u32).prop_map(Change::Step),
        (0..12u32).prop_map(Change::Step),
        Just(Change::Op),
    ]
}

fn apply(parts: &mut ScheduleParts, t: usize, change: &Change) {
    match *change {
        Change::Delete => delete(parts, t),
        Change::Duplicate => duplicate(parts, t),
        Change::Src(rank) => parts.src[t] = RankId(rank % parts.n_ranks),
        Change::Dst(rank) => parts.dst[t] = RankId(rank % parts.n_ranks),
        Change::Chunk(chunk) => {
            parts.chunks[t] = ChunkRange::one(u64::from(chunk) % parts.n_chunks);
        }
        Change::Step(step) => parts.step.as_mut().unwrap()[t] = step,
        Change::Op => parts.op[t] = swapped(parts.op[t]),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn the_verifier_agrees_with_the_naive_oracle(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), change()), 0..4),
    ) {
        thread_local! {
            static SCHEDULES: Vec<Schedule> = small_schedules();
        }
        let mut parts = SCHEDULES.with(|all| which.get(all).to_parts());
        for (transfer, change) in &changes {
            if !parts.src.is_empty() {
                let t = transfer.index(parts.src.len());
                apply(&mut parts, t, change);
            }
        }
        let schedule = rebuilt(parts);
        let verdict = verify(&schedule);
        prop_assert_eq!(verdict.is_ok(), oracle_accepts(&schedule), "{:?}", verdict);
    }

    #[test]
    fn the_order_of_rows_does_not_matter(
        which in any::<prop::sample::Index>(),
        seed in any::<u32>(),
    ) {
        thread_local! {
            static SCHEDULES: Vec<Schedule> = small_schedules();
        }
        let original = SCHEDULES.with(|all| which.get(all).clone());
        let mut parts = original.to_parts();
        // Rows in the order of a hash; messages of one source in one step keep theirs.
        let mut order: Vec<usize> = (0..original.len()).collect();
        let hash = |t: usize| {
            let group = original.step()[t] * 64 + original.src()[t].0;
            (group ^ seed).wrapping_mul(0x9e37_79b1)
        };
        order.sort_by_key(|&t| hash(t));
        parts.step = Some(order.iter().map(|&t| original.step()[t]).collect());
        parts.src = order.iter().map(|&t| original.src()[t]).collect();
        parts.dst = order.iter().map(|&t| original.dst()[t]).collect();
        parts.chunks = order.iter().map(|&t| original.chunks()[t]).collect();
        parts.op = order.iter().map(|&t| original.op()[t]).collect();
        prop_assert_eq!(rebuilt(parts), original);
    }
}
