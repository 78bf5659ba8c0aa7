//! Double binary tree: two trees, each reducing and broadcasting one half of the vector.
//!
//! Tree 0 is the in-order binary tree on ranks 1..n-1 with rank 0 above it; tree 1 is its mirror
//! (even n) or its shift by one (odd n), so that hardly any rank is interior in both. Each half
//! travels in K chunks. With H the height: v sends chunk k up at step height(v) + k and receives it
//! back at step H + k + depth(v) - 1. 2H + K - 1 steps, H = 1 + floor(log2(n-1)).
//! Source: Sanders, Speck, Traeff, "Two-tree algorithms for full bandwidth broadcast, reduction and
//! scan", Parallel Computing 2009; NCCL's trees, `reference/algorithms.md` 3.10.

use super::contract::{About, Algorithm, CHUNKS, Floor, default_chunks, up_and_down};
use crate::collective::{Collective, Problem};
use crate::ids::RankId;
use crate::schedule::{ChunkRange, Program};

/// The double binary tree.
#[derive(Debug)]
pub(super) struct DoubleBinaryTree;

static ABOUT: About = About {
    name: "double_binary_tree",
    summary: "two complementary binary trees each reduce and broadcast half of the vector",
    source: "Sanders, Speck, Traeff 2009; NCCL",
    constraint: "any n",
    collectives: &[Collective::AllReduce],
    options: &[CHUNKS],
};

impl Algorithm for DoubleBinaryTree {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn steps_formula(&self, _collective: Collective) -> &'static str {
        "2 floor(log2(n-1))+K+1"
    }

    fn bytes_formula(&self, _collective: Collective) -> &'static str {
        "2 S"
    }

    fn n_chunks(&self, problem: &Problem) -> u32 {
        2 * chunks_per_tree(problem)
    }

    fn n_steps(&self, problem: &Problem) -> u32 {
        2 * height_of_root(problem.n_ranks()) + chunks_per_tree(problem) - 1
    }

    fn n_transfers(&self, problem: &Problem) -> u64 {
        // Up and down each edge of two trees, chunk by chunk.
        4 * u64::from(problem.n_ranks() - 1) * u64::from(chunks_per_tree(problem))
    }

    fn floor(&self, problem: &Problem) -> Floor {
        // Up from the deepest leaf and down again; every rank but the roots gets both halves.
        let (size_bytes, hops) = (problem.size_bytes(), 2 * height_of_root(problem.n_ranks()));
        let n_chunks = self.n_chunks(problem);
        let n = problem.n_ranks();
        let deepest = (0..n).max_by_key(|&v| depth(n, v)).unwrap_or(0);
        let up = std::iter::successors(Some(deepest), |&v| parent(n, v)).map(RankId);
        let mut down: Vec<RankId> = up.collect();
        down.reverse();
        Floor::new(hops, size_bytes, 1, 1)
            .in_a_row(size_bytes, hops.into(), n_chunks.into())
            .along(up_and_down(&down))
    }

    fn rank_program(&self, problem: &Problem, rank: RankId, program: &mut Program) {
        let (n, n_chunks) = (problem.n_ranks(), chunks_per_tree(problem));
        for tree in [Tree::First, Tree::Second] {
            let v = tree.relabeled(n, rank.0);
            let half = match tree {
                Tree::First => 0,
                Tree::Second => n_chunks,
            };
            let rank_of = |v| RankId(tree.rank_of(n, v));
            for chunk in 0..n_chunks {
                let range = ChunkRange::one(half + chunk);
                if let Some(parent) = parent(n, v) {
                    program.reduce(height(n, v) + chunk, rank_of(parent), range);
                }
                for child in children(n, v) {
                    let step = height_of_root(n) + depth(n, v) + chunk;
                    program.send(step, rank_of(child), range);
                }
            }
        }
    }
}

/// K: each tree carries one half of the vector.
fn chunks_per_tree(problem: &Problem) -> u32 {
    default_chunks(problem, problem.size_bytes().div_ceil(2))
}

#[derive(Clone, Copy)]
enum Tree {
    First,
    Second,
}

impl Tree {
    /// The label in the first tree that stands where `rank` stands in this one.
    fn relabeled(self, n: u32, rank: u32) -> u32 {
        match self {
            Self::First => rank,
            Self::Second if n.is_multiple_of(2) => n - 1 - rank,
            Self::Second => (rank + n - 1) % n,
        }
    }

    /// The inverse of `relabeled`.
    fn rank_of(self, n: u32, v: u32) -> u32 {
        match self {
            Self::First => v,
            Self::Second if n.is_multiple_of(2) => n - 1 - v,
            Self::Second => (v + 1) % n,
        }
    }
}

fn lowest_bit(v: u32) -> u32 {
    1 << v.trailing_zeros()
}

fn parent(n: u32, v: u32) -> Option<u32> {
    let bit = (v > 0).then(|| lowest_bit(v))?;
    let up = (v ^ bit) | (2 * bit);
    Some(if up < n { up } else { v ^ bit })
}

/// Lower child first.
fn children(n: u32, v: u32) -> impl Iterator<Item = u32> {
    let (lower, upper) = if v == 0 {
        (None, Some(1 << (n - 1).ilog2()))
    } else {
        let half = lowest_bit(v) / 2;
        // Above v hangs the largest subtree that starts within the ranks.
        let halves = std::iter::successors(Some(half), |d| Some(d / 2));
        let upper = halves.take_while(|&d| d > 0).find(|d| v + d < n);
        ((half > 0).then(|| v - half), upper.map(|d| v + d))
    };
    lower.into_iter().chain(upper)
}

fn height_of_root(n: u32) -> u32 {
    1 + (n - 1).ilog2()
}

/// Below v > 0 lies the full tree of its lower child, and nothing deeper.
fn height(n: u32, v: u32) -> u32 {
    if v == 0 {
        height_of_root(n)
    } else {
        v.trailing_zeros()
    }
}

fn depth(n: u32, v: u32) -> u32 {
    std::iter::successors(parent(n, v), |&v| parent(n, v)).count() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trees_of_eight_ranks_are_those_of_nccl() {
        // NCCL src/graph/trees.cc for n = 8: t0 parents -,2,4,2,0,6,4,6; t1 1,3,1,7,5,3,5,-.
        let parents = |tree: Tree| -> Vec<Option<u32>> {
            let parent_of = |r| parent(8, tree.relabeled(8, r)).map(|v| tree.rank_of(8, v));
            (0..8).map(parent_of).collect()
        };
        let first = [
            None,
            Some(2),
            Some(4),
            Some(2),
            Some(0),
            Some(6),
            Some(4),
            Some(6),
        ];
        assert_eq!(parents(Tree::First), first);
        let second = [
            Some(1),
            Some(3),
            Some(1),
            Some(7),
            Some(5),
            Some(3),
            Some(5),
            None,
        ];
        assert_eq!(parents(Tree::Second), second);
    }

    #[test]
    fn children_are_those_whose_parent_one_is() {
        for n in 2..200 {
            for v in 0..n {
                let expected: Vec<u32> = (0..n).filter(|&c| parent(n, c) == Some(v)).collect();
                assert_eq!(
                    children(n, v).collect::<Vec<_>>(),
                    expected,
                    "n = {n}, v = {v}"
                );
            }
            let highest = (0..n).map(|v| depth(n, v)).max();
            assert_eq!(highest, Some(height_of_root(n)));
        }
    }
}
