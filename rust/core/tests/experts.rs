//! Tokens to their experts and back: every copy once, by every algorithm and gating; broken
//! schedules are refused; who chooses what follows from the definitions.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cm_core::algorithms::{ALGORITHMS, lookup, schedule};
use cm_core::collective::{
    Collective, Experts, Gating, OptionValue, Options, Payload, Problem, Tokens,
};
use cm_core::ids::RankId;
use cm_core::schedule::{Op, Schedule, ScheduleParts, verify};
use cm_core::team::{Level, Team};

const BOTH: [Collective; 2] = [Collective::Dispatch, Collective::Combine];

/// Nodes of `size` neighbors each, the last one maybe smaller.
fn team(n: u32, size: u32) -> Team {
    let nodes = (0..n.div_ceil(size)).map(|x| x * size..n.min((x + 1) * size));
    let level = Level {
        name: "node".to_owned(),
        groups: nodes.map(|node| node.map(RankId).collect()).collect(),
    };
    Team::new(n, vec![level]).unwrap()
}

fn tokens(tokens_of: &[u32], top_k: u32, n_experts: u32, gating: &Gating) -> Arc<Tokens> {
    let experts = Experts::contiguous(n_experts, tokens_of.len() as u32).unwrap();
    Arc::new(Tokens::new(tokens_of, top_k, experts, gating, (16, 100)).unwrap())
}

fn given(options: &[(&str, &str)]) -> Options {
    let value = |text: &str| {
        text.parse()
            .map_or_else(|_| OptionValue::Text(text.to_owned()), OptionValue::Int)
    };
    let add = |all: Options, (name, text): &(&str, &str)| all.with(name, value(text));
    options.iter().fold(Options::default(), add)
}

fn built(
    name: &str,
    collective: Collective,
    team: &Team,
    tokens: &Arc<Tokens>,
    options: &[(&str, &str)],
) -> Schedule {
    let mut problem = Problem::new(collective, team, Payload::Tokens(tokens.clone()));
    problem.options = given(options);
    let algorithm = lookup(name).unwrap();
    let schedule = schedule(algorithm, &problem).unwrap();
    assert!(
        schedule.len() as u64 <= algorithm.n_transfers(&problem),
        "{name}"
    );
    assert!(schedule.n_steps() <= algorithm.n_steps(&problem), "{name}");
    schedule
}

const WAYS: &[(&str, &[(&str, &str)])] = &[
    ("low_latency", &[]),
    ("low_latency", &[("copies", "rank")]),
    ("low_latency", &[("messages", "peer")]),
    ("low_latency", &[("messages", "peer"), ("copies", "rank")]),
    ("low_latency", &[("window", "1"), ("local", "skip")]),
    ("low_latency", &[("window", "3")]),
    ("two_phase", &[]),
    ("two_phase", &[("window", "2"), ("local", "skip")]),
    ("direct_write", &[]),
    (
        "direct_write",
        &[("messages", "peer"), ("align_bytes", "64")],
    ),
];

#[test]
fn every_way_brings_every_copy_once() {
    let gatings = [
        Gating::Balanced,
        Gating::Uniform { seed: 3 },
        Gating::Shuffled {
            seed: 4,
            loads: (1..=12).collect(),
        },
    ];
    for (n, size) in [(2, 1), (4, 2), (6, 3), (7, 3), (12, 4)] {
        let team = team(n, size);
        for gating in &gatings {
            let uneven: Vec<u32> = (0..n).map(|rank| (rank * 5 + 3) % 7).collect();
            for tokens_of in [vec![5; n as usize], uneven] {
                let tokens = tokens(&tokens_of, 4, 12, gating);
                for (name, options) in WAYS {
                    for collective in BOTH {
                        let schedule = built(name, collective, &team, &tokens, options);
                        check_delivery(&schedule, &tokens);
                    }
                }
            }
        }
    }
}

/// What each rank has in the end, followed token by token and without the verifier.
fn check_delivery(schedule: &Schedule, tokens: &Tokens) {
    let copies = schedule.traffic().unwrap().copies();
    let is_combine = schedule.collective() == Collective::Combine;
    // Where each chunk has come from where it is: of a combine, the sums.
    let mut held: BTreeMap<(RankId, u32), BTreeMap<RankId, u32>> = BTreeMap::new();
    for chunk in 0..copies.len() {
        let holders = if is_combine {
            copies.ends(chunk).to_vec()
        } else {
            vec![copies.source(chunk)]
        };
        for holder in holders {
            held.insert((holder, chunk), BTreeMap::from([(holder, 1)]));
        }
    }
    for step in schedule.step_ranges() {
        let before = held.clone();
        for t in step.filter(|&t| schedule.op()[t] != Op::Local) {
            for chunk in schedule.chunks()[t].iter().map(|chunk| chunk as u32) {
                let sent = &before[&(schedule.src()[t], chunk)];
                let there = held.entry((schedule.dst()[t], chunk)).or_default();
                for (&rank, &n) in sent {
                    *there.entry(rank).or_default() += n;
                }
            }
        }
    }
    for source in (0..tokens.n_ranks()).map(RankId) {
        for token in tokens.of_rank(source) {
            for &home in tokens.homes(token) {
                let of_home = |&&chunk: &&u32| copies.ends(chunk).contains(&home);
                let chunks: Vec<_> = copies.of_token(token).iter().filter(of_home).collect();
                assert!(!chunks.is_empty());
                for &chunk in chunks {
                    let (at, from) = if is_combine {
                        (source, home)
                    } else {
                        (home, source)
                    };
                    assert_eq!(held[&(at, chunk)][&from], 1, "token {token} at {home:?}");
                }
            }
        }
    }
}

#[test]
fn a_message_per_token_and_expert_adds_up_to_the_counts() {
    let tokens = tokens(&[6, 0, 9, 4], 3, 8, &Gating::Uniform { seed: 9 });
    let team = team(4, 2);
    for (name, step) in [("low_latency", 0), ("direct_write", 0)] {
        for collective in BOTH {
            let schedule = built(name, collective, &team, &tokens, &[]);
            let mut found = vec![0; 16];
            for t in (0..schedule.len()).filter(|&t| schedule.step()[t] == step) {
                let (src, dst) = (schedule.src()[t].index(), schedule.dst()[t].index());
                let way = if collective == Collective::Combine {
                    (dst, src)
                } else {
                    (src, dst)
                };
                found[way.0 * 4 + way.1] += 1;
            }
            let mut expected = tokens.counts();
            for rank in (0..4).filter(|_| collective == Collective::Combine) {
                // What is there already is summed where it is.
                expected[rank * 4 + rank] = 0;
            }
            assert_eq!(found, expected, "{name} {collective:?}");
        }
    }
}

#[test]
fn a_token_enters_each_node_once() {
    let tokens = tokens(&[8; 12], 4, 24, &Gating::Uniform { seed: 5 });
    let schedule = built(
        "two_phase",
        Collective::Dispatch,
        &team(12, 4),
        &tokens,
        &[],
    );
    let node = |rank: RankId| rank.0 / 4;
    let mut expected = 0;
    for source in (0..12).map(RankId) {
        for token in tokens.of_rank(source) {
            let nodes: BTreeSet<u32> = tokens.homes(token).iter().map(|&r| node(r)).collect();
            expected += nodes.iter().filter(|&&x| x != node(source)).count();
        }
    }
    let crosses = |&t: &usize| node(schedule.src()[t]) != node(schedule.dst()[t]);
    let crossing: Vec<usize> = (0..schedule.len()).filter(crosses).collect();
    assert_eq!(crossing.len(), expected);
    for t in crossing {
        assert_eq!(
            schedule.src()[t].0 % 4,
            schedule.dst()[t].0 % 4,
            "same place"
        );
    }
}

#[test]
fn a_window_of_w_tokens_lets_each_wait_for_the_one_w_before() {
    let tokens = tokens(
        &[5; 2],
        1,
        2,
        &Gating::Chosen(vec![1, 1, 1, 1, 1, 0, 0, 0, 0, 0]),
    );
    let options = [("window", "2")];
    let schedule = built(
        "low_latency",
        Collective::Dispatch,
        &team(2, 1),
        &tokens,
        &options,
    );
    // Rank 0 sends tokens 0 and 1, then 2 and 3, then 4; each waits for the one two before.
    let copies = schedule.traffic().unwrap().copies();
    for t in 0..schedule.len() {
        let token = |t: usize| copies.token(schedule.chunks()[t].first as u32).unwrap();
        let before: Vec<u32> = schedule
            .follows()
            .row(t)
            .iter()
            .map(|&o| token(o as usize))
            .collect();
        let own = tokens.of_rank(schedule.src()[t]);
        let expected: Vec<u32> = own.filter(|other| other + 2 == token(t)).collect();
        assert_eq!(before, expected);
    }
}

fn remove(parts: &mut ScheduleParts, t: usize) {
    parts.step.as_mut().unwrap().remove(t);
    parts.src.remove(t);
    parts.dst.remove(t);
    parts.chunks.remove(t);
    parts.op.remove(t);
}

#[test]
fn a_schedule_that_loses_repeats_or_misroutes_a_copy_is_refused() {
    let (team, tokens) = (
        team(4, 2),
        tokens(&[3; 4], 2, 8, &Gating::Uniform { seed: 1 }),
    );
    let mut n_refused = 0;
    for (name, options) in WAYS {
        for collective in BOTH {
            let schedule = built(name, collective, &team, &tokens, options);
            let moving = |&t: &usize| schedule.op()[t] != Op::Local;
            for t in (0..schedule.len()).filter(moving) {
                let mut lost = schedule.to_parts();
                remove(&mut lost, t);
                let mut again = schedule.to_parts();
                again.step.as_mut().unwrap().push(schedule.n_steps());
                again.src.push(again.src[t]);
                again.dst.push(again.dst[t]);
                again.chunks.push(again.chunks[t]);
                again.op.push(again.op[t]);
                let mut elsewhere = schedule.to_parts();
                let other = (0..4).map(RankId).find(|rank| {
                    let (src, dst) = (schedule.src()[t], schedule.dst()[t]);
                    *rank != src && *rank != dst
                });
                elsewhere.dst[t] = other.unwrap();
                for (what, mut mutant) in [
                    ("loses", lost),
                    ("repeats", again),
                    ("misroutes", elsewhere),
                ] {
                    mutant.depends_on = None;
                    mutant.follows = None;
                    let verdict = verify(&mutant.build().unwrap());
                    // A partial sum may take another way to its origin.
                    let may_pass = what == "misroutes" && collective == Collective::Combine;
                    assert!(
                        verdict.is_err() || may_pass,
                        "{name} {options:?} {what} {t}"
                    );
                    n_refused += usize::from(verdict.is_err());
                }
            }
        }
    }
    assert!(n_refused > 1000, "{n_refused}");
}

/// Experts of each token.
fn choices(tokens: &Tokens, top_k: usize) -> Vec<&[u32]> {
    tokens.chosen().chunks_exact(top_k).collect()
}

#[test]
fn balanced_tokens_go_to_consecutive_ranks() {
    // TensorRT-LLM's pattern: token i to the 8 ranks of group i mod E/8, whoever sends it.
    let tokens = tokens(&[6; 32], 8, 256, &Gating::Balanced);
    for source in (0..32).map(RankId) {
        for (i, token) in (0..).zip(tokens.of_rank(source)) {
            let expected: Vec<RankId> = (0..8).map(|j| RankId(i % 4 * 8 + j)).collect();
            assert_eq!(tokens.homes(token), expected);
        }
    }
    // The busiest receiver gets E/8 times the average: 4 - 1 = 3.
    let (excess, all) = tokens.lockstep();
    assert_eq!(excess, 3 * all);
}

#[test]
fn drawn_experts_differ_and_follow_their_loads() {
    let loads: Vec<u64> = vec![40, 10, 10, 10, 10, 10, 5, 5];
    let drawn = tokens(
        &[2000; 2],
        2,
        8,
        &Gating::Loads {
            seed: 11,
            loads: loads.clone(),
        },
    );
    for own in choices(&drawn, 2) {
        assert_ne!(own[0], own[1]);
    }
    // 4000 tokens take expert e with probability 2 load / 100; six standard deviations are at most
    // 6 sqrt(4000 / 4) = 190.
    for (load, expected) in drawn
        .loads()
        .into_iter()
        .zip(loads.iter().map(|load| load * 80))
    {
        assert!(load.abs_diff(expected) < 190, "{load} for {expected}");
    }
    // Half of all copies: every token.
    let half = Gating::Loads {
        seed: 2,
        loads: vec![50, 20, 20, 10],
    };
    assert_eq!(tokens(&[300; 2], 2, 4, &half).loads()[0], 600);
    // Uniform: 4000 * 2 / 8 = 1000 each, standard deviation below sqrt(4000 * 3/16) = 28.
    let uniform = tokens(&[2000; 2], 2, 8, &Gating::Uniform { seed: 7 });
    assert!(uniform.loads().iter().all(|load| load.abs_diff(1000) < 170));
    assert_ne!(
        uniform.chosen(),
        tokens(&[2000; 2], 2, 8, &Gating::Uniform { seed: 8 }).chosen()
    );
}

#[test]
fn what_a_token_draws_does_not_depend_on_the_others() {
    let gating = Gating::Uniform { seed: 3 };
    let (few, many) = (
        tokens(&[2, 2], 3, 9, &gating),
        tokens(&[7, 7], 3, 9, &gating),
    );
    for rank in [0, 1].map(RankId) {
        for (a, b) in few.of_rank(rank).zip(many.of_rank(rank)) {
            assert_eq!(choices(&few, 3)[a as usize], choices(&many, 3)[b as usize]);
        }
    }
}

#[test]
fn group_limited_tokens_keep_to_their_groups() {
    let gating = Gating::Limited {
        seed: 5,
        n_groups: 8,
        per_token: 3,
    };
    let tokens = tokens(&[200; 2], 6, 32, &gating);
    let mut groups_met = BTreeSet::new();
    for own in choices(&tokens, 6) {
        let groups: BTreeSet<u32> = own.iter().map(|expert| expert / 4).collect();
        assert!(groups.len() <= 3 && own.iter().collect::<BTreeSet<_>>().len() == 6);
        groups_met.extend(groups);
    }
    assert_eq!(groups_met.len(), 8);
}

#[test]
fn counts_are_kept_and_no_token_has_an_expert_twice() {
    let counts = vec![3, 2, 1, 0, 0, 3, 0, 3];
    let tokens = tokens(&[3, 3], 2, 4, &Gating::Counts(counts.clone()));
    for (rank, row) in counts.chunks(4).enumerate() {
        let own = &choices(&tokens, 2)[rank * 3..(rank + 1) * 3];
        for (expert, &count) in row.iter().enumerate() {
            let found = own
                .iter()
                .flat_map(|own| own.iter())
                .filter(|&&e| e as usize == expert);
            assert_eq!(found.count() as u64, count);
        }
        assert!(own.iter().all(|own| own[0] != own[1]));
    }
}

#[test]
fn replicas_take_turns() {
    let experts = Experts::placed(&[vec![0, 1], vec![1]], 2).unwrap();
    let gating = Gating::Chosen(vec![0, 0, 0, 1]);
    let tokens = Tokens::new(&[2, 2], 1, experts, &gating, (1, 1)).unwrap();
    // Token t of rank r: replica (r + t) mod 2 of expert 0; expert 1 has one.
    let homes: Vec<u32> = (0..4).map(|token| tokens.homes(token)[0].0).collect();
    assert_eq!(homes, [0, 1, 1, 1]);
}

#[test]
fn bad_tokens_are_refused_by_name_and_value() {
    let made = |top_k, gating: Gating| {
        let experts = Experts::contiguous(4, 2).unwrap();
        let made = Tokens::new(&[3, 3], top_k, experts, &gating, (1, 1));
        made.unwrap_err().to_string()
    };
    let limited = |n_groups, per_token| Gating::Limited {
        seed: 0,
        n_groups,
        per_token,
    };
    for (error, expected) in [
        (
            made(5, Gating::Balanced),
            "from 1 to the number of experts, 4, got 5",
        ),
        (made(2, limited(3, 1)), "must divide the 4 experts evenly"),
        (made(2, limited(4, 1)), "at least its top_k = 2"),
        (
            made(
                2,
                Gating::Loads {
                    seed: 0,
                    loads: vec![7, 1, 1, 1],
                },
            ),
            "expert 0 has a load of 7 of 10: more than 1/top_k = 1/2",
        ),
        (
            made(
                2,
                Gating::Loads {
                    seed: 0,
                    loads: vec![0; 4],
                },
            ),
            "must not all be 0",
        ),
        (
            made(
                2,
                Gating::Loads {
                    seed: 0,
                    loads: vec![1],
                },
            ),
            "needs 4 entries, got 1",
        ),
        (
            made(2, Gating::Counts(vec![3, 2, 0, 0, 3, 3, 0, 0])),
            "rank 0 must add up to its tokens times top_k, 6, got 5",
        ),
        (
            made(2, Gating::Counts(vec![3, 3, 0, 0, 4, 2, 0, 0])),
            "counts[1][0] must be at most the 3 tokens",
        ),
        (
            made(1, Gating::Chosen(vec![0, 1, 2, 3, 4, 0])),
            "token 1 of rank 1 names expert 4 which does not exist",
        ),
        (
            made(2, Gating::Chosen(vec![0, 1, 2, 2, 0, 1, 0, 1, 0, 1, 0, 1])),
            "token 1 of rank 0 names expert 2 twice",
        ),
    ] {
        assert!(error.contains(expected), "{error}");
    }
    for (placement, expected) in [
        (
            vec![vec![0], vec![]],
            "expert 1 must be on at least one rank",
        ),
        (vec![vec![2]], "expert 0 is on rank 2, must be in 0..2"),
        (vec![vec![1, 1]], "expert 0 is on rank 1 twice"),
    ] {
        let error = Experts::placed(&placement, 2).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn tokens_are_for_dispatch_and_combine_alone() {
    let team = team(4, 2);
    let tokens = tokens(&[1; 4], 1, 4, &Gating::Balanced);
    for algorithm in ALGORITHMS {
        for &collective in algorithm.about().collectives {
            let payload = if collective.moves_tokens() {
                Payload::Bytes(8)
            } else {
                Payload::Tokens(tokens.clone())
            };
            assert!(schedule(*algorithm, &Problem::new(collective, &team, payload)).is_err());
        }
    }
    let others = Team::flat(3);
    let problem = Problem::new(Collective::Dispatch, &others, Payload::Tokens(tokens));
    let error = problem.check().unwrap_err().to_string();
    assert!(
        error.contains("those of 4 ranks, the team has 3"),
        "{error}"
    );
}
