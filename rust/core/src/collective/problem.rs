//! A problem: the question that an algorithm answers.
//!
//! Collective, team, root, payload, and the options of the algorithm. `size_bytes` has the meaning
//! of nccl-tests: `all_reduce`, `broadcast`, `reduce`: the vector; `all_gather`: the gathered
//! total; `reduce_scatter`: the input of one rank; `all_to_all`: one rank's whole send buffer;
//! `gather`, `scatter`: the root's buffer; `send_recv`: the message.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Collective, Tokens};
use crate::ids::RankId;
use crate::team::Team;

/// How many bytes are concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// The size in the sense of nccl-tests.
    Bytes(u64),
    /// Bytes from each rank (row) to each rank (column), row major, with a zero diagonal: an
    /// all-to-all-v.
    Counts(Vec<u64>),
    /// The tokens of a mixture of experts.
    Tokens(Arc<Tokens>),
    /// None: a barrier.
    None,
}

impl Payload {
    /// The size in the sense of nccl-tests; with counts or tokens, the most that one of `n`
    /// ranks sends.
    pub fn most_bytes(&self, n: usize) -> u64 {
        match self {
            Self::Bytes(size_bytes) => *size_bytes,
            Self::Counts(counts) => {
                let rows = counts.chunks(n).map(|row| row.iter().sum());
                rows.max().unwrap_or(0)
            }
            Self::Tokens(tokens) => tokens.busiest().sent,
            Self::None => 0,
        }
    }
}

/// How a size is divided over C chunks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Split {
    /// Exactly S / C bytes each, a fraction if need be.
    #[default]
    Exact,
    /// Whole bytes: ceil(S / C) for the first S mod C chunks, floor for the rest.
    Balanced,
    /// Whole bytes as HCCL does: ceil(S / C) rounded up to 128 bytes for the first chunks, the
    /// remainder or nothing for the last ones.
    Hccl,
}

/// The value of an option.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OptionValue {
    /// A whole number.
    Int(i64),
    /// A word.
    Text(String),
}

/// Options of an algorithm by name, in name order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Options(BTreeMap<String, OptionValue>);

impl Options {
    /// Adds or replaces one option.
    #[must_use]
    pub fn with(mut self, name: &str, value: OptionValue) -> Self {
        self.0.insert(name.to_owned(), value);
        self
    }

    /// All but one option.
    #[must_use]
    pub fn without(&self, name: &str) -> Self {
        let mut others = self.clone();
        others.0.remove(name);
        others
    }

    /// The whole number of that name, if it is given and is one.
    pub fn int(&self, name: &str) -> Option<i64> {
        match self.0.get(name) {
            Some(OptionValue::Int(value)) => Some(*value),
            _ => None,
        }
    }

    /// The word of that name, if it is given and is one.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.0.get(name) {
            Some(OptionValue::Text(value)) => Some(value),
            _ => None,
        }
    }

    /// All options in name order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &OptionValue)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }
}

/// What an algorithm is asked for.
#[derive(Clone, Debug)]
pub struct Problem<'a> {
    /// What is computed.
    pub collective: Collective,
    /// By whom.
    pub team: &'a Team,
    /// The root of a rooted collective (the sender of `send_recv`); rank 0 otherwise.
    pub root: RankId,
    /// On how many bytes.
    pub payload: Payload,
    /// How the bytes are divided over chunks.
    pub split: Split,
    /// The algorithm's options.
    pub options: Options,
}

/// Why a problem is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProblemError {
    /// A team without ranks.
    #[error("a collective needs at least 1 rank, got 0")]
    NoRanks,
    /// The root is not in the team.
    #[error("root {root} must be a rank of the team, 0..{n_ranks}")]
    RootOutOfRange {
        /// The root given.
        root: u32,
        /// Ranks in the team.
        n_ranks: u32,
    },
    /// `send_recv` with another number of ranks.
    #[error("send_recv needs exactly 2 ranks, got {n_ranks}")]
    NotAPair {
        /// Ranks in the team.
        n_ranks: u32,
    },
    /// The payload is not of the kind that the collective takes.
    #[error("{} takes {takes}, got {got}", collective.name())]
    WrongPayload {
        /// The collective.
        collective: Collective,
        /// What it takes.
        takes: &'static str,
        /// What was given.
        got: &'static str,
    },
    /// The matrix of counts is not n x n.
    #[error("counts must have {n_ranks} x {n_ranks} entries, one per pair of ranks, got {got}")]
    CountsShape {
        /// Ranks in the team.
        n_ranks: u32,
        /// Entries given.
        got: usize,
    },
    /// A rank sends to itself.
    #[error("counts[{rank}][{rank}] must be 0 (a rank sends itself nothing), got {got}")]
    CountsDiagonal {
        /// The rank.
        rank: u32,
        /// The entry.
        got: u64,
    },
    /// Tokens of another number of ranks.
    #[error("the tokens are those of {got} ranks, the team has {n_ranks}")]
    TokenRanks {
        /// Ranks in the team.
        n_ranks: u32,
        /// Ranks of the tokens.
        got: u32,
    },
    /// The send buffers of an all-to-all do not add up within 64 bits.
    #[error("the send buffers of all ranks together must be below 2^64 bytes")]
    TooManyBytes,
}

impl<'a> Problem<'a> {
    /// A problem with root 0, exact chunk sizes and no options.
    pub fn new(collective: Collective, team: &'a Team, payload: Payload) -> Self {
        Self {
            collective,
            team,
            root: RankId(0),
            payload,
            split: Split::Exact,
            options: Options::default(),
        }
    }

    /// Ranks in the team.
    pub fn n_ranks(&self) -> u32 {
        self.team.n_ranks()
    }

    /// The size in the sense of nccl-tests; of an all-to-all-v the sum of all counts, of tokens that
    /// of all copies.
    pub fn size_bytes(&self) -> u64 {
        match &self.payload {
            Payload::Bytes(size_bytes) => *size_bytes,
            Payload::Counts(counts) => counts.iter().sum(),
            Payload::Tokens(tokens) => tokens.n_copies() * tokens.bytes_per_token(),
            Payload::None => 0,
        }
    }

    /// Whether root and payload suit collective and team.
    pub fn check(&self) -> Result<(), ProblemError> {
        let n_ranks = self.n_ranks();
        if n_ranks == 0 {
            return Err(ProblemError::NoRanks);
        }
        if self.root.0 >= n_ranks {
            return Err(ProblemError::RootOutOfRange {
                root: self.root.0,
                n_ranks,
            });
        }
        if self.collective == Collective::SendRecv && n_ranks != 2 {
            return Err(ProblemError::NotAPair { n_ranks });
        }
        let wrong = |takes, got| ProblemError::WrongPayload {
            collective: self.collective,
            takes,
            got,
        };
        match (self.collective, &self.payload) {
            (Collective::Barrier, Payload::None) => Ok(()),
            (Collective::Barrier, _) => Err(wrong("no payload", "one")),
            (Collective::AllToAll, Payload::Counts(counts)) => check_counts(counts, n_ranks),
            (Collective::Dispatch | Collective::Combine, Payload::Tokens(tokens)) => {
                check_tokens(tokens, n_ranks)
            }
            (Collective::Dispatch | Collective::Combine, _) => Err(wrong("tokens", "none")),
            (_, Payload::Tokens(_)) => Err(wrong("a size in bytes", "tokens")),
            (_, Payload::Counts(_)) => Err(wrong("a size in bytes", "a matrix of counts")),
            (_, Payload::None) => Err(wrong("a size in bytes", "no payload")),
            (Collective::AllToAll, Payload::Bytes(size)) => {
                let all = size.checked_mul(u64::from(n_ranks));
                all.map(|_| ()).ok_or(ProblemError::TooManyBytes)
            }
            (_, Payload::Bytes(_)) => Ok(()),
        }
    }
}

fn check_tokens(tokens: &Tokens, n_ranks: u32) -> Result<(), ProblemError> {
    if tokens.n_ranks() != n_ranks {
        let got = tokens.n_ranks();
        return Err(ProblemError::TokenRanks { n_ranks, got });
    }
    // Status blocks and slots come on top, so a factor of 2^10 is kept in reserve.
    let all = tokens.n_copies().checked_mul(tokens.bytes_per_token());
    all.filter(|all| all >> 54 == 0)
        .map(|_| ())
        .ok_or(ProblemError::TooManyBytes)
}

fn check_counts(counts: &[u64], n_ranks: u32) -> Result<(), ProblemError> {
    let n = n_ranks as usize;
    if counts.len() != n * n {
        return Err(ProblemError::CountsShape {
            n_ranks,
            got: counts.len(),
        });
    }
    for (rank, row) in counts.chunks_exact(n).enumerate() {
        if row[rank] != 0 {
            return Err(ProblemError::CountsDiagonal {
                rank: rank as u32,
                got: row[rank],
            });
        }
    }
    let sum = counts.iter().try_fold(0u64, |sum, &c| sum.checked_add(c));
    sum.map(|_| ()).ok_or(ProblemError::TooManyBytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_that_makes_no_sense_is_refused() {
        let team = Team::flat(3);
        let check = |collective, root, payload| {
            let mut problem = Problem::new(collective, &team, payload);
            problem.root = RankId(root);
            problem.check().map_err(|error| error.to_string())
        };
        let counts = |diagonal| Payload::Counts(vec![0, 1, 2, 3, diagonal, 4, 5, 6, 0]);
        let (all_to_all, bytes) = (Collective::AllToAll, Payload::Bytes);
        assert_eq!(check(all_to_all, 0, counts(0)), Ok(()));
        for (collective, root, payload, expected) in [
            (
                Collective::Broadcast,
                3,
                bytes(1),
                "root 3 must be a rank of the team, 0..3",
            ),
            (Collective::SendRecv, 0, bytes(1), "exactly 2 ranks, got 3"),
            (Collective::Barrier, 0, bytes(1), "barrier takes no payload"),
            (
                Collective::Reduce,
                0,
                Payload::None,
                "reduce takes a size in bytes",
            ),
            (
                all_to_all,
                0,
                Payload::Counts(vec![0]),
                "3 x 3 entries, one per pair of ranks, got 1",
            ),
            (all_to_all, 0, counts(7), "counts[1][1] must be 0"),
            (all_to_all, 0, bytes(u64::MAX), "below 2^64 bytes"),
        ] {
            let error = check(collective, root, payload).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
