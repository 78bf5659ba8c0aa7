//! Where the experts of a mixture of experts are: on which ranks, and in how many replicas.

use crate::csr::Csr;
use crate::ids::RankId;

use super::gating::GatingError;

/// The ranks of every expert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Experts {
    ranks: Csr<u32>,
    n_local: Vec<u32>,
}

impl Experts {
    /// Neighbors side by side: expert e of E on rank floor(e n / E).
    ///
    /// # Errors
    /// Without experts.
    pub fn contiguous(n_experts: u32, n_ranks: u32) -> Result<Self, GatingError> {
        let rank = |e: u64| (e * u64::from(n_ranks) / u64::from(n_experts)) as u32;
        let placement: Vec<Vec<u32>> = (0..n_experts.into()).map(|e| vec![rank(e)]).collect();
        Self::placed(&placement, n_ranks)
    }

    /// The ranks that hold a replica of each expert.
    ///
    /// # Errors
    /// Without experts, or if one has no rank, a rank twice, or one that does not exist.
    pub fn placed(placement: &[Vec<u32>], n_ranks: u32) -> Result<Self, GatingError> {
        if placement.is_empty() {
            return Err(GatingError::TopK {
                top_k: 1,
                n_experts: 0,
            });
        }
        let mut ranks = Csr::default();
        let mut n_local = vec![0; n_ranks as usize];
        for (expert, own) in placement.iter().enumerate() {
            let fail = |what| Err(GatingError::Placement { expert, what });
            if own.is_empty() {
                return fail("must be on at least one rank".to_owned());
            }
            for (i, &rank) in own.iter().enumerate() {
                if rank >= n_ranks {
                    return fail(format!("is on rank {rank}, must be in 0..{n_ranks}"));
                }
                if own[..i].contains(&rank) {
                    return fail(format!("is on rank {rank} twice"));
                }
                n_local[rank as usize] += 1;
            }
            ranks.push_row(own.iter().copied());
        }
        Ok(Self { ranks, n_local })
    }

    /// Number of experts.
    #[expect(clippy::len_without_is_empty, reason = "there is always an expert")]
    pub fn len(&self) -> u32 {
        self.ranks.n_rows() as u32
    }

    /// Replicas on a rank.
    pub fn n_local(&self, rank: RankId) -> u32 {
        self.n_local[rank.index()]
    }

    /// The ranks that hold a replica of an expert.
    pub fn ranks(&self, expert: u32) -> &[u32] {
        self.ranks.row(expert as usize)
    }

    /// The rank that serves an expert: replicas take turns, and `turn` says whose it is.
    pub(super) fn home(&self, expert: u32, turn: usize) -> RankId {
        let replicas = self.ranks.row(expert as usize);
        RankId(replicas[turn % replicas.len()])
    }

    /// The experts across the ranks: the first of every rank (by first replica), the second of
    /// every rank, and so on.
    pub(super) fn across_ranks(&self) -> Vec<u32> {
        let mut n_before = vec![0u32; self.n_local.len()];
        let mut placed: Vec<(u32, u32, u32)> = (0..self.len())
            .map(|expert| {
                let rank = self.ranks.row(expert as usize)[0];
                let place = n_before[rank as usize];
                n_before[rank as usize] += 1;
                (place, rank, expert)
            })
            .collect();
        placed.sort_unstable();
        placed.into_iter().map(|(_, _, expert)| expert).collect()
    }
}
