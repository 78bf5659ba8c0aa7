//! Pre- and postcondition of each collective, as sets of contributions per (rank, chunk).
//!
//! State `K[r][c]` is the set of ranks whose data is summed in rank r's copy of chunk c; the empty set
//! means that nothing valid is there. A collective is a table of who holds what before and after;
//! whatever turns the one into the other by legal transfers is correct. Barriers are knowledge: the
//! set of ranks known to have entered. Source: Thakur, Rabenseifner, Gropp 2005 (definitions),
//! `reference/algorithms.md` section 1.

use super::{Collective, Copies};
use crate::ids::RankId;

/// Which ranks a condition speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Every rank.
    Everyone,
    /// One rank; the others hold nothing (before) or anything (after).
    Only(RankId),
    /// The ranks whose experts need the chunk; likewise.
    Ends,
}

/// Which contributions such a rank holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Its own.
    Own,
    /// That of one rank.
    Of(RankId),
    /// Those of all ranks.
    All,
    /// Those of the ranks whose experts had the chunk.
    Ends,
}

/// The conditions of one collective on one team, chunk by chunk.
#[derive(Clone, Copy, Debug)]
pub struct Conditions<'a> {
    /// The collective.
    pub collective: Collective,
    /// Ranks in the team.
    pub n_ranks: u32,
    /// The root of a rooted collective.
    pub root: RankId,
    /// Chunks in the schedule: a multiple of the collective's blocks.
    pub n_chunks: u64,
    /// Where tokens go.
    pub copies: Option<&'a Copies>,
}

impl<'a> Conditions<'a> {
    /// Who holds what of a chunk before.
    pub fn before(&self, chunk: u64) -> (Who, What) {
        let only = |rank| (Who::Only(rank), What::Of(rank));
        match self.collective {
            Collective::AllReduce
            | Collective::ReduceScatter
            | Collective::Reduce
            | Collective::Barrier => (Who::Everyone, What::Own),
            Collective::AllGather | Collective::Gather => only(RankId(self.block(chunk) as u32)),
            Collective::Broadcast | Collective::Scatter | Collective::SendRecv => only(self.root),
            Collective::AllToAll => {
                only(RankId((self.block(chunk) / u64::from(self.n_ranks)) as u32))
            }
            Collective::Dispatch => only(self.copies().source(chunk as u32)),
            // What a rank's own experts made of a token is summed there.
            Collective::Combine => (Who::Ends, What::Own),
        }
    }

    /// Who must hold what of a chunk after.
    pub fn after(&self, chunk: u64) -> (Who, What) {
        let n = u64::from(self.n_ranks);
        let block = self.block(chunk);
        let owner = RankId(block as u32);
        match self.collective {
            Collective::AllReduce | Collective::Barrier => (Who::Everyone, What::All),
            Collective::ReduceScatter => (Who::Only(owner), What::All),
            Collective::Reduce => (Who::Only(self.root), What::All),
            Collective::AllGather => (Who::Everyone, What::Of(owner)),
            Collective::Gather => (Who::Only(self.root), What::Of(owner)),
            Collective::Broadcast => (Who::Everyone, What::Of(self.root)),
            Collective::Scatter => (Who::Only(owner), What::Of(self.root)),
            Collective::AllToAll => {
                let [source, destination] = [block / n, block % n].map(|rank| RankId(rank as u32));
                (Who::Only(destination), What::Of(source))
            }
            // Two ranks, and the root is the sender.
            Collective::SendRecv => (Who::Only(RankId(1 - self.root.0)), What::Of(self.root)),
            Collective::Dispatch => (Who::Ends, What::Of(self.copies().source(chunk as u32))),
            Collective::Combine => (Who::Only(self.copies().source(chunk as u32)), What::Ends),
        }
    }

    /// Where tokens go.
    ///
    /// # Panics
    /// If the collective moves none.
    pub fn copies(&self) -> &'a Copies {
        self.copies
            .expect("a schedule of tokens knows where they go")
    }

    /// Whether a rank is among those that `who` speaks of.
    pub fn concerns(&self, who: Who, rank: RankId, chunk: u64) -> bool {
        match who {
            Who::Everyone => true,
            Who::Only(only) => only == rank,
            Who::Ends => (self.copies().ends(chunk as u32).binary_search(&rank)).is_ok(),
        }
    }

    /// The chunks of which a rank must hold something after, ascending.
    pub fn due_at(&self, rank: RankId) -> impl Iterator<Item = u64> + use<'a> {
        let (tokens, chunks) = match self.collective {
            Collective::Dispatch => (self.copies().due_at(rank), 0..0),
            Collective::Combine => (&[][..], self.copies().of_source(rank)),
            _ => (&[][..], 0..0),
        };
        let tokens = tokens.iter().copied().chain(chunks).map(u64::from);
        self.blocks_due_at(rank).chain(tokens)
    }

    fn blocks_due_at(&self, rank: RankId) -> impl Iterator<Item = u64> + use<> {
        let n_blocks = self.collective.n_blocks(self.n_ranks);
        let own = u64::from(rank.0);
        let per_block = self.n_chunks / n_blocks;
        let first_only = |is_due: bool| if is_due { 0..n_blocks } else { 0..0 };
        let (blocks, apart) = match self.collective {
            Collective::AllReduce
            | Collective::Barrier
            | Collective::AllGather
            | Collective::Broadcast => (0..n_blocks, 1),
            Collective::ReduceScatter | Collective::Scatter => (own..own + 1, 1),
            Collective::Reduce | Collective::Gather => (first_only(rank == self.root), 1),
            Collective::AllToAll => (own..n_blocks, self.n_ranks),
            Collective::SendRecv => (first_only(rank != self.root), 1),
            Collective::Dispatch | Collective::Combine => (0..0, 1),
        };
        let chunks = move |block| block * per_block..(block + 1) * per_block;
        blocks.step_by(apart as usize).flat_map(chunks)
    }

    /// The block that a chunk is part of.
    fn block(&self, chunk: u64) -> u64 {
        // n_chunks is a multiple of the number of blocks, so the quotient is exact.
        chunk / (self.n_chunks / self.collective.n_blocks(self.n_ranks))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conditions(collective: Collective, n_chunks: u64) -> Conditions<'static> {
        Conditions {
            collective,
            n_ranks: 3,
            root: RankId(1),
            n_chunks,
            copies: None,
        }
    }

    #[test]
    fn an_all_to_all_chunk_goes_from_its_row_to_its_column() {
        // 3 ranks, 2 chunks per block: chunk 15 is in block 7 = 2 * 3 + 1, from rank 2 to rank 1.
        let c = conditions(Collective::AllToAll, 18);
        assert_eq!(c.before(15), (Who::Only(RankId(2)), What::Of(RankId(2))));
        assert_eq!(c.after(15), (Who::Only(RankId(1)), What::Of(RankId(2))));
    }

    #[test]
    fn what_is_due_at_a_rank_is_what_the_chunks_are_due_for() {
        for &collective in Collective::ALL.iter().filter(|c| !c.moves_tokens()) {
            let n_chunks = 2 * collective.n_blocks(3);
            let mut c = conditions(collective, n_chunks);
            c.n_ranks = if collective == Collective::SendRecv {
                2
            } else {
                3
            };
            for rank in (0..c.n_ranks).map(RankId) {
                let is_due = |&chunk: &u64| c.concerns(c.after(chunk).0, rank, chunk);
                let expected: Vec<u64> = (0..n_chunks).filter(is_due).collect();
                assert_eq!(
                    c.due_at(rank).collect::<Vec<_>>(),
                    expected,
                    "{collective:?}"
                );
            }
        }
    }

    #[test]
    fn the_root_scatters_its_own_data() {
        let c = conditions(Collective::Scatter, 6);
        assert_eq!(c.before(5), (Who::Only(RankId(1)), What::Of(RankId(1))));
        assert_eq!(c.after(5), (Who::Only(RankId(2)), What::Of(RankId(1))));
    }
}
