//! NHR, the nonuniform hierarchical ring: bandwidth-optimal in L steps for every n.
//!
//! All-gather: at step s = 0..L-1, L = ceil(log2 n), d = 2^(L-1-s), rank r sends r + d the slices
//! r - 2di, i < c(d) = floor((n-1+d)/(2d)); the c(d) add up to n - 1, so every slice is delivered once.
//! Few slices go far, many to the neighbor. Reduce-scatter is the transpose. Scatter: with x the
//! distance to the root, at d = 1, 2, 4, ... ranks x < min(d, n-d) send x + d the slices x + d,
//! x + 3d, ... HCCL renumbers slices so that a message is one run of memory; here it is a
//! progression around the ranks as it is. `shots` "one": all-reduce as a binomial reduce and broadcast of whole
//! vectors. Cost: all-gather, scatter L alpha + (n-1)/n S beta; reduce-scatter with gamma; the others
//! are two of these; one-shot all-reduce 2L (alpha + S beta) + L S gamma.
//! Source: HCCL (cann-hcomm, NHR); `reference/algorithms.md` 3.2.

use super::binomial_tree::{depth, longest_path, whole_vector};
use super::contract::{
    About, Algorithm, Blockwise, Candidate, Floor, Hops, OptionKind, OptionSpec, Unsupported,
    blockwise_floor, blockwise_symmetry, doubling, halving, n_phases, up_and_down,
};
use crate::collective::{Collective, Problem};
use crate::ids::RankId;
use crate::schedule::symmetry::Symmetry;
use crate::schedule::{ChunkRange, Op, Program};

/// NHR.
#[derive(Debug)]
pub(super) struct Nhr;

const SHOTS: &str = "shots";

static ABOUT: About = About {
    name: "nhr",
    summary: "log2 n steps over halving distances; the neighbor gets most blocks, the farthest few",
    source: "HCCL",
    constraint: "any n, any root",
    collectives: &[
        Collective::AllReduce,
        Collective::ReduceScatter,
        Collective::AllGather,
        Collective::Broadcast,
        Collective::Reduce,
        Collective::Gather,
        Collective::Scatter,
    ],
    options: &[OptionSpec {
        name: SHOTS,
        summary: "all_reduce in two passes over blocks (two, the default) or as a tree of whole vectors (one)",
        kind: OptionKind::OneOf(&["two", "one"]),
        candidates: &[Candidate::Text("one")],
    }],
};

impl Algorithm for Nhr {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn steps_formula(&self, collective: Collective) -> &'static str {
        match n_phases(collective) {
            2 => "2 ceil(log2 n)",
            _ => "ceil(log2 n)",
        }
    }

    fn bytes_formula(&self, collective: Collective) -> &'static str {
        match collective {
            Collective::AllReduce => "2(n-1)/n S; in one shot up to ceil(log2 n) S",
            Collective::Broadcast => "2(n-1)/n S",
            Collective::Reduce => "(n-1)/n S + up to S/2",
            Collective::Gather => "up to S/2",
            _ => "(n-1)/n S",
        }
    }

    fn supports(&self, problem: &Problem) -> Result<(), Unsupported> {
        if !is_one_shot(problem) || problem.collective == Collective::AllReduce {
            return Ok(());
        }
        Err(Unsupported::OptionHere {
            algorithm: ABOUT.name,
            option: SHOTS,
            value: "one".to_owned(),
            only: "for all_reduce only",
        })
    }

    fn n_chunks(&self, problem: &Problem) -> u32 {
        if is_one_shot(problem) {
            return 1;
        }
        problem.n_ranks()
    }

    fn n_steps(&self, problem: &Problem) -> u32 {
        n_phases(problem.collective) * depth(problem.n_ranks())
    }

    fn n_transfers(&self, problem: &Problem) -> u64 {
        u64::from(problem.n_ranks()) * u64::from(self.n_steps(problem))
    }

    fn floor(&self, problem: &Problem) -> Floor {
        if is_one_shot(problem) {
            let (n, size_bytes) = (problem.n_ranks(), problem.size_bytes());
            let floor = Floor::new(2 * n.ilog2(), size_bytes, depth(n).into(), 1);
            return floor.along(up_and_down(&longest_path(n, problem.root.0)));
        }
        let n = problem.n_ranks();
        let hops = Hops {
            all_gather: halving(n, 1),
            transpose_of_reduce_scatter: halving(n, 1),
            scatter: doubling(n, -1),
        };
        blockwise_floor(problem, &hops)
    }

    fn symmetry(&self, problem: &Problem) -> Symmetry {
        if is_one_shot(problem) {
            return Symmetry::NONE;
        }
        blockwise_symmetry(problem)
    }

    fn rank_program(&self, problem: &Problem, rank: RankId, program: &mut Program) {
        let n_steps = depth(problem.n_ranks());
        if is_one_shot(problem) {
            let tree = |p: &mut Program| whole_vector(p, problem, rank, 1);
            program.transposed(n_steps, Op::Reduce, tree);
            program.phase(n_steps, tree);
            return;
        }
        let all_gather = |p: &mut Program| all_gather(p, problem.n_ranks(), rank);
        Blockwise {
            n_steps,
            all_gather,
            transpose_of_reduce_scatter: all_gather,
            scatter: |p: &mut Program| scatter(p, problem, rank, -1),
        }
        .write(problem.collective, program);
    }
}

fn is_one_shot(problem: &Problem) -> bool {
    problem.options.text(SHOTS) == Some("one")
}

/// c(d): slices that are sent over distance d.
pub(super) fn n_slices(n: u32, d: u32) -> u32 {
    (n - 1 + d) / (2 * d)
}

fn all_gather(program: &mut Program, n: u32, rank: RankId) {
    for (step, d) in (0..depth(n)).map(|step| (step, 1 << (depth(n) - 1 - step))) {
        let to = RankId((rank.0 + d) % n);
        let count = n_slices(n, d);
        // From the farthest slice on, in ascending order.
        let first = rank.0 + n - 2 * d * (count - 1);
        program.send(step, to, ChunkRange::cyclic(n, first % n, count, 2 * d));
    }
}

/// Scatter from the root to the ranks at growing distance, in the direction `sign` from it.
pub(super) fn scatter(program: &mut Program, problem: &Problem, rank: RankId, sign: i32) {
    let (n, root) = (problem.n_ranks(), problem.root.0);
    let at = |x: u32| {
        if sign < 0 {
            (root + n - x) % n
        } else {
            (root + x) % n
        }
    };
    let x = if sign < 0 {
        (root + n - rank.0) % n
    } else {
        (rank.0 + n - root) % n
    };
    for step in 0..depth(n) {
        let d = 1 << step;
        if x < d.min(n - d) {
            let count = (n - 1 - x - d) / (2 * d) + 1;
            let first = if sign < 0 {
                at(x + d + 2 * d * (count - 1))
            } else {
                at(x + d)
            };
            let slices = ChunkRange::cyclic(n, first, count, 2 * d);
            program.send(step, RankId(at(x + d)), slices);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slices_of_all_steps_are_n_minus_1() {
        for n in 2..1000 {
            let sum: u32 = (0..depth(n)).map(|s| n_slices(n, 1 << s)).sum();
            assert_eq!(sum, n - 1);
        }
    }
}
