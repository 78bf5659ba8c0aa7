//! NCCL 2.28: the cheapest of ring, tree and PAT by its tuning model (`src/graph/tuning.cc`).
//!
//! time = latency + bytes / bandwidth over the protocols LL, LL128 and Simple. Latencies in us and
//! shares of the bandwidth are those of the tables; links within a node count as NVLink, between
//! nodes as network. Left out: NVLS and `CollNet` (they need reduction in the switch), the correction
//! table of trees by size, caps per channel and architecture. Assumed: a network overhead of 1 us,
//! three times that for Simple. Source: `reference/algorithms.md` 4.4.

use super::{Rule, Ruling, Situation, mesh};
use crate::collective::Collective;

#[derive(Debug)]
pub(super) struct Nccl;

/// LL, LL128, Simple.
const PROTOCOLS: [&str; 3] = ["LL", "LL128", "Simple"];
const TREE_BASE_US: [f64; 3] = [6.8, 14.0, 8.4];
const RING_BASE_US: [f64; 3] = [6.6, 14.0, 8.4];
const PAT_BASE_US: f64 = 8.0;
const TREE_NVLINK_US: [f64; 3] = [0.6, 1.25, 4.0];
const RING_NVLINK_US: [f64; 3] = [0.6, 1.9, 3.4];
const TREE_NET_US: [f64; 3] = [5.0, 8.5, 14.0];
const RING_NET_US: [f64; 3] = [2.7, 4.0, 14.0];
const PAT_NET_US: f64 = 14.0;
const NET_OVERHEAD_US: [f64; 3] = [1.0, 1.0, 3.0];
const RING_SHARE: [f64; 3] = [0.5, 0.92, 1.0];
/// Of trees within one node and across nodes.
const TREE_SHARE: [[f64; 3]; 2] = [
    [1.0 / 3.8, 7.0 / 9.0, 0.92],
    [1.0 / 3.8, 120.0 / 128.0, 0.92],
];
const PAT_SHARE: f64 = 0.75;
/// From 64 bytes per rank on, a ring all-reduce across nodes pays more latency with Simple.
const RING_SIMPLE_PENALTY: f64 = 1.4;
const RING_SIMPLE_BYTES: u64 = 64;

impl Rule for Nccl {
    fn name(&self) -> &'static str {
        "nccl"
    }

    fn decide(&self, situation: &Situation) -> Option<Ruling> {
        use Collective::{AllGather, AllReduce, Broadcast, Reduce, ReduceScatter};
        let collective = situation.collective;
        if collective.moves_tokens() {
            return None;
        }
        if !matches!(
            collective,
            AllReduce | AllGather | ReduceScatter | Broadcast | Reduce
        ) {
            // Sends and receives, all at once.
            return Some(mesh("grouped send and recv", collective));
        }
        if situation.n_ranks() == 1 {
            return None;
        }
        let mut best: Option<(f64, Ruling)> = None;
        let mut consider = |time_us: f64, ruling: Ruling| {
            if best.as_ref().is_none_or(|(best_us, _)| time_us < *best_us) {
                best = Some((time_us, ruling));
            }
        };
        for (protocol, name) in PROTOCOLS.iter().enumerate() {
            if collective == AllReduce {
                let tree = Ruling::new(&format!("tree, {name}"), "double_binary_tree");
                consider(tree_us(situation, protocol), tree);
            }
            let choice = format!("ring, {name}");
            let ring = match collective {
                Broadcast | Reduce => Ruling::new(&choice, "chain"),
                _ => Ruling::new(&choice, "ring"),
            };
            consider(ring_us(situation, protocol), ring);
        }
        let is_spread = situation.n_cards() == 1 && situation.n_servers() > 1;
        if is_spread && matches!(collective, AllGather | ReduceScatter) {
            consider(pat_us(situation), Ruling::new("PAT, Simple", "pat"));
        }
        best.map(|(_, ruling)| ruling)
    }
}

/// Microseconds for the bytes at a share of the bus: within two nodes their own links, beyond the
/// network.
fn serial_us(situation: &Situation, share: f64) -> f64 {
    let is_near = situation.n_servers() <= 2;
    let bus_bps = if is_near {
        situation.intra_bps
    } else {
        situation.inter_bps
    };
    situation.size_bytes as f64 / (bus_bps as f64 * share) * 1e6
}

fn ring_us(situation: &Situation, protocol: usize) -> f64 {
    let (n, servers) = (situation.n_ranks() as f64, situation.n_servers() as f64);
    let (steps, between) = match situation.collective {
        Collective::AllReduce => (2.0 * (n - 1.0), 2.0 * (servers - 1.0)),
        Collective::AllGather | Collective::ReduceScatter => (n - 1.0, servers - 1.0),
        _ => (n, servers - 1.0),
    };
    let mut inside_us = RING_NVLINK_US[protocol];
    if situation.n_servers() > 1 {
        inside_us = inside_us.max(NET_OVERHEAD_US[protocol]);
    }
    let mut latency_us =
        RING_BASE_US[protocol] + (steps - between) * inside_us + between * RING_NET_US[protocol];
    let is_penalized = protocol == 2
        && situation.n_servers() > 1
        && situation.collective == Collective::AllReduce
        && situation.size_bytes / situation.n_ranks() >= RING_SIMPLE_BYTES;
    if is_penalized {
        latency_us *= RING_SIMPLE_PENALTY;
    }
    latency_us + serial_us(situation, RING_SHARE[protocol] * n / steps)
}

fn tree_us(situation: &Situation, protocol: usize) -> f64 {
    let (cards, servers) = (situation.n_cards() as f64, situation.n_servers() as f64);
    let latency_us = TREE_BASE_US[protocol]
        + 2.0 * ((cards - 1.0) * TREE_NVLINK_US[protocol] + servers.log2() * TREE_NET_US[protocol]);
    let shares = TREE_SHARE[usize::from(situation.n_servers() > 1)];
    latency_us + serial_us(situation, shares[protocol] * 0.5)
}

fn pat_us(situation: &Situation) -> f64 {
    let (n, servers) = (situation.n_ranks() as f64, situation.n_servers() as f64);
    let latency_us = PAT_BASE_US + servers.log2() * PAT_NET_US / 3.5 + 2.8 * n;
    latency_us + serial_us(situation, PAT_SHARE * n / (n - 1.0))
}
