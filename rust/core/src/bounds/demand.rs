//! Demands: what a collective must move between groups of ranks, without saying how.

use std::sync::Arc;

use crate::collective::{Collective, Grain, Layout, Tokens};
use crate::ids::{NodeId, RankId};

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
    /// The tokens of a mixture of experts.
    Tokens(Arc<Tokens>),
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
            Volume::Tokens(tokens) => tokens.n_copies() * tokens.bytes_per_token() == 0,
            Volume::Signals => false,
        }
    }

    /// All bytes of the vector, in units of the second value's inverse.
    pub(super) fn total(&self) -> (u128, u128) {
        match &self.volume {
            Volume::Blocks(blocks) => (blocks.iter().sum(), self.nodes.len() as u128),
            Volume::Counts(counts) => (counts.iter().map(|&c| u128::from(c)).sum(), 1),
            Volume::Tokens(tokens) => (u128::from(tokens.n_copies() * tokens.bytes_per_token()), 1),
            Volume::Signals => (0, 1),
        }
    }

    /// Bytes that must leave and enter a group of ranks, in units of 1/third-value byte. `total` is
    /// [`Self::total`] in its units, which a partition into many groups looks up once.
    pub(super) fn crossing(&self, members: &[usize], total: u128) -> (u128, u128, u128) {
        use Collective::{
            AllGather, AllReduce, AllToAll, Barrier, Broadcast, Combine, Dispatch, Gather, Reduce,
            ReduceScatter, Scatter, SendRecv,
        };
        let blocks = match &self.volume {
            Volume::Counts(counts) => {
                let (out, into) = self.crossing_counts(counts, members);
                return (out, into, 1);
            }
            Volume::Tokens(tokens) => {
                let (out, into) = crossing_tokens(tokens, members);
                return match self.collective {
                    Collective::Combine => (into, out, 1),
                    _ => (out, into, 1),
                };
            }
            Volume::Signals => return (0, 0, 1),
            Volume::Blocks(blocks) => blocks,
        };
        let n = self.nodes.len() as u128;
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
            Barrier | Dispatch | Combine => (0, 0),
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
            (Volume::Tokens(tokens), Collective::Combine) => needs(tokens, dst, src),
            (Volume::Tokens(tokens), _) => needs(tokens, src, dst),
            (_, Collective::Broadcast | Collective::Scatter | Collective::SendRecv) => {
                src == self.root
            }
            (_, Collective::Reduce | Collective::Gather) => dst == self.root,
            _ => true,
        }
    }
}

/// Each token once per rank that needs it.
const ONCE_PER_RANK: Layout = Layout {
    grain: Grain::Rank,
    has_status: false,
};

/// Bytes of tokens out of and into a group: once for all ranks there, which may pass it on.
fn crossing_tokens(tokens: &Arc<Tokens>, members: &[usize]) -> (u128, u128) {
    let copies = tokens.copies(ONCE_PER_RANK);
    let mut inside = vec![false; tokens.n_ranks() as usize];
    for &member in members {
        inside[member] = true;
    }
    let (mut n_out, mut arriving) = (0u64, Vec::new());
    for rank in members.iter().map(|&member| RankId::from_index(member)) {
        let leaves = |token: &u32| {
            tokens
                .homes(*token)
                .iter()
                .any(|home| !inside[home.index()])
        };
        n_out += tokens.of_rank(rank).filter(leaves).count() as u64;
        let due = copies.due_at(rank).iter().copied();
        let from_outside = due.filter(|&chunk| !inside[copies.source(chunk).index()]);
        arriving.extend(from_outside.filter_map(|chunk| copies.token(chunk)));
    }
    arriving.sort_unstable();
    arriving.dedup();
    let bytes = |n_tokens: u64| u128::from(n_tokens) * u128::from(tokens.bytes_per_token());
    (bytes(n_out), bytes(arriving.len() as u64))
}

/// Whether an expert on rank `dst` needs a token of rank `src`.
fn needs(tokens: &Arc<Tokens>, src: usize, dst: usize) -> bool {
    let copies = tokens.copies(ONCE_PER_RANK);
    let between = copies.between(RankId::from_index(src), RankId::from_index(dst));
    !between.is_empty()
}
