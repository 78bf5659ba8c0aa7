//! NCCL 2.28: the cheapest of ring, tree and PAT by its tuning model (`src/graph/tuning.cc`).
//!
//! time = latency + bytes / bandwidth over the protocols LL, LL128 and Simple. Latencies in us and
//! shares of the bandwidth are those of the tables; links within a node count as NVLink, between
//! nodes as network. Where the tuning of the machine is known, the bus bandwidth, the caps of LL and
//! LL128 per architecture and NVLS count, and within one node trees do not: with the tuner's
//! correction for them the ring wins at these rank counts. Left out: `CollNet`, the correction of trees
//! across nodes. Assumed: a network overhead of 1 us, three times that for Simple. Sends and
//! receives take LL up to `NCCL_P2P_LL_THRESHOLD`. Source: `reference/algorithms.md` 4.4,
//! `reference/fidelity.md` 2.

use super::{Rule, Ruling, Situation, mesh};
use crate::collective::Collective;
use crate::cost::Regime;

#[derive(Debug)]
pub(super) struct Nccl;

/// LL, LL128, Simple.
const PROTOCOLS: [&str; 3] = ["LL", "LL128", "Simple"];
const REGIMES: [Regime; 3] = [Regime::Ll, Regime::Mid, Regime::Bulk];
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
const NVLS_US: f64 = 25.0;
/// Of the bus, beside the efficiency of the machine.
const NVLS_SHARE: f64 = 5.0 / 6.0;
const NVLS_MIN_RANKS: u64 = 5;
/// Assumed: with eight its two halves overlap to 1/8, and the kernel stays slower than the links.
const NVLS_CHUNKS: i64 = 8;
/// `NCCL_P2P_LL_THRESHOLD`: bytes to one peer.
const PAIR_LL_BYTES: u64 = 16384;

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
            let per_peer_bytes = match collective {
                Collective::SendRecv | Collective::Barrier => situation.size_bytes,
                _ => situation.size_bytes.div_ceil(situation.n_ranks()),
            };
            let regime = match per_peer_bytes {
                ..=PAIR_LL_BYTES => Regime::Ll,
                _ => Regime::Pair,
            };
            return Some(mesh("grouped send and recv", collective).by(regime));
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
        let has_trees = n_domains(situation) > 1 || situation.tuning.is_none();
        for (protocol, name) in PROTOCOLS.iter().enumerate() {
            let regime = REGIMES[protocol];
            if collective == AllReduce && has_trees {
                let tree = Ruling::new(&format!("tree, {name}"), "double_binary_tree");
                let tree = tree.by(regime).in_steps(tree_steps(situation));
                consider(tree_us(situation, protocol), tree);
            }
            let choice = format!("ring, {name}");
            let ring = match collective {
                // One send per rank for each slice: latency counts once along the chain.
                Broadcast | Reduce => {
                    Ruling::new(&choice, "chain").in_steps(situation.n_ranks() - 1)
                }
                _ => Ruling::new(&choice, "ring"),
            };
            consider(ring_us(situation, protocol), ring.by(regime));
        }
        if let Some(time_us) = nvls_us(situation) {
            let nvls = Ruling::new("NVLS", "nvls").by(Regime::Switch);
            consider(time_us, nvls.with_int("chunks", NVLS_CHUNKS));
        }
        let is_spread = n_cards(situation) == 1 && n_domains(situation) > 1;
        if is_spread && matches!(collective, AllGather | ReduceScatter) {
            consider(pat_us(situation), Ruling::new("PAT, Simple", "pat"));
        }
        best.map(|(_, ruling)| ruling)
    }
}

/// Groups of ranks that NVLink joins: nodes, or supernodes where it spans nodes.
fn n_domains(situation: &Situation) -> u64 {
    match situation.tuning {
        Some(tuning) if tuning.spans_nodes => situation.n_pods(),
        _ => situation.n_servers(),
    }
}

/// Ranks of one of them, on average rounded up.
fn n_cards(situation: &Situation) -> u64 {
    situation.n_ranks().div_ceil(n_domains(situation))
}

/// Bytes per second of the bus: within two nodes their own links, beyond the network.
fn bus_bps(situation: &Situation) -> f64 {
    match (n_domains(situation), situation.tuning) {
        (1, Some(tuning)) => tuning.bus_GBs * 1e9,
        (..=2, _) => situation.intra_bps as f64,
        _ => situation.inter_bps as f64,
    }
}

/// Microseconds for the bytes at a share of the bus.
fn serial_us(situation: &Situation, share: f64) -> f64 {
    situation.size_bytes as f64 / (bus_bps(situation) * share) * 1e6
}

/// The share of the bus that a protocol of the ring has, at most what its architecture carries.
fn ring_share(situation: &Situation, protocol: usize) -> f64 {
    let Some(tuning) = situation.tuning else {
        return RING_SHARE[protocol];
    };
    let most = [tuning.ll_max_GBs, tuning.mid_max_GBs, f64::INFINITY][protocol];
    RING_SHARE[protocol].min(most * 1e9 / bus_bps(situation))
}

/// Reduction by the switches of one node; none where there is none.
fn nvls_us(situation: &Situation) -> Option<f64> {
    let share = situation.tuning?.switch_share?;
    let fits = situation.collective == Collective::AllReduce
        && n_domains(situation) == 1
        && situation.n_ranks() >= NVLS_MIN_RANKS;
    fits.then(|| NVLS_US + serial_us(situation, share * NVLS_SHARE))
}

fn ring_us(situation: &Situation, protocol: usize) -> f64 {
    let (n, servers) = (situation.n_ranks() as f64, n_domains(situation) as f64);
    let (steps, between) = match situation.collective {
        Collective::AllReduce => (2.0 * (n - 1.0), 2.0 * (servers - 1.0)),
        Collective::AllGather | Collective::ReduceScatter => (n - 1.0, servers - 1.0),
        _ => (n, servers - 1.0),
    };
    let mut inside_us = RING_NVLINK_US[protocol];
    if n_domains(situation) > 1 {
        inside_us = inside_us.max(NET_OVERHEAD_US[protocol]);
    }
    let mut latency_us =
        RING_BASE_US[protocol] + (steps - between) * inside_us + between * RING_NET_US[protocol];
    let is_penalized = protocol == 2
        && n_domains(situation) > 1
        && situation.collective == Collective::AllReduce
        && situation.size_bytes / situation.n_ranks() >= RING_SIMPLE_BYTES;
    if is_penalized {
        latency_us *= RING_SIMPLE_PENALTY;
    }
    latency_us + serial_us(situation, ring_share(situation, protocol) * n / steps)
}

fn tree_us(situation: &Situation, protocol: usize) -> f64 {
    let (cards, servers) = (n_cards(situation) as f64, n_domains(situation) as f64);
    let latency_us = TREE_BASE_US[protocol]
        + 2.0 * ((cards - 1.0) * TREE_NVLINK_US[protocol] + servers.log2() * TREE_NET_US[protocol]);
    let shares = TREE_SHARE[usize::from(n_domains(situation) > 1)];
    latency_us + serial_us(situation, shares[protocol] * 0.5)
}

/// Up the chain inside a node and the tree between nodes, and down again.
fn tree_steps(situation: &Situation) -> u64 {
    let between = n_domains(situation).next_power_of_two().ilog2();
    2 * (n_cards(situation) - 1 + u64::from(between))
}

fn pat_us(situation: &Situation) -> f64 {
    let (n, servers) = (situation.n_ranks() as f64, n_domains(situation) as f64);
    let latency_us = PAT_BASE_US + servers.log2() * PAT_NET_US / 3.5 + 2.8 * n;
    latency_us + serial_us(situation, PAT_SHARE * n / (n - 1.0))
}
