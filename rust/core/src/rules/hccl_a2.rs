//! HCCL on Atlas A2: the level-1 cost model (`coll_alg_operator.cc`, cann-hcomm b5f3e5be).
//!
//! With N servers of Lc cards, a latency of 60 us and 20 * 2^30 B/s, and X the time of the transfer:
//! ring 60 (N-1) + (N-1)/N X, NHR 60 ceil(log2 N) + (N-1)/N X, halving-doubling 60 log2 N + (N-1)/N X
//! for N = 2^k and 60 ceil(log2 N) + (2N-1)/N X else; all-reduce is twice that. Of equals ring comes
//! before NHR before halving-doubling. Broadcast and reduce are doubled likewise, have no NHR, and
//! halving-doubling for other N than 2^k takes 60 (1 + 2 floor(log2 N)) + (1 + 2(N-1)/N) X. Before that comes the
//! pipeline: for blocks of 32 KiB and more, and for all-reduces of 1 MiB per rank and more.
//! Assumed: level 0 is a mesh, and RDMA reduces inline. Source: `reference/algorithms.md` 4.1.

use super::{Level1, Rule, Ruling, Situation, mesh, two_level};
use crate::collective::Collective;

#[derive(Debug)]
pub(super) struct HcclA2;

const LATENCY_US: u128 = 60;
const RATE: u128 = 20 << 30;
const PIPELINE_BLOCK_BYTES: u64 = 32 << 10;
const PIPELINE_SHARE_BYTES: u64 = 1 << 20;

impl Rule for HcclA2 {
    fn name(&self) -> &'static str {
        "hccl-a2"
    }

    fn decide(&self, situation: &Situation) -> Option<Ruling> {
        use Collective::{AllGather, AllReduce, AllToAll, ReduceScatter};
        let (n, collective) = (situation.n_servers(), situation.collective);
        if collective.moves_tokens() {
            return None;
        }
        if n == 1
            || matches!(
                collective,
                AllToAll | Collective::SendRecv | Collective::Barrier
            )
        {
            return Some(mesh("level0:fullmesh", collective));
        }
        let is_large = match collective {
            AllGather | ReduceScatter => situation.argument_bytes() >= PIPELINE_BLOCK_BYTES,
            AllReduce => situation.size_bytes / situation.n_ranks() >= PIPELINE_SHARE_BYTES,
            _ => false,
        };
        if is_large && situation.n_cards() > 1 {
            return Some(Ruling::new("level1:pipeline", "pipeline"));
        }
        Some(two_level(situation, "direct", level1(situation)))
    }
}

/// The cheapest algorithm between servers.
pub(super) fn level1(situation: &Situation) -> Level1 {
    use Collective::{AllGather, Broadcast, Reduce, ReduceScatter};
    let (n, cards) = (situation.n_servers(), u128::from(situation.n_cards()));
    let work = u128::from(situation.size_bytes) * 1_000_000;
    // Times cards * n * RATE, so that everything is whole. X is the transfer of one card's share,
    // but of a gather or reduce-scatter that of everything.
    let work = match situation.collective {
        AllGather | ReduceScatter => work * cards,
        _ => work,
    };
    let unit = cards * u128::from(n) * RATE * LATENCY_US;
    let cost = |latencies: u64, nth: u64| u128::from(latencies) * unit + u128::from(nth) * work;
    let (floor, ceil) = (
        u64::from(n.ilog2()),
        u64::from(n.next_power_of_two().ilog2()),
    );
    let is_rooted = matches!(situation.collective, Broadcast | Reduce);
    // A broadcast scatters and gathers; that factor of two is common to the others.
    let ring = if is_rooted {
        cost(2 * (n - 1), 2 * (n - 1))
    } else {
        cost(n - 1, n - 1)
    };
    let halving = match (is_rooted, n.is_power_of_two()) {
        (true, true) => cost(2 * floor, 2 * (n - 1)),
        (true, false) => cost(1 + 2 * floor, n + 2 * (n - 1)),
        (false, true) => cost(floor, n - 1),
        (false, false) => cost(ceil, 2 * n - 1),
    };
    let nhr = (!is_rooted).then(|| cost(ceil, n - 1));
    match nhr {
        Some(nhr) if nhr < ring && nhr <= halving => Level1::Nhr,
        _ if halving < ring => Level1::HalvingDoubling,
        _ => Level1::Ring,
    }
}
