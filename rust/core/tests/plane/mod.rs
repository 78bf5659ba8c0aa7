//! One UB plane of a CM384 as a bare workload: what the event engine is given when nothing about the
//! work is symmetric.
//!
//! Ranks fill the dies node by node, 16 dies a node. A message crosses the link of its source die,
//! between nodes one of the 16 links up from its node and one down to the other, and the link of its
//! destination die; every link carries 28 GB/s [CM-v2 3.3.3, as in `presets/cm384.rs`]. Latencies are
//! those of `model.md`: 1.2 us within a node and 1.9 us between nodes.

use cm_core::engine::workload::{Workload, WorkloadBuilder};
use cm_core::splitmix::splitmix64;

const DIES_PER_NODE: u32 = 16;
const CHIPS: u32 = 16;
const RATE_BPS: u64 = 28_000_000_000;

/// A plane with some ranks on it, and the messages between them.
pub(crate) struct Plane {
    builder: WorkloadBuilder,
    up: u32,
    down: u32,
    node_up: u32,
    node_down: u32,
}

impl Plane {
    /// A plane without messages.
    pub(crate) fn new(n_ranks: u32) -> Self {
        let mut builder = WorkloadBuilder::default();
        let n_nodes = n_ranks.div_ceil(DIES_PER_NODE);
        let mut block = |n: u32| {
            let ids: Vec<u32> = (0..n).map(|_| builder.resource(RATE_BPS)).collect();
            ids[0]
        };
        let (up, node_up) = (block(n_ranks), block(n_nodes * CHIPS));
        let (node_down, down) = (block(n_nodes * CHIPS), block(n_ranks));
        Self {
            builder,
            up,
            down,
            node_up,
            node_down,
        }
    }

    /// Adds a message through the L2 chip `chip`, which both ends in one node do without.
    pub(crate) fn send(
        &mut self,
        (src, dst): (u32, u32),
        chip: u32,
        size_bytes: u64,
        depends_on: &[u32],
        follows: &[u32],
    ) -> u32 {
        let (from, to) = (src / DIES_PER_NODE, dst / DIES_PER_NODE);
        let (up, down) = (self.up + src, self.down + dst);
        let route = if from == to {
            let shares = [up, down].map(|link| (link, 1, 1));
            self.builder.route(shares, 1_200_000, 0)
        } else {
            let node_up = self.node_up + from * CHIPS + chip;
            let node_down = self.node_down + to * CHIPS + chip;
            let shares = [up, node_up, node_down, down].map(|link| (link, 1, 1));
            self.builder.route(shares, 1_900_000, 0)
        };
        let edges = |edges: &[u32]| edges.to_vec();
        let (data, order) = (edges(depends_on), edges(follows));
        self.builder
            .op(route, (size_bytes.into(), 1), 0, data, order)
    }

    /// The workload.
    pub(crate) fn build(self) -> Workload {
        self.builder
            .build()
            .expect("messages only follow earlier ones")
    }

    fn all_to_all(
        &mut self,
        ranks: &[u32],
        chip: impl Fn(u32, u32) -> u32,
        size_bytes: impl Fn(u32, u32) -> u64,
    ) {
        for &src in ranks {
            for &dst in ranks {
                if src != dst {
                    self.send((src, dst), chip(src, dst), size_bytes(src, dst), &[], &[]);
                }
            }
        }
    }
}

fn hash(src: u32, dst: u32) -> u64 {
    splitmix64(u64::from(src) << 32 | u64::from(dst))
}

fn balanced_chip(src: u32, dst: u32) -> u32 {
    (src + dst) % CHIPS
}

/// All-to-all of 64 KiB a pair, the L2 chip of each pair by hash: equal sizes, unequal loads.
pub(crate) fn hashed_all_to_all(n_ranks: u32) -> Workload {
    let mut plane = Plane::new(n_ranks);
    let ranks: Vec<u32> = (0..n_ranks).collect();
    let chip = |src: u32, dst: u32| (hash(src, dst) % u64::from(CHIPS)) as u32;
    plane.all_to_all(&ranks, chip, |_, _| 65_536);
    plane.build()
}

/// All-to-all-v of a mixture of experts, with popular destinations: messages of whole tokens, so that
/// some sizes are alike, or with tokens of one byte hardly any.
pub(crate) fn skewed_all_to_all(n_ranks: u32, token_bytes: u64) -> Workload {
    let mut plane = Plane::new(n_ranks);
    let ranks: Vec<u32> = (0..n_ranks).collect();
    let size_bytes = |src: u32, dst: u32| {
        let rank = (splitmix64(dst.into()) % 97 + 1) as f64;
        let spread = 0.5 + (hash(src, dst) % 1_000_003) as f64 / 1_000_003.0;
        let tokens = 163_840.0 * spread / rank.sqrt() / token_bytes as f64;
        token_bytes * (1 + tokens as u64)
    };
    plane.all_to_all(&ranks, balanced_chip, size_bytes);
    plane.build()
}

/// Three collectives at once on the same links: an all-to-all of the even ranks, a ring all-reduce
/// of the odd ones, and a halving-doubling all-reduce of the largest power of two. Sizes in the
/// latter two are uneven by up to `uneven` in 1,024.
pub(crate) fn mixed(n_ranks: u32, uneven: u64) -> Workload {
    let mut n_sent = 0;
    let mut size = |even: u64| {
        n_sent += 1;
        even + even * (splitmix64(n_sent) % (uneven + 1)) / 1024
    };
    let mut plane = Plane::new(n_ranks);
    let even: Vec<u32> = (0..n_ranks).step_by(2).collect();
    plane.all_to_all(&even, balanced_chip, |_, _| 65_536);

    let odd: Vec<u32> = (1..n_ranks).step_by(2).collect();
    let n = odd.len();
    let mut previous: Vec<u32> = Vec::new();
    for _ in 0..2 * (n - 1) {
        let step = (0..n).map(|at| {
            let pair = (odd[at], odd[(at + 1) % n]);
            let data = previous.get((at + n - 1) % n).copied();
            let own = previous.get(at).copied();
            let chip = balanced_chip(pair.0, pair.1);
            plane.send(pair, chip, size(1 << 18), data.as_slice(), own.as_slice())
        });
        previous = step.collect();
    }

    let log = n_ranks.ilog2();
    let mut previous: Vec<u32> = Vec::new();
    let mut partner_bit = 0;
    for step in 0..2 * log {
        let bit = if step < log {
            log - 1 - step
        } else {
            step - log
        };
        let sends = (0..1 << log).map(|rank: u32| {
            let pair = (rank, rank ^ (1 << bit));
            let data = previous.get((rank ^ partner_bit) as usize).copied();
            let own = previous.get(rank as usize).copied();
            let size_bytes = size((16 << 20) >> (log - bit));
            let chip = balanced_chip(pair.0, pair.1);
            plane.send(pair, chip, size_bytes, data.as_slice(), own.as_slice())
        });
        previous = sends.collect();
        partner_bit = 1 << bit;
    }
    plane.build()
}
