//! Double binary tree: two trees, each reducing and broadcasting one half of the vector.
//!
//! Tree 0 is the in-order binary tree on ranks 1..n-1 with rank 0 above it; tree 1 is its mirror
//! (even n) or its shift by one (odd n), so that hardly any rank is interior in both. Each half
//! travels in K chunks. With H the height: v sends chunk k up at step height(v) + k and receives it
//! back at step H + k + depth(v) - 1. 2H + K - 1 steps, H = 1 + floor(log2(n-1)).
//!
//! A broadcast hangs both trees below its root, a reduce is its transpose. With a level, the nodes of
//! the trees are its groups, and each rank of a group carries a stripe ([`Lanes`]).
//! Source: Sanders, Speck, Traeff, "Two-tree algorithms for full bandwidth broadcast, reduction and
//! scan", Parallel Computing 2009; NCCL's trees, `reference/algorithms.md` 3.10.

use super::contract::two_trees::{children, depth, height, height_of_root, parent};
use super::contract::{
    About, Algorithm, CHUNKS, Candidate, Floor, Lanes, OptionKind, OptionSpec, Unsupported,
    default_chunks, up_and_down,
};
use crate::collective::{Collective, Problem};
use crate::ids::RankId;
use crate::schedule::{ChunkRange, Op, Program};

/// The double binary tree.
#[derive(Debug)]
pub(super) struct DoubleBinaryTree;

const LEVEL: &str = "level";

static ABOUT: About = About {
    name: "double_binary_tree",
    summary: "two complementary binary trees each carry half of the vector",
    source: "Sanders, Speck, Traeff 2009; NCCL",
    constraint: "any n, any root; a level with groups of equal size if one is named",
    collectives: &[
        Collective::AllReduce,
        Collective::Broadcast,
        Collective::Reduce,
    ],
    options: &[
        OptionSpec {
            candidates: &[Candidate::Int(16)],
            ..CHUNKS
        },
        OptionSpec {
            name: LEVEL,
            summary: "the level whose groups are the nodes of the trees, each rank of them with a stripe of its own; by default single ranks are",
            kind: OptionKind::Text,
            candidates: &[Candidate::Text("package")],
        },
    ],
};

impl Algorithm for DoubleBinaryTree {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn steps_formula(&self, collective: Collective) -> &'static str {
        match collective {
            Collective::AllReduce => "2 floor(log2(n-1))+K+1; by a level twice that of a broadcast",
            _ => "floor(log2(n-1))+K; by a level of G groups about floor(log2(G-1))+K+2",
        }
    }

    fn bytes_formula(&self, collective: Collective) -> &'static str {
        match collective {
            Collective::AllReduce => "2 S",
            _ => "S; by a level up to 2 S, most of it within the group",
        }
    }

    fn supports(&self, problem: &Problem) -> Result<(), Unsupported> {
        lanes(problem).map(|_| ())
    }

    fn n_chunks(&self, problem: &Problem) -> u32 {
        let lanes = checked(problem);
        2 * lanes.n_chunks() * lanes.n_lanes()
    }

    fn n_steps(&self, problem: &Problem) -> u32 {
        if is_over_ranks(problem) {
            return 2 * height_of_root(problem.n_ranks()) + chunks_of(problem, 1) - 1;
        }
        n_phases(problem) * checked(problem).n_steps()
    }

    fn n_transfers(&self, problem: &Problem) -> u64 {
        // Everybody else gets each chunk once from the root, and hands on one sum of each to it.
        let phases = u64::from(n_phases(problem));
        phases * u64::from(problem.n_ranks() - 1) * u64::from(self.n_chunks(problem))
    }

    fn floor(&self, problem: &Problem) -> Floor {
        let (n, size_bytes) = (problem.n_ranks(), problem.size_bytes());
        let n_chunks = self.n_chunks(problem).into();
        let down = if is_over_ranks(problem) {
            // From the root to the deepest leaf.
            let deepest = (0..n).max_by_key(|&v| depth(n, v)).unwrap_or(0);
            let up = std::iter::successors(Some(deepest), |&v| parent(n, v)).map(RankId);
            let mut down: Vec<RankId> = up.collect();
            down.reverse();
            down
        } else {
            checked(problem).longest_path()
        };
        let path = match problem.collective {
            Collective::Broadcast => down,
            Collective::Reduce => down.into_iter().rev().collect(),
            _ => up_and_down(&down),
        };
        let hops = path.len() as u32 - 1;
        // Every rank but the root gets the vector.
        Floor::new(hops, size_bytes, 1, 1)
            .in_a_row(size_bytes, hops.into(), n_chunks)
            .along(path)
    }

    fn rank_program(&self, problem: &Problem, rank: RankId, program: &mut Program) {
        if !is_over_ranks(problem) {
            let lanes = checked(problem);
            if problem.collective != Collective::Broadcast {
                program.transposed(lanes.n_steps(), Op::Reduce, |p| lanes.broadcast(p, rank));
            }
            if problem.collective != Collective::Reduce {
                program.phase(lanes.n_steps(), |p| lanes.broadcast(p, rank));
            }
            return;
        }
        let (n, n_chunks) = (problem.n_ranks(), chunks_of(problem, 1));
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

/// Whether it is NCCL's all-reduce over single ranks, whose trees have roots of their own.
fn is_over_ranks(problem: &Problem) -> bool {
    problem.collective == Collective::AllReduce && problem.options.text(LEVEL).is_none()
}

fn n_phases(problem: &Problem) -> u32 {
    1 + u32::from(problem.collective == Collective::AllReduce)
}

fn lanes<'a>(problem: &Problem<'a>) -> Result<Lanes<'a>, Unsupported> {
    Lanes::of(ABOUT.name, problem, problem.options.text(LEVEL))
}

/// The lanes of a supported problem.
fn checked<'a>(problem: &Problem<'a>) -> Lanes<'a> {
    let lanes = lanes(problem).expect("supports() has found the level");
    let n_chunks = chunks_of(problem, lanes.n_lanes());
    lanes.in_chunks(n_chunks)
}

/// K: each tree carries one half of the vector, or of the stripe of a lane.
fn chunks_of(problem: &Problem, n_lanes: u32) -> u32 {
    default_chunks(
        problem,
        problem.size_bytes().div_ceil(2 * u64::from(n_lanes)),
    )
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
}
