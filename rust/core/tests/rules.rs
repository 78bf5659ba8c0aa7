//! What the libraries would choose, against results derived by hand from their published models.
#![expect(non_snake_case, reason = "GBs is a unit")]
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use cm_core::algorithms::{check, lookup as algorithm};
use cm_core::collective::{Collective, Options, Payload, Problem};
use cm_core::cost::{Regime, Tuning};
use cm_core::ids::RankId;
use cm_core::rules::{RULES, Ruling, Situation, hccl_algo, lookup};
use cm_core::team::{Level, Team};

use Collective::{AllGather, AllReduce, AllToAll, Broadcast, Reduce, ReduceScatter};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// `servers` nodes of `cards` ranks each, in one supernode.
fn team(servers: u32, cards: u32) -> Team {
    let n = servers * cards;
    let nodes = (0..servers).map(|x| (x * cards..(x + 1) * cards).map(RankId).collect());
    let level = |name: &str, groups: Vec<Vec<RankId>>| Level {
        name: name.to_owned(),
        groups,
    };
    let levels = vec![
        level("node", nodes.collect()),
        level("supernode", vec![(0..n).map(RankId).collect()]),
    ];
    Team::new(n, levels).unwrap()
}

fn ruling(rule: &str, collective: Collective, team: &Team, size_bytes: u64) -> Ruling {
    let situation = Situation {
        collective,
        size_bytes,
        team,
        intra_bps: 450_000_000_000,
        inter_bps: 50_000_000_000,
        tuning: None,
    };
    lookup(rule).unwrap().decide(&situation).unwrap()
}

fn choice(rule: &str, collective: Collective, (servers, cards): (u32, u32), size: u64) -> String {
    ruling(rule, collective, &team(servers, cards), size).choice
}

#[test]
fn the_a2_model_takes_ring_up_to_three_servers_and_nhr_from_four_on() {
    // ring 60 (N-1) and NHR 60 ceil(log2 N) with the same term of the bytes: equal for N = 2 and 3,
    // where ring comes first; less for NHR from N = 4 on. Halving-doubling equals NHR for 2^k and
    // is dearer else, so that it is never taken.
    for servers in 2..40 {
        let expected = if servers <= 3 {
            "level1:ring"
        } else {
            "level1:NHR"
        };
        for collective in [AllReduce, AllGather, ReduceScatter] {
            // One card per server, so that no pipeline comes before.
            for size in [1, 1 << 20, 1 << 34] {
                assert_eq!(choice("hccl-a2", collective, (servers, 1), size), expected);
            }
        }
    }
}

#[test]
fn the_a2_model_broadcasts_over_five_servers_by_ring_from_180_us_per_card_on() {
    // Halving-doubling iff X < 60 (2 (N-1) - 1 - 2 floor(log2 N)) us = 60 (8 - 1 - 4) = 180 us; at
    // 20 * 2^30 B/s these are 3 865 470.5664 bytes per card.
    for collective in [Broadcast, Reduce] {
        for cards in [1, 8] {
            let at = |per_card: u64| {
                let size = per_card * u64::from(cards);
                choice("hccl-a2", collective, (5, cards), size)
            };
            assert_eq!(at(3_865_470), "level1:H-D_R");
            assert_eq!(at(3_865_471), "level1:ring");
        }
        // N = 2: equal, ring. N = 3: 60 (4 - 1 - 2) = 60 us. 2^k from 4 on: always H-D_R.
        assert_eq!(choice("hccl-a2", collective, (2, 8), 1), "level1:ring");
        assert_eq!(
            choice("hccl-a2", collective, (3, 1), 1_288_490),
            "level1:H-D_R"
        );
        assert_eq!(
            choice("hccl-a2", collective, (3, 1), 1_288_491),
            "level1:ring"
        );
        for servers in [4, 8, 16, 32] {
            assert_eq!(
                choice("hccl-a2", collective, (servers, 8), 1 << 34),
                "level1:H-D_R"
            );
        }
    }
}

#[test]
fn the_a2_pipeline_begins_at_its_thresholds() {
    // Blocks of 32 KiB per rank; all-reduces of 1 MiB per rank. 4 servers of 8 cards.
    for (collective, size) in [
        (AllGather, 32 * KIB * 32),
        (ReduceScatter, 32 * KIB * 32),
        (AllReduce, MIB * 32),
    ] {
        assert_eq!(
            choice("hccl-a2", collective, (4, 8), size),
            "level1:pipeline"
        );
        assert_eq!(
            choice("hccl-a2", collective, (4, 8), size - 32),
            "level1:NHR"
        );
        assert_eq!(
            choice("hccl-a2", collective, (1, 8), size),
            "level0:fullmesh"
        );
    }
}

#[test]
fn the_a3_rule_on_one_supernode_follows_its_thresholds() {
    let cm384 = (48, 16);
    let at = |collective, servers, size| choice("hccl-a3", collective, servers, size);
    // All-reduce: D <= 1 MiB * 16 cards is flat; one server: D <= 512 KiB * 16 ranks is a mesh.
    assert_eq!(at(AllReduce, cm384, 16 * MIB), "flat NHR");
    assert_eq!(at(AllReduce, cm384, 16 * MIB + 1), "level1:NHR");
    assert_eq!(at(AllReduce, (1, 16), 8 * MIB), "level0:fullmesh");
    assert_eq!(at(AllReduce, (2, 16), 1 << 30), "level1:ring");
    // All-gather: D * 48 servers <= 1 MiB, D being one rank's block: 21 845 bytes.
    assert_eq!(at(AllGather, cm384, 21_845 * 768), "flat NHR");
    assert_eq!(at(AllGather, cm384, 21_846 * 768), "level1:NHR");
    // 6 cards: not a multiple of 4, half as much: 512 KiB / 2 servers.
    assert_eq!(at(AllGather, (2, 6), 256 * KIB * 12), "flat NHR");
    assert_eq!(at(AllGather, (2, 6), (256 * KIB + 1) * 12), "level1:ring");
    assert_eq!(at(ReduceScatter, cm384, 21_846 * 768), "level1:NHR");
    assert_eq!(at(AllToAll, cm384, 1), "fullmesh in groups of 8");
    // Large, on one server: the double ring, for which a mesh stands; it has as many steps as a ring.
    for (collective, algorithm, n_steps) in [
        (AllReduce, "two_shot", 30),
        (Broadcast, "two_shot", 30),
        (Reduce, "two_shot", 30),
        (AllGather, "direct", 15),
        (ReduceScatter, "direct", 15),
    ] {
        let ruling = ruling("hccl-a3", collective, &team(1, 16), 1 << 30);
        assert_eq!(
            (ruling.algorithm, ruling.n_steps),
            (algorithm, Some(n_steps))
        );
        assert_eq!(ruling.regime, Regime::Bulk);
    }
    // With the vector cores: R > 8: below 8 MiB; R <= 8: up to 512 KiB.
    let aiv = |collective, servers, size| choice("hccl-a3-aiv", collective, servers, size);
    assert_eq!(aiv(AllReduce, cm384, 8 * MIB - 1), "AIV mesh");
    assert_eq!(aiv(AllReduce, cm384, 8 * MIB), "flat NHR");
    assert_eq!(aiv(AllReduce, (2, 4), 512 * KIB), "AIV mesh");
    assert_eq!(aiv(AllReduce, (2, 4), 512 * KIB + 1), "flat NHR");
    // More than 16 ranks: blocks of 32 KiB to gather, of 128 KiB to reduce.
    assert_eq!(aiv(AllGather, cm384, 32 * KIB * 768), "AIV mesh");
    assert_eq!(aiv(AllGather, cm384, (32 * KIB + 1) * 768), "level1:NHR");
    assert_eq!(aiv(ReduceScatter, cm384, 128 * KIB * 768), "AIV mesh");
    assert_eq!(
        aiv(ReduceScatter, cm384, (128 * KIB + 1) * 768),
        "level1:NHR"
    );
    assert_eq!(aiv(AllToAll, cm384, 1 << 40), "AIV mesh");
    assert_eq!(
        aiv(AllToAll, (1, 16), 512 * KIB + 1),
        "fullmesh in groups of 8"
    );
}

#[test]
fn the_nccl_model_is_the_sum_of_its_tables() {
    let at = |collective, servers, size| choice("nccl", collective, servers, size);
    // One node of 8, 8 bytes: ring LL 6.6 + 14 * 0.6 = 15.0 us, tree LL 6.8 + 2 * 7 * 0.6 = 15.2.
    assert_eq!(at(AllReduce, (1, 8), 8), "ring, LL");
    // Two nodes: ring LL 6.6 + 28 * 1 + 2 * 2.7 = 40 us, tree LL 6.8 + 2 (7 * 0.6 + 5) = 25.2.
    assert_eq!(at(AllReduce, (2, 8), 8), "tree, LL");
    // Large: tree Simple has 0.92 / 2 of the bus, the ring 16/30.
    assert_eq!(at(AllReduce, (2, 8), 1 << 32), "ring, Simple");
    // Two nodes in between. Tree LL: 25.2 us + S / (450 GB/s * 0.5 / 3.8); ring LL: 40 us + S /
    // (450 GB/s * 0.5 * 16/30), equal at 1.7299 MB; tree LL128: 14 + 2 (7 * 1.25 + 8.5) = 48.5 us
    // and S / (450 GB/s * 0.5 * 120/128), equal to ring LL at 2.366 MB.
    assert_eq!(at(AllReduce, (2, 8), 1_729_000), "tree, LL");
    assert_eq!(at(AllReduce, (2, 8), 1_731_000), "ring, LL");
    assert_eq!(at(AllReduce, (2, 8), 2_365_000), "ring, LL");
    assert_eq!(at(AllReduce, (2, 8), 2_367_000), "tree, LL128");
    // One rank on each of 64 nodes, 64 bytes: ring LL 6.6 + 63 * 2.7 = 176.7 us, PAT 8 + 6 * 14 /
    // 3.5 + 2.8 * 64 = 211.2.
    assert_eq!(at(AllGather, (64, 1), 64), "ring, LL");
    // 16 MiB at 50 GB/s: ring LL 176.7 + 660.6 = 837 us; LL128 14 + 63 * 4 + 359 = 625; Simple 8.4 +
    // 63 * 14 + 330 = 1220; PAT 211.2 + 440 = 651. 1 GiB: LL128 266 + 22977, Simple 890 + 21139.
    assert_eq!(at(AllGather, (64, 1), 16 << 20), "ring, LL128");
    assert_eq!(at(AllGather, (64, 1), 1 << 30), "ring, Simple");
    assert_eq!(at(AllToAll, (2, 8), 8), "grouped send and recv");
    assert_eq!(at(Broadcast, (1, 8), 8), "ring, LL");
}

#[test]
fn every_ruling_names_an_algorithm_that_runs_where_there_is_one() {
    for rule in RULES {
        for collective in Collective::ALL {
            for (servers, cards) in [(1, 2), (1, 8), (2, 1), (2, 8), (3, 4), (5, 2), (8, 1)] {
                let team = team(servers, cards);
                if *collective == Collective::SendRecv && team.n_ranks() != 2 {
                    continue;
                }
                for size_bytes in [8, 64 * KIB, MIB, 64 * MIB, 4 << 30] {
                    let situation = Situation {
                        collective: *collective,
                        size_bytes,
                        team: &team,
                        intra_bps: 196_000_000_000,
                        inter_bps: 25_000_000_000,
                        tuning: None,
                    };
                    let Some(ruling) = rule.decide(&situation) else {
                        continue;
                    };
                    let found = algorithm(ruling.algorithm).unwrap();
                    assert!(found.about().collectives.contains(collective));
                    let payload = match collective {
                        Collective::Barrier => Payload::None,
                        // Of tokens, which no size says (`experts.rs` runs these).
                        Collective::Dispatch | Collective::Combine => continue,
                        _ => Payload::Bytes(size_bytes),
                    };
                    let mut problem = Problem::new(*collective, &team, payload);
                    problem.options = ruling.options.clone();
                    let checked = check(found, &problem);
                    assert!(checked.is_ok(), "{}: {ruling:?}: {checked:?}", rule.name());
                }
            }
        }
    }
}

#[test]
fn the_variable_of_hccl_says_operation_and_level_one() {
    let none = Options::default();
    assert_eq!(
        hccl_algo(AllReduce, "nhr", &none).unwrap(),
        "allreduce=level0:NA;level1:NHR"
    );
    let ruling = ruling("hccl-a2", AllGather, &team(4, 8), 32);
    assert_eq!(
        hccl_algo(AllGather, ruling.algorithm, &ruling.options).unwrap(),
        "allgather=level0:NA;level1:NHR"
    );
    assert_eq!(hccl_algo(AllToAll, "direct", &none), None);
    assert_eq!(hccl_algo(Collective::Barrier, "dissemination", &none), None);
}

#[test]
fn the_tuning_of_a_machine_decides_between_protocols() {
    let tuned = |tuning: &Tuning, collective, n, size_bytes| {
        let situation = Situation {
            collective,
            size_bytes,
            team: &team(1, n),
            intra_bps: 1,
            inter_bps: 1,
            tuning: Some(tuning),
        };
        lookup("nccl").unwrap().decide(&situation).unwrap()
    };
    let machine = |bus_GBs, ll_max_GBs, mid_max_GBs, switch_share| Tuning {
        bus_GBs,
        ll_max_GBs,
        mid_max_GBs,
        switch_share,
        spans_nodes: false,
    };
    // The table of `reference/fidelity.md` 2, and what it says these machines were seen to do.
    let a100 = machine(240.0, 87.7, 480.0, None);
    let h100 = machine(360.0, 141.0, 880.8, Some(0.85));
    let b200 = machine(720.0, 282.0, 2348.8, Some(0.74));
    for (tuning, collective, n, size, regime) in [
        // 1 MiB on 2 GPUs: ring LL 6.6 + 2 * 0.6 + 1048.6/87.7 = 19.8 us, Simple 8.4 + 2 * 3.4 +
        // 1048.6/240 = 19.6; on 4: LL 10.2 + 1572.9/87.7 = 28.1, Simple 28.8 + 6.6 = 35.4.
        (&a100, AllReduce, 2, 256 * KIB, Regime::Ll),
        (&a100, AllReduce, 2, MIB, Regime::Bulk),
        (&a100, AllReduce, 4, MIB, Regime::Ll),
        (&a100, AllReduce, 8, MIB, Regime::Ll),
        // 4 MiB: on 4 Simple 8.4 + 10.2 + 3145.7/240 = 31.7, LL128 14 + 5.7 + 3145.7/220.8 = 33.9; on
        // 8 Simple 32.2 + 15.3 = 47.5, LL128 27.3 + 3670/220.8 = 43.9.
        (&a100, AllGather, 4, 4 * MIB, Regime::Bulk),
        (&a100, AllGather, 8, 4 * MIB, Regime::Mid),
        // 16 MiB on 8: LL128 27.3 + 14680/662.4 = 49.5, Simple 32.2 + 14680/720 = 52.6; 64 MiB: 115.9
        // and 113.8.
        (&b200, AllGather, 8, 16 * MIB, Regime::Mid),
        (&b200, ReduceScatter, 8, 16 * MIB, Regime::Mid),
        (&b200, AllGather, 8, 64 * MIB, Regime::Bulk),
        // 64 MiB on 8: NVLS 25 + 67109/(360 * 0.85 * 5/6) = 288 us, ring Simple 56 + 117441/360 = 382.
        // On 4 GPUs there is no NVLS.
        (&h100, AllReduce, 8, 64 * MIB, Regime::Switch),
        (&h100, AllReduce, 4, 64 * MIB, Regime::Bulk),
        (&h100, AllToAll, 8, 128 * KIB, Regime::Ll),
        (&h100, AllToAll, 8, 128 * KIB + 1, Regime::Pair),
    ] {
        let ruling = tuned(tuning, collective, n, size);
        assert_eq!(
            ruling.regime, regime,
            "{collective:?} {n} {size}: {ruling:?}"
        );
    }
}
