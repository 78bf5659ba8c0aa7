//! Copies: tokens as the chunks of a schedule.
//!
//! A library may send a token once to each of its experts, once to each rank that has some of them,
//! or once to a node and on from there. In the first two cases a chunk is what goes from one rank
//! to one other, in the last it is the token itself, due at several ranks. Chunks are numbered by
//! source, then (in the first two) by destination, so that all that one rank has for another is a
//! range; a source's chunks may end with a status block for each rank.

use std::sync::Arc;

use super::tokens::Tokens;
use crate::csr::Csr;
use crate::ids::RankId;

/// What a chunk of data is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Grain {
    /// A token for one expert.
    Expert,
    /// A token for one rank, however many of its experts are there.
    Rank,
    /// A token for all ranks of its experts.
    Token,
}

/// What the chunks of a schedule are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Layout {
    /// What a chunk of data is.
    pub grain: Grain,
    /// Whether every rank has a status block for every rank too.
    pub has_status: bool,
}

impl Layout {
    /// How many there are.
    pub(super) const COUNT: usize = 6;

    /// Its number.
    pub(super) fn index(self) -> usize {
        let grain = match self.grain {
            Grain::Expert => 0,
            Grain::Rank => 1,
            Grain::Token => 2,
        };
        2 * grain + usize::from(self.has_status)
    }
}

/// The chunks: from whom, to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copies {
    /// The first chunk of each source, and the number of all.
    first: Vec<u32>,
    /// The first status block of each source.
    first_status: Vec<u32>,
    /// The ranks that need each chunk, ascending.
    ends: Csr<RankId>,
    /// The chunks that each rank needs, ascending.
    due: Csr<u32>,
    /// The chunks of data of each token.
    of_token: Csr<u32>,
    /// The token of each chunk, or `STATUS`.
    token: Vec<u32>,
}

const STATUS: u32 = u32::MAX;

impl Copies {
    pub(super) fn of(tokens: &Tokens, layout: Layout) -> Self {
        let n = tokens.n_ranks();
        let mut copies = Self {
            first: vec![0],
            first_status: Vec::new(),
            ends: Csr::with_capacity(tokens.n_tokens() as usize, tokens.n_copies() as usize),
            due: Csr::default(),
            of_token: Csr::with_capacity(tokens.n_tokens() as usize, tokens.n_copies() as usize),
            token: Vec::with_capacity(tokens.n_copies() as usize),
        };
        for source in (0..n).map(RankId) {
            match layout.grain {
                Grain::Token => copies.push_tokens(tokens, source),
                Grain::Expert | Grain::Rank => copies.push_pairs(tokens, source, layout.grain),
            }
            copies.first_status.push(copies.len());
            for end in (0..n).filter(|_| layout.has_status).map(RankId) {
                copies.ends.push_row([end]);
                copies.token.push(STATUS);
            }
            copies.first.push(copies.len());
        }
        let mut due: Vec<Vec<u32>> = vec![Vec::new(); n as usize];
        for (chunk, ends) in copies.ends.rows().enumerate() {
            for end in ends {
                due[end.index()].push(chunk as u32);
            }
        }
        for chunks in due {
            copies.due.push_row(chunks);
        }
        copies
    }

    fn push_tokens(&mut self, tokens: &Tokens, source: RankId) {
        for token in tokens.of_rank(source) {
            let mut ends = tokens.homes(token).to_vec();
            ends.sort_unstable();
            ends.dedup();
            self.of_token.push_row([self.len()]);
            self.ends.push_row(ends);
            self.token.push(token);
        }
    }

    fn push_pairs(&mut self, tokens: &Tokens, source: RankId, grain: Grain) {
        let own = tokens.of_rank(source);
        let mut pairs: Vec<(RankId, u32)> = own
            .clone()
            .flat_map(|token| tokens.homes(token).iter().map(move |&home| (home, token)))
            .collect();
        pairs.sort_unstable();
        if grain == Grain::Rank {
            pairs.dedup();
        }
        let mut of_token: Vec<Vec<u32>> = vec![Vec::new(); own.len()];
        for (home, token) in pairs {
            of_token[(token - own.start) as usize].push(self.len());
            self.ends.push_row([home]);
            self.token.push(token);
        }
        for chunks in of_token {
            self.of_token.push_row(chunks);
        }
    }

    /// Number of chunks.
    pub fn len(&self) -> u32 {
        self.ends.n_rows() as u32
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rank whose token a chunk is.
    pub fn source(&self, chunk: u32) -> RankId {
        RankId(self.first.partition_point(|&first| first <= chunk) as u32 - 1)
    }

    /// The ranks that need a chunk, ascending.
    pub fn ends(&self, chunk: u32) -> &[RankId] {
        self.ends.row(chunk as usize)
    }

    /// The chunks that a rank needs, ascending.
    pub fn due_at(&self, rank: RankId) -> &[u32] {
        self.due.row(rank.index())
    }

    /// The chunks of data of a token.
    pub fn of_token(&self, token: u32) -> &[u32] {
        self.of_token.row(token as usize)
    }

    /// All chunks of a source: data, then status.
    pub fn of_source(&self, source: RankId) -> std::ops::Range<u32> {
        self.first[source.index()]..self.first[source.index() + 1]
    }

    /// The chunks of data of a source.
    pub fn data_of(&self, source: RankId) -> std::ops::Range<u32> {
        self.first[source.index()]..self.first_status[source.index()]
    }

    /// The data that a source has for one rank, where a chunk is due at one rank only.
    pub fn between(&self, source: RankId, end: RankId) -> std::ops::Range<u32> {
        let data = self.data_of(source);
        let place = |is_before: &dyn Fn(RankId) -> bool| {
            let (mut low, mut high) = (data.start, data.end);
            while low < high {
                let middle = u32::midpoint(low, high);
                if is_before(self.ends(middle)[0]) {
                    low = middle + 1;
                } else {
                    high = middle;
                }
            }
            low
        };
        place(&|other| other < end)..place(&|other| other <= end)
    }

    /// The status block of a source for a rank.
    pub fn status(&self, source: RankId, end: RankId) -> u32 {
        self.first_status[source.index()] + end.0
    }

    /// The token of a chunk; none of a status block.
    pub fn token(&self, chunk: u32) -> Option<u32> {
        Some(self.token[chunk as usize]).filter(|&token| token != STATUS)
    }
}

/// Tokens as the chunks of one schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// The tokens.
    pub tokens: Arc<Tokens>,
    /// What the chunks are.
    pub layout: Layout,
}

impl Traffic {
    /// The chunks.
    pub fn copies(&self) -> &Copies {
        self.tokens.copies(self.layout)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Experts, Gating};
    use super::*;

    /// Two ranks with two experts each and two tokens each; both tokens of rank 0 go to experts 1
    /// and 3, those of rank 1 to experts 0 and 1, which share a rank.
    fn tokens() -> Tokens {
        let experts = Experts::contiguous(4, 2).unwrap();
        let gating = Gating::Chosen(vec![1, 3, 1, 3, 0, 1, 0, 1]);
        Tokens::new(&[2, 2], 2, experts, &gating, (5, 10)).unwrap()
    }

    fn copies(grain: Grain, has_status: bool) -> Arc<Copies> {
        tokens().copies(Layout { grain, has_status }).clone()
    }

    #[test]
    fn a_chunk_is_a_copy_per_expert_per_rank_or_the_token_itself() {
        // Rank 0: two for itself and two for rank 1; rank 1: four for rank 0, or two if the
        // experts there share them.
        let each = copies(Grain::Expert, false);
        assert_eq!(each.len(), 8);
        assert_eq!(each.between(RankId(0), RankId(1)), 2..4);
        assert_eq!(each.between(RankId(1), RankId(0)), 4..8);
        assert_eq!(each.between(RankId(1), RankId(1)), 8..8);
        assert_eq!(each.of_token(1), [1, 3]);
        assert_eq!(each.due_at(RankId(0)), [0, 1, 4, 5, 6, 7]);
        let shared = copies(Grain::Rank, false);
        assert_eq!((shared.len(), shared.source(4)), (6, RankId(1)));
        let whole = copies(Grain::Token, false);
        assert_eq!(whole.len(), 4);
        assert_eq!(whole.ends(0), [RankId(0), RankId(1)]);
        assert_eq!(whole.ends(3), [RankId(0)]);
    }

    #[test]
    fn status_blocks_follow_the_data_of_their_source() {
        let copies = copies(Grain::Rank, true);
        assert_eq!(copies.len(), 6 + 4);
        assert_eq!(copies.of_source(RankId(0)), 0..6);
        assert_eq!(copies.status(RankId(0), RankId(1)), 5);
        assert_eq!(copies.ends(5), [RankId(1)]);
        let is_status: Vec<bool> = (0..10).map(|chunk| copies.token(chunk).is_none()).collect();
        assert_eq!(is_status.iter().filter(|is| **is).count(), 4);
        assert!(is_status[4] && is_status[5] && !is_status[6]);
    }
}
