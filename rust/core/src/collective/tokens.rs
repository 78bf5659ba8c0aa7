//! Tokens: what a mixture of experts has to move.
//!
//! Every rank has tokens, and every token is needed by the ranks of its k experts: dispatch brings
//! it there, combine brings what the experts made of it back to be summed. What the chunks of a
//! schedule are depends on the library, and is its [`Grain`]. Source: DeepSeek-AI, "DeepSeek-V3
//! technical report", 2024, section 3.2; `reference/algorithms.md` 3.15.

use std::fmt::Write;
use std::sync::Arc;

use once_cell::race::OnceBox;
use sha2::{Digest, Sha256};

use super::copies::{Copies, Layout};
use super::experts::Experts;
use super::gating::{Gating, GatingError, homes};
use crate::csr::Csr;
use crate::ids::RankId;

/// Copies of tokens in one collective: a schedule holds a few hundred bytes for each.
const MAX_COPIES: u64 = 64_000_000;

/// Tokens, and the ranks whose experts need them.
#[derive(Debug)]
pub struct Tokens {
    n_ranks: u32,
    /// The first token of each rank, and the number of all.
    first: Vec<u32>,
    /// The rank of each expert of each token.
    homes: Csr<RankId>,
    /// The experts themselves, in the same places.
    chosen: Vec<u32>,
    experts: Experts,
    top_k: u32,
    hidden: u32,
    bytes_per_token: u64,
    is_balanced: bool,
    copies: [OnceBox<Arc<Copies>>; Layout::COUNT],
}

/// Bytes of a dispatch, a copy per token and expert: the most of any rank. A combine sends what a
/// dispatch receives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenBytes {
    /// For experts anywhere.
    pub sent: u64,
    /// From ranks anywhere.
    pub received: u64,
    /// For experts on other ranks.
    pub sent_away: u64,
    /// From other ranks.
    pub received_from_afar: u64,
}

impl Tokens {
    /// The tokens of each rank, sent to experts.
    ///
    /// # Errors
    /// If the choice of experts is none.
    pub fn new(
        tokens_of: &[u32],
        top_k: u32,
        experts: Experts,
        gating: &Gating,
        (hidden, bytes_per_token): (u32, u64),
    ) -> Result<Self, GatingError> {
        let n_tokens: u64 = tokens_of.iter().map(|&n| u64::from(n)).sum();
        let got = n_tokens.saturating_mul(top_k.into());
        if got > MAX_COPIES {
            let limit = MAX_COPIES;
            return Err(GatingError::TooMany { got, limit });
        }
        let chosen = gating.choose(tokens_of, top_k, &experts)?;
        let all = homes(&chosen, tokens_of, top_k, &experts);
        let mut homes = Csr::with_capacity(n_tokens as usize, all.len());
        for own in all.chunks_exact(top_k as usize) {
            homes.push_row(own.iter().copied());
        }
        let mut first = vec![0];
        for n in tokens_of {
            first.push(first.last().expect("it starts with 0") + n);
        }
        Ok(Self {
            n_ranks: tokens_of.len() as u32,
            first,
            homes,
            chosen,
            experts,
            top_k,
            hidden,
            bytes_per_token,
            is_balanced: *gating == Gating::Balanced,
            copies: Default::default(),
        })
    }

    /// The same tokens at the same experts, of another size.
    #[must_use]
    pub fn with_bytes(&self, bytes_per_token: u64) -> Self {
        Self {
            n_ranks: self.n_ranks,
            first: self.first.clone(),
            homes: self.homes.clone(),
            chosen: self.chosen.clone(),
            experts: self.experts.clone(),
            top_k: self.top_k,
            hidden: self.hidden,
            bytes_per_token,
            is_balanced: self.is_balanced,
            copies: self.copies.clone(),
        }
    }

    /// Ranks.
    pub fn n_ranks(&self) -> u32 {
        self.n_ranks
    }

    /// Tokens of all ranks.
    pub fn n_tokens(&self) -> u32 {
        self.homes.n_rows() as u32
    }

    /// Copies of tokens, one for each of its experts.
    pub fn n_copies(&self) -> u64 {
        self.homes.n_items() as u64
    }

    /// The tokens of a rank.
    pub fn of_rank(&self, rank: RankId) -> std::ops::Range<u32> {
        self.first[rank.index()]..self.first[rank.index() + 1]
    }

    /// The rank of each expert of a token, in the order chosen.
    pub fn homes(&self, token: u32) -> &[RankId] {
        self.homes.row(token as usize)
    }

    /// The experts of all tokens, token by token.
    pub fn chosen(&self) -> &[u32] {
        &self.chosen
    }

    /// Where the experts are.
    pub fn experts(&self) -> &Experts {
        &self.experts
    }

    /// Experts of a token.
    pub fn top_k(&self) -> u32 {
        self.top_k
    }

    /// Whether tokens are dealt out, rank after rank.
    pub fn is_balanced(&self) -> bool {
        self.is_balanced
    }

    /// Elements of a token.
    pub fn hidden(&self) -> u32 {
        self.hidden
    }

    /// Bytes of one copy of a token.
    pub fn bytes_per_token(&self) -> u64 {
        self.bytes_per_token
    }

    /// The chunks of a schedule of such a layout.
    pub fn copies(&self, layout: Layout) -> &Arc<Copies> {
        let slot = &self.copies[layout.index()];
        slot.get_or_init(|| Box::new(Arc::new(Copies::of(self, layout))))
    }

    /// SHA-256 in hexadecimal over all that the rest follows from.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(b"cm.tokens/1");
        let flags = [self.top_k, self.hidden, u32::from(self.is_balanced)];
        let lists = [&self.first[..], &self.chosen[..], &flags[..]];
        let experts = (0..self.experts.len()).map(|expert| self.experts.ranks(expert));
        for list in lists.into_iter().chain(experts) {
            hash.update((list.len() as u64).to_le_bytes());
            for number in list {
                hash.update(number.to_le_bytes());
            }
        }
        hash.update(self.bytes_per_token.to_le_bytes());
        let start = String::with_capacity(64);
        hash.finalize().iter().fold(start, |mut text, byte| {
            write!(text, "{byte:02x}").expect("writing to a string never fails");
            text
        })
    }

    /// Copies from each rank (row) to each rank (column), one per token and expert, row major.
    pub fn counts(&self) -> Vec<u64> {
        let n = self.n_ranks as usize;
        let mut counts = vec![0; n * n];
        for source in 0..n {
            for token in self.of_rank(RankId(source as u32)) {
                for home in self.homes(token) {
                    counts[source * n + home.index()] += 1;
                }
            }
        }
        counts
    }

    /// Copies per expert.
    pub fn loads(&self) -> Vec<u64> {
        let mut loads = vec![0; self.experts.len() as usize];
        for &expert in &self.chosen {
            loads[expert as usize] += 1;
        }
        loads
    }

    /// Bytes of the busiest rank, one copy per token and expert.
    pub fn busiest(&self) -> TokenBytes {
        let n = self.n_ranks as usize;
        let counts = self.counts();
        let mut busiest = TokenBytes::default();
        for rank in 0..n {
            let sent: u64 = counts[rank * n..(rank + 1) * n].iter().sum();
            let received: u64 = (0..n).map(|source| counts[source * n + rank]).sum();
            let local = counts[rank * n + rank];
            let raise = |most: &mut u64, copies: u64| {
                *most = (*most).max(copies * self.bytes_per_token);
            };
            raise(&mut busiest.sent, sent);
            raise(&mut busiest.received, received);
            raise(&mut busiest.sent_away, sent - local);
            raise(&mut busiest.received_from_afar, received - local);
        }
        busiest
    }

    /// How much the busiest receiver exceeds the average if all ranks send their i-th tokens at the
    /// same moment: the sum over i of the most copies that one rank receives, over the sum of the
    /// average, less 1; numerator and denominator. Ranks keep in step where tokens are dealt out;
    /// elsewhere it is 0.
    pub fn lockstep(&self) -> (u64, u64) {
        if !self.is_balanced {
            return (0, 1);
        }
        let n = self.n_ranks as usize;
        let longest = self.first.windows(2).map(|w| w[1] - w[0]).max();
        let mut received = vec![0u64; n];
        let mut most = 0;
        for i in 0..longest.unwrap_or(0) {
            received.fill(0);
            for rank in (0..self.n_ranks).map(RankId) {
                let own = self.of_rank(rank);
                if own.start + i < own.end {
                    for home in self.homes(own.start + i) {
                        received[home.index()] += 1;
                    }
                }
            }
            most += received.iter().max().copied().unwrap_or(0);
        }
        let all = self.n_copies();
        ((most * n as u64).saturating_sub(all), all.max(1))
    }
}

impl PartialEq for Tokens {
    /// Compares all that the rest follows from.
    fn eq(&self, other: &Self) -> bool {
        let sizes = |t: &Self| (t.top_k, t.hidden, t.bytes_per_token, t.is_balanced);
        sizes(self) == sizes(other)
            && self.first == other.first
            && self.chosen == other.chosen
            && self.experts == other.experts
    }
}

impl Eq for Tokens {}
