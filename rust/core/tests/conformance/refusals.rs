//! What an algorithm cannot do, it says; what is too large, it does not attempt.

use cm_core::algorithms::{lookup, schedule};
use cm_core::collective::{Collective, OptionValue, Options, Payload, Problem};
use cm_core::team::Team;

use crate::hierarchy::grid;
use crate::{MIB, options, payload, word};

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn what_is_not_supported_says_why() {
    let flat = Team::flat(6);
    let equal = grid(vec![vec![0, 1, 2], vec![3, 4, 5]]);
    let unequal = grid(vec![vec![0, 1], vec![2, 3, 4]]);
    let int = |value| Options::default().with("chunks", OptionValue::Int(value));
    let text = |name| Options::default().with(name, OptionValue::Text("x".to_owned()));
    let none = Options::default;
    let cases = [
        (
            "xor",
            Collective::AllToAll,
            &flat,
            none(),
            "xor needs 2^k ranks, got 6",
        ),
        (
            "ring",
            Collective::Barrier,
            &flat,
            none(),
            "ring does not compute barrier",
        ),
        (
            "hierarchical",
            Collective::AllReduce,
            &flat,
            none(),
            "levels are: none",
        ),
        (
            "hierarchical",
            Collective::AllReduce,
            &unequal,
            none(),
            "2 ranks and another 3",
        ),
        (
            "hierarchical",
            Collective::AllReduce,
            &unequal,
            text("level"),
            "named 'x'",
        ),
        (
            "hierarchical",
            Collective::AllReduce,
            &flat,
            text("order"),
            "one of intra_first, inter_first",
        ),
        (
            "ring",
            Collective::AllReduce,
            &flat,
            int(2),
            "ring has no option 'chunks'",
        ),
        (
            "neighbor_exchange",
            Collective::AllGather,
            &Team::flat(7),
            none(),
            "needs an even number of ranks, got 7; ring works",
        ),
        (
            "multi_ring",
            Collective::AllGather,
            &Team::flat(2),
            none(),
            "needs 3 ranks or more, got 2",
        ),
        (
            "bine",
            Collective::Broadcast,
            &flat,
            none(),
            "bine needs 2^k ranks, got 6; binomial_tree works",
        ),
        (
            "two_level",
            Collective::AllToAll,
            &flat,
            options(&[("rows", OptionValue::Int(4))]),
            "rows=4 only where it divides",
        ),
        (
            "pipeline",
            Collective::AllGather,
            &unequal,
            none(),
            "2 ranks and another 3",
        ),
        (
            "hierarchical",
            Collective::AllGather,
            &equal,
            options(&[("inter", word("rign"))]),
            "option inter: unknown algorithm 'rign'; did you mean ring",
        ),
        (
            "hierarchical",
            Collective::AllGather,
            &equal,
            options(&[("intra", word("one_shot"))]),
            "option intra: one_shot does not compute all_gather",
        ),
        (
            "hierarchical",
            Collective::AllGather,
            &equal,
            options(&[("middle", word("ring"))]),
            "middle=ring only where level names two",
        ),
        (
            "nhr",
            Collective::AllGather,
            &flat,
            options(&[("shots", word("one"))]),
            "nhr takes shots=one for all_reduce only",
        ),
        (
            "chain",
            Collective::Broadcast,
            &flat,
            int(0),
            "1..=65536, got 0",
        ),
    ];
    for (name, collective, team, given, expected) in cases {
        let mut problem = Problem::new(collective, team, payload(collective, MIB));
        problem.options = given;
        let error = schedule(lookup(name).unwrap(), &problem)
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_question_too_large_is_refused_before_memory_is_taken() {
    // 2 n (n - 1) transfers for n = 2^20 are 2.2e12.
    let team = Team::flat(1 << 20);
    for (name, collective) in [
        ("ring", Collective::AllReduce),
        ("direct", Collective::AllToAll),
    ] {
        let problem = Problem::new(collective, &team, Payload::Bytes(MIB));
        let error = schedule(lookup(name).unwrap(), &problem).unwrap_err();
        assert!(error.to_string().contains("exceeds the limit"), "{error}");
    }
}

#[test]
fn all_to_all_v_skips_pairs_without_bytes() {
    // Bytes from row to column; three of the six pairs have none.
    let team = Team::flat(3);
    let counts = vec![0, 5, 0, 0, 0, 7, 9, 0, 0];
    let problem = Problem::new(Collective::AllToAll, &team, Payload::Counts(counts));
    for name in ["direct", "shift"] {
        let schedule = schedule(lookup(name).unwrap(), &problem).unwrap();
        let sizes: Vec<u64> = (0..schedule.len())
            .map(|t| schedule.balanced_size_bytes(t))
            .collect();
        let mut sorted = sizes.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, [5, 7, 9], "{name}");
    }
}
