//! Gating: which experts each token of a mixture of experts is sent to.
//!
//! `Balanced` deals experts out like cards, rank after rank. The drawn kinds have a stream of random
//! numbers per token (seed, rank, token), so that a token's experts depend on nothing else; they are
//! a shuffle's first k where all experts are alike, and a systematic sample of a shuffled list where
//! they have loads: it picks k different experts, each exactly as often, on average, as its load
//! says (Madow 1949, "On the theory of systematic sampling"). `Counts` takes a histogram per rank and deals
//! each rank's copies over its tokens in turn, so that no token has an expert twice.

use crate::ids::RankId;
use crate::splitmix::Stream;

use super::experts::Experts;

/// How tokens choose their experts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gating {
    /// Copy j of a rank's token i goes to the (i k + j)-th expert, modulo their number, where
    /// experts are numbered across the ranks: the first of every rank, the second of every rank...
    Balanced,
    /// k different experts, all sets of k equally likely.
    Uniform {
        /// Seed of the streams.
        seed: u64,
    },
    /// First some groups of experts, all sets of groups equally likely, then k experts of these.
    Limited {
        /// Seed of the streams.
        seed: u64,
        /// Groups of equal size, of experts in order.
        n_groups: u32,
        /// Groups that one token may use.
        per_token: u32,
    },
    /// k different experts, each with a probability in proportion to its load.
    Loads {
        /// Seed of the streams.
        seed: u64,
        /// The load of each expert.
        loads: Vec<u64>,
    },
    /// The same, where the loads are dealt to the experts in an order drawn from the seed.
    Shuffled {
        /// Seed of the order and of the streams.
        seed: u64,
        /// The loads.
        loads: Vec<u64>,
    },
    /// Copies from each rank (row) to each expert (column), row major.
    Counts(Vec<u64>),
    /// The experts of each token of each rank, k by k.
    Chosen(Vec<u32>),
}

/// Why tokens cannot be sent to experts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GatingError {
    /// More experts per token than there are.
    #[error("top_k must be from 1 to the number of experts, {n_experts}, got {top_k}")]
    TopK {
        /// Experts per token.
        top_k: u32,
        /// Experts.
        n_experts: u32,
    },
    /// Group-limited routing that leaves a token too few experts, or groups of unequal size.
    #[error(
        "{n_groups} groups of experts, {per_token} per token: the groups must divide the {n_experts} experts evenly, and a token's groups must hold at least its top_k = {top_k} experts"
    )]
    Groups {
        /// Groups.
        n_groups: u32,
        /// Groups per token.
        per_token: u32,
        /// Experts.
        n_experts: u32,
        /// Experts per token.
        top_k: u32,
    },
    /// A number of entries that is not that of the experts, ranks or tokens.
    #[error("{what} needs {needed} entries, got {got}")]
    Length {
        /// "the histogram of loads", ...
        what: &'static str,
        /// Entries it must have.
        needed: u64,
        /// Entries it has.
        got: u64,
    },
    /// An expert that would have to serve some tokens more than once.
    #[error(
        "expert {expert} has a load of {load} of {total}: more than 1/top_k = 1/{top_k} of all, so it would serve some token twice"
    )]
    TooHot {
        /// The expert.
        expert: usize,
        /// Its load.
        load: u64,
        /// All loads together.
        total: u128,
        /// Experts per token.
        top_k: u32,
    },
    /// No load at all.
    #[error("the loads of the experts must not all be 0")]
    NoLoad,
    /// A row of counts that is not what the rank's tokens ask for.
    #[error(
        "the counts of rank {rank} must add up to its tokens times top_k, {expected}, got {got}"
    )]
    CountSum {
        /// The rank.
        rank: usize,
        /// Tokens times `top_k`.
        expected: u64,
        /// The sum.
        got: u128,
    },
    /// More copies for an expert than a rank has tokens.
    #[error(
        "counts[{rank}][{expert}] must be at most the {n_tokens} tokens of the rank (a token is sent to an expert once), got {got}"
    )]
    CountTwice {
        /// The rank.
        rank: usize,
        /// The expert.
        expert: usize,
        /// Tokens of the rank.
        n_tokens: u32,
        /// The count.
        got: u64,
    },
    /// A token with an expert twice, or one that does not exist.
    #[error("token {token} of rank {rank} names expert {expert} {what}")]
    Choice {
        /// The rank.
        rank: usize,
        /// The token, counted in its rank.
        token: u32,
        /// The expert.
        expert: u32,
        /// "twice", or that it does not exist.
        what: &'static str,
    },
    /// More copies than the indices hold.
    #[error("{got} copies of tokens exceed the limit of {limit}")]
    TooMany {
        /// Copies.
        got: u64,
        /// The limit.
        limit: u64,
    },
    /// An expert on a rank that does not exist, or on none.
    #[error("expert {expert} {what}")]
    Placement {
        /// The expert.
        expert: usize,
        /// What is wrong.
        what: String,
    },
}

impl Gating {
    /// The experts of every token of every rank, `top_k` by `top_k`.
    pub(super) fn choose(
        &self,
        tokens_of: &[u32],
        top_k: u32,
        experts: &Experts,
    ) -> Result<Vec<u32>, GatingError> {
        let n_experts = experts.len();
        if top_k == 0 || top_k > n_experts {
            return Err(GatingError::TopK { top_k, n_experts });
        }
        let n_copies = tokens_of.iter().map(|&n| u64::from(n)).sum::<u64>() * u64::from(top_k);
        let mut draw = Draw {
            chosen: Vec::with_capacity(n_copies as usize),
            shuffled: (0..n_experts).collect(),
            top_k,
        };
        match self {
            Self::Balanced => {
                let across = experts.across_ranks();
                for &n_tokens in tokens_of {
                    let copies = 0..u64::from(n_tokens) * u64::from(top_k);
                    let dealt = copies.map(|i| across[(i % u64::from(n_experts)) as usize]);
                    draw.chosen.extend(dealt);
                }
            }
            Self::Uniform { seed } => {
                draw.each_token(tokens_of, *seed, Draw::uniform);
            }
            Self::Limited {
                seed,
                n_groups,
                per_token,
            } => {
                let limit = Limit::new(*n_groups, *per_token, n_experts, top_k)?;
                draw.each_token(tokens_of, *seed, |draw, stream| {
                    draw.limited(stream, &limit);
                });
            }
            Self::Loads { seed, loads } => {
                let total = checked_loads(loads, top_k, n_experts)?;
                draw.each_token(tokens_of, *seed, |draw, stream| {
                    draw.by_loads(stream, loads, total);
                });
            }
            Self::Shuffled { seed, loads } => {
                let total = checked_loads(loads, top_k, n_experts)?;
                let mut order: Vec<u32> = (0..n_experts).collect();
                // No rank has this number.
                let mut stream = Stream::new(*seed, &[u64::MAX]);
                shuffle(&mut order, n_experts, &mut stream);
                let loads: Vec<u64> = order.iter().map(|&i| loads[i as usize]).collect();
                draw.each_token(tokens_of, *seed, |draw, stream| {
                    draw.by_loads(stream, &loads, total);
                });
            }
            Self::Counts(counts) => return dealt(counts, tokens_of, top_k, n_experts),
            Self::Chosen(chosen) => {
                check_choices(chosen, tokens_of, top_k, n_experts)?;
                return Ok(chosen.clone());
            }
        }
        Ok(draw.chosen)
    }
}

/// Groups of experts of which a token may use some.
struct Limit {
    n_groups: u32,
    per_token: u32,
    size: u32,
}

impl Limit {
    fn new(n_groups: u32, per_token: u32, n_experts: u32, top_k: u32) -> Result<Self, GatingError> {
        let is_even = n_groups > 0 && n_experts.is_multiple_of(n_groups);
        let size = if is_even { n_experts / n_groups } else { 0 };
        let reach = u64::from(size) * u64::from(per_token);
        if !is_even || per_token > n_groups || reach < u64::from(top_k) {
            return Err(GatingError::Groups {
                n_groups,
                per_token,
                n_experts,
                top_k,
            });
        }
        Ok(Self {
            n_groups,
            per_token,
            size,
        })
    }
}

/// The choices of all tokens so far, and a list to shuffle.
struct Draw {
    chosen: Vec<u32>,
    /// All experts, in order between tokens.
    shuffled: Vec<u32>,
    top_k: u32,
}

impl Draw {
    fn each_token(
        &mut self,
        tokens_of: &[u32],
        seed: u64,
        mut choose: impl FnMut(&mut Self, &mut Stream),
    ) {
        for (rank, &n_tokens) in tokens_of.iter().enumerate() {
            for token in 0..n_tokens {
                let mut stream = Stream::new(seed, &[rank as u64, token.into()]);
                choose(self, &mut stream);
            }
        }
    }

    fn uniform(&mut self, stream: &mut Stream) {
        let swaps = shuffle(&mut self.shuffled, self.top_k, stream);
        self.chosen.extend(&self.shuffled[..self.top_k as usize]);
        undo(&mut self.shuffled, &swaps);
    }

    fn limited(&mut self, stream: &mut Stream, limit: &Limit) {
        let mut groups: Vec<u32> = (0..limit.n_groups).collect();
        shuffle(&mut groups, limit.per_token, stream);
        let groups = &groups[..limit.per_token as usize];
        let experts = groups
            .iter()
            .flat_map(|group| group * limit.size..(group + 1) * limit.size);
        let mut experts: Vec<u32> = experts.collect();
        shuffle(&mut experts, self.top_k, stream);
        self.chosen.extend(&experts[..self.top_k as usize]);
    }

    /// Lays the loads of the shuffled experts end to end, k times as long, and picks those under k
    /// marks one total apart.
    fn by_loads(&mut self, stream: &mut Stream, loads: &[u64], total: u64) {
        let swaps = shuffle(&mut self.shuffled, loads.len() as u32, stream);
        let mut mark = u128::from(stream.below(total));
        let mut end = 0;
        for &expert in &self.shuffled {
            end += u128::from(loads[expert as usize]) * u128::from(self.top_k);
            if mark < end {
                self.chosen.push(expert);
                mark += u128::from(total);
            }
        }
        undo(&mut self.shuffled, &swaps);
    }
}

/// The first `count` places of a Fisher-Yates shuffle; the places swapped.
fn shuffle(items: &mut [u32], count: u32, stream: &mut Stream) -> Vec<(usize, usize)> {
    let n = items.len();
    let swap = |i: usize| {
        let j = i + stream.below((n - i) as u64) as usize;
        items.swap(i, j);
        (i, j)
    };
    (0..count as usize).map(swap).collect()
}

fn undo(items: &mut [u32], swaps: &[(usize, usize)]) {
    for &(i, j) in swaps.iter().rev() {
        items.swap(i, j);
    }
}

/// The sum of the loads.
fn checked_loads(loads: &[u64], top_k: u32, n_experts: u32) -> Result<u64, GatingError> {
    check_length("the histogram of loads", n_experts.into(), loads.len())?;
    let total: u128 = loads.iter().map(|&load| u128::from(load)).sum();
    if total == 0 {
        return Err(GatingError::NoLoad);
    }
    let is_hot = |&load: &u64| u128::from(load) * u128::from(top_k) > total;
    if let Some(expert) = loads.iter().position(is_hot) {
        return Err(GatingError::TooHot {
            expert,
            load: loads[expert],
            total,
            top_k,
        });
    }
    u64::try_from(total).map_err(|_| GatingError::TooHot {
        expert: 0,
        load: loads[0],
        total,
        top_k,
    })
}

/// A rank's copies in order of their experts, dealt over its tokens in turn.
fn dealt(
    counts: &[u64],
    tokens_of: &[u32],
    top_k: u32,
    n_experts: u32,
) -> Result<Vec<u32>, GatingError> {
    let needed = tokens_of.len() as u64 * u64::from(n_experts);
    check_length("the matrix of counts", needed, counts.len())?;
    let mut chosen = Vec::new();
    for (rank, (row, &n_tokens)) in counts
        .chunks_exact(n_experts as usize)
        .zip(tokens_of)
        .enumerate()
    {
        let expected = u64::from(n_tokens) * u64::from(top_k);
        let got: u128 = row.iter().map(|&count| u128::from(count)).sum();
        if got != u128::from(expected) {
            return Err(GatingError::CountSum {
                rank,
                expected,
                got,
            });
        }
        if let Some(expert) = row.iter().position(|&count| count > n_tokens.into()) {
            return Err(GatingError::CountTwice {
                rank,
                expert,
                n_tokens,
                got: row[expert],
            });
        }
        let copies: Vec<u32> = row
            .iter()
            .zip(0u32..)
            .flat_map(|(&count, expert)| std::iter::repeat_n(expert, count as usize))
            .collect();
        // Copy p goes to token p modulo their number; a run of at most that many meets each once.
        let of_token = |token: u32| {
            copies
                .iter()
                .skip(token as usize)
                .step_by(n_tokens as usize)
        };
        chosen.extend((0..n_tokens).flat_map(of_token));
    }
    Ok(chosen)
}

fn check_choices(
    chosen: &[u32],
    tokens_of: &[u32],
    top_k: u32,
    n_experts: u32,
) -> Result<(), GatingError> {
    let n_tokens: u64 = tokens_of.iter().map(|&n| u64::from(n)).sum();
    let needed = n_tokens * u64::from(top_k);
    check_length("the experts of all tokens", needed, chosen.len())?;
    let mut each = chosen.chunks_exact(top_k as usize);
    for (rank, &n_tokens) in tokens_of.iter().enumerate() {
        for (token, own) in (0..n_tokens).zip(&mut each) {
            for (slot, &expert) in own.iter().enumerate() {
                let what = if expert >= n_experts {
                    "which does not exist"
                } else if own[..slot].contains(&expert) {
                    "twice"
                } else {
                    continue;
                };
                return Err(GatingError::Choice {
                    rank,
                    token,
                    expert,
                    what,
                });
            }
        }
    }
    Ok(())
}

fn check_length(what: &'static str, needed: u64, got: usize) -> Result<(), GatingError> {
    if got as u64 != needed {
        return Err(GatingError::Length {
            what,
            needed,
            got: got as u64,
        });
    }
    Ok(())
}

/// Where copies go: the rank that serves an expert for a token.
pub(super) fn homes(
    chosen: &[u32],
    tokens_of: &[u32],
    top_k: u32,
    experts: &Experts,
) -> Vec<RankId> {
    let mut homes = Vec::with_capacity(chosen.len());
    let mut each = chosen.chunks_exact(top_k as usize);
    for (source, &n_tokens) in tokens_of.iter().enumerate() {
        for (token, own) in (0..n_tokens as usize).zip(&mut each) {
            homes.extend(
                own.iter()
                    .map(|&expert| experts.home(expert, source + token)),
            );
        }
    }
    homes
}
