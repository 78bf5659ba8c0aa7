//! Folding: how an algorithm for 2^l ranks serves any number of them.
//!
//! Of n = p + rem ranks, p = 2^l the largest power of two, the first 2 rem form pairs (2k, 2k+1). One
//! of each pair hands its data to the other and keeps quiet until the end. The p others are numbered
//! v = 0..p: k for pair k, the rank less rem for the rest. In MPICH the odd rank of a pair takes
//! part, in HCCL the even one. Source: Thakur, Rabenseifner, Gropp 2005; `reference/algorithms.md` 3.5.

use super::{OptionKind, OptionSpec};
use crate::collective::Problem;
use crate::ids::RankId;

/// The option `fold`.
pub(in crate::algorithms) const FOLD: OptionSpec = OptionSpec {
    name: "fold",
    summary: "which rank of a folded pair takes part: the odd one (mpich, the default) or the even one (hccl)",
    kind: OptionKind::OneOf(&["mpich", "hccl"]),
    candidates: &[],
};

/// A fold of n ranks.
#[derive(Clone, Copy)]
pub(in crate::algorithms) struct Fold {
    /// l: the active ranks are 2^l.
    pub(in crate::algorithms) log2: u32,
    /// Number of pairs.
    n_pairs: u32,
    /// What is added to 2k for the active rank of pair k.
    active: u32,
}

/// What a rank is in a fold.
#[derive(Clone, Copy)]
pub(in crate::algorithms) enum Part {
    /// It hands its data to its partner and waits.
    Quiet {
        /// The active rank of the pair.
        partner: RankId,
    },
    /// It takes part.
    Active {
        /// Its number.
        v: u32,
        /// The quiet rank of its pair.
        partner: Option<RankId>,
    },
}

impl Fold {
    /// The fold of a problem's ranks, as the option `fold` says or else `default`.
    pub(in crate::algorithms) fn of(problem: &Problem, default: &str) -> Self {
        let n = problem.n_ranks();
        let word = problem.options.text(FOLD.name).unwrap_or(default);
        Self {
            log2: n.ilog2(),
            n_pairs: n - (1 << n.ilog2()),
            active: u32::from(word != "hccl"),
        }
    }

    /// p: active ranks.
    pub(in crate::algorithms) fn n_active(self) -> u32 {
        1 << self.log2
    }

    /// Whether there is any pair.
    pub(in crate::algorithms) fn is_folded(self) -> bool {
        self.n_pairs > 0
    }

    /// Number of pairs.
    pub(in crate::algorithms) fn n_pairs(self) -> u32 {
        self.n_pairs
    }

    /// What `rank` is.
    pub(in crate::algorithms) fn part(self, rank: RankId) -> Part {
        let (pair, place) = (rank.0 / 2, rank.0 % 2);
        if pair >= self.n_pairs {
            let v = rank.0 - self.n_pairs;
            return Part::Active { v, partner: None };
        }
        let other = RankId(rank.0 ^ 1);
        if place == self.active {
            Part::Active {
                v: pair,
                partner: Some(other),
            }
        } else {
            Part::Quiet { partner: other }
        }
    }

    /// The active rank with number `v`.
    pub(in crate::algorithms) fn rank_of(self, v: u32) -> RankId {
        RankId(if v < self.n_pairs {
            2 * v + self.active
        } else {
            v + self.n_pairs
        })
    }

    /// Where data goes from one number to its complement, which takes all l hops, in the order of
    /// `bits`, and back again the same way if it is to return; with the quiet ranks at its ends.
    pub(in crate::algorithms) fn path(self, bits: &[u32], returns: bool) -> Vec<RankId> {
        // The last pair: its complement is of a pair too, if that is so for any number.
        let first = self.n_pairs.saturating_sub(1);
        let there = bits.iter().scan(first, |v, bit| {
            *v ^= 1 << bit;
            Some(*v)
        });
        let mut numbers: Vec<u32> = std::iter::once(first).chain(there).collect();
        if returns {
            let back: Vec<u32> = numbers.iter().rev().skip(1).copied().collect();
            numbers.extend(back);
        }
        let quiet = |v: u32| {
            let pair = 2 * v + 1 - self.active;
            (v < self.n_pairs).then_some(RankId(pair))
        };
        let (first, last) = (numbers[0], numbers[numbers.len() - 1]);
        let active = numbers.into_iter().map(|v| self.rank_of(v));
        let ends = quiet(first).into_iter().chain(active).chain(quiet(last));
        ends.collect()
    }

    /// The first rank whose data number `v` stands for; it stands for the ranks up to that of v + 1.
    pub(in crate::algorithms) fn first_of(self, v: u32) -> u32 {
        v + v.min(self.n_pairs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collective::{Collective, OptionValue, Payload};
    use crate::team::Team;

    #[test]
    fn active_ranks_are_numbered_in_rank_order() {
        // 6 = 4 + 2: pairs (0,1), (2,3), then 4 and 5.
        let team = Team::flat(6);
        let mut problem = Problem::new(Collective::AllReduce, &team, Payload::Bytes(1));
        for (word, expected) in [("mpich", [1, 3, 4, 5]), ("hccl", [0, 2, 4, 5])] {
            let value = OptionValue::Text(word.to_owned());
            problem.options = problem.options.with("fold", value);
            let fold = Fold::of(&problem, "mpich");
            assert_eq!([0, 1, 2, 3].map(|v| fold.rank_of(v).0), expected);
            assert_eq!([0, 1, 2, 3, 4].map(|v| fold.first_of(v)), [0, 2, 4, 5, 6]);
            for v in 0..4 {
                let part = fold.part(fold.rank_of(v));
                assert!(matches!(part, Part::Active { v: found, .. } if found == v));
            }
        }
    }
}
