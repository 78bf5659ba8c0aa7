//! Demands: what a collective must move between groups of ranks, without saying how.

use crate::collective::Collective;
use crate::ids::NodeId;

/// What a collective must move, without saying how.
#[derive(Debug, Clone)]
pub struct Demand<'a> {
    /// The collective.
    pub collective: Collective,
    /// The fabric node of each rank.
    pub nodes: &'a [NodeId],
    /// The root of a rooted collective.
    pub root: usize,
    /// What there is to move.
    pub volume: Volume,
}

/// The bytes of a demand.
#[derive(Debug, Clone)]
pub enum Volume {
    /// A vector of bytes in blocks, one per rank where the collective has blocks: each block's size
    /// in units of 1/n byte, so that equal parts of any size are exact.
    Blocks(Vec<u128>),
    /// Bytes from row to column, row major (all-to-all-v).
    Counts(Vec<u64>),
    /// Nothing but signals.
    Signals,
}

impl Volume {
    /// `size_bytes` in equal parts for `n` ranks.
    pub fn equal(size_bytes: u64, n: usize) -> Self {
        Self::Blocks(vec![u128::from(size_bytes); n])
    }
}

impl Demand<'_> {
    pub(super) fn is_empty(&self) -> bool {
        match &self.volume {
            Volume::Blocks(blocks) => blocks.iter().all(|&block| block == 0),
            Volume::Counts(counts) => counts.iter().all(|&count| count == 0),
            Volume::Signals => false,
        }
    }

    /// All bytes of the vector, in units of the second value's inverse.
    pub(super) fn total(&self) -> (u128, u128) {
        match &self.volume {
            Volume::Blocks(blocks) => (blocks.iter().sum(), self.nodes.len() as u128),
            Volume::Counts(counts) => (counts.iter().map(|&c| u128::from(c)).sum(), 1),
            Volume::Signals => (0, 1),
        }
    }

    /// Bytes that must leave and enter a group of ranks, in units of 1/third-value byte.
    pub(super) fn crossing(&self, members: &[usize]) -> (u128, u128, u128) {
        use Collective::{
            AllGather, AllReduce, AllToAll, Barrier, Broadcast, Gather, Reduce, ReduceScatter,
            Scatter, SendRecv,
        };
        let blocks = match &self.volume {
            Volume::Counts(counts) => {
                let (out, into) = self.crossing_counts(counts, members);
                return (out, into, 1);
            }
            Volume::Signals => return (0, 0, 1),
            Volume::Blocks(blocks) => blocks,
        };
        let n = self.nodes.len() as u128;
        let total: u128 = blocks.iter().sum();
        let own: u128 = members.iter().map(|&rank| blocks[rank]).sum();
        let has_root = members.contains(&self.root);
        let (out, into) = match self.collective {
            AllReduce => (total, total),
            AllGather => (own, total - own),
            ReduceScatter => (total - own, own),
            // Each rank sends one block of S/n to every rank: m (n-m) blocks cross either way.
            AllToAll => {
                let crossing = own * (n - members.len() as u128);
                return (crossing, crossing, n);
            }
            Broadcast | SendRecv if has_root => (total, 0),
            Broadcast | SendRecv => (0, total),
            Reduce if has_root => (0, total),
            Reduce => (total, 0),
            Scatter if has_root => (total - own, 0),
            Scatter => (0, own),
            Gather if has_root => (0, total - own),
            Gather => (own, 0),
            Barrier => (0, 0),
        };
        (out, into, n)
    }

    fn crossing_counts(&self, counts: &[u64], members: &[usize]) -> (u128, u128) {
        let n = self.nodes.len();
        let mut inside = vec![false; n];
        for &member in members {
            inside[member] = true;
        }
        let (mut out, mut into) = (0, 0);
        for &member in members {
            for peer in (0..n).filter(|&peer| !inside[peer]) {
                out += u128::from(counts[member * n + peer]);
                into += u128::from(counts[peer * n + member]);
            }
        }
        (out, into)
    }

    /// Whether rank `src` has something that rank `dst` must learn.
    pub(super) fn exchanges(&self, src: usize, dst: usize) -> bool {
        if src == dst {
            return false;
        }
        match (&self.volume, self.collective) {
            (Volume::Counts(counts), _) => counts[src * self.nodes.len() + dst] > 0,
            (_, Collective::Broadcast | Collective::Scatter | Collective::SendRecv) => {
                src == self.root
            }
            (_, Collective::Reduce | Collective::Gather) => dst == self.root,
            _ => true,
        }
    }
}
