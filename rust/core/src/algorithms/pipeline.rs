//! Pipeline: a ring per place over the groups, overlapped with the exchange inside each group.
//!
//! A level cuts the n ranks into N groups of m. All-gather: at step k = 0..N-1 the rank at place l of
//! group x sends block (x - k, l) to the same place of group x + 1 (but for the last step) and to the
//! m - 1 others of its group, so what arrives between groups is spread inside while the next block
//! comes. Reduce-scatter is the transpose, all-reduce both. m rings run side by side, one per
//! place: on packages of two dies that is one ring per die, with the die-to-die link inside the
//! package, which fills all ports, where a flat ring leaves every second idle. Cost with a link of
//! its own per pair, where a block takes t inside and T between groups: (N-1) max(t, T) + t;
//! all-reduce twice that.
//! Source: HCCL's pipeline (cann-hcomm); `reference/algorithms.md` 3.13.

use super::contract::{
    About, Algorithm, Candidate, Floor, OptionKind, OptionSpec, Unsupported, equal_groups_of,
    place_of,
};
use crate::collective::{Collective, Problem};
use crate::ids::RankId;
use crate::schedule::symmetry::{Alike, ChunkAxis, Symmetry};
use crate::schedule::{ChunkRange, Op, Program};

/// The pipeline.
#[derive(Debug)]
pub(super) struct Pipeline;

const LEVEL: &str = "level";

static ABOUT: About = About {
    name: "pipeline",
    summary: "a ring per place over the N groups; every block is spread inside while the next comes",
    source: "HCCL",
    constraint: "a level with groups of equal size",
    collectives: &[
        Collective::AllReduce,
        Collective::ReduceScatter,
        Collective::AllGather,
    ],
    options: &[OptionSpec {
        name: LEVEL,
        summary: "the level whose groups are cut; by default node, else the outermost level with several groups of several ranks",
        kind: OptionKind::Text,
        candidates: &[Candidate::Text("package")],
    }],
};

impl Algorithm for Pipeline {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn steps_formula(&self, collective: Collective) -> &'static str {
        match collective {
            Collective::AllReduce => "2 N",
            _ => "N",
        }
    }

    fn bytes_formula(&self, collective: Collective) -> &'static str {
        match collective {
            Collective::AllReduce => "2(n-1)/n S",
            _ => "(n-1)/n S",
        }
    }

    fn supports(&self, problem: &Problem) -> Result<(), Unsupported> {
        groups(problem).map(|_| ())
    }

    fn n_chunks(&self, problem: &Problem) -> u32 {
        problem.n_ranks()
    }

    fn n_steps(&self, problem: &Problem) -> u32 {
        let (n_groups, size) = shape(problem);
        // Single ranks have nobody to spread the last block to.
        n_phases(problem) * if size == 1 { n_groups - 1 } else { n_groups }
    }

    fn n_transfers(&self, problem: &Problem) -> u64 {
        let n = u64::from(problem.n_ranks());
        // Everybody gets every other block once.
        u64::from(n_phases(problem)) * n * (n - 1)
    }

    fn floor(&self, problem: &Problem) -> Floor {
        let n = u64::from(problem.n_ranks());
        let bytes = u64::from(n_phases(problem)) * (n - 1);
        Floor::new(self.n_steps(problem), problem.size_bytes(), bytes, n)
    }

    fn symmetry(&self, problem: &Problem) -> Symmetry {
        let groups = groups(problem).expect("supports() has found the level");
        let mut in_order = groups.iter().flatten().zip(problem.team.ranks());
        if !in_order.all(|(&rank, expected)| rank == expected) {
            return Symmetry::NONE;
        }
        let (n_groups, size) = shape(problem);
        let axis = |stride: u32, size| ChunkAxis {
            stride: stride.into(),
            rank_stride: stride,
            size,
        };
        Symmetry {
            ranks: vec![(size, Alike::Any), (n_groups, Alike::Rotations)],
            chunks: vec![axis(1, size), axis(size, n_groups)],
        }
    }

    fn rank_program(&self, problem: &Problem, rank: RankId, program: &mut Program) {
        let n_steps = self.n_steps(problem) / n_phases(problem);
        let groups = groups(problem).expect("supports() has found the level");
        if problem.collective != Collective::AllGather {
            program.transposed(n_steps, Op::Reduce, |p| all_gather(p, groups, rank));
        }
        if problem.collective != Collective::ReduceScatter {
            program.phase(n_steps, |p| all_gather(p, groups, rank));
        }
    }
}

fn all_gather(program: &mut Program, groups: &[Vec<RankId>], rank: RankId) {
    let (x, l) = place_of(groups, rank);
    let n_groups = groups.len();
    let next = groups[(x + 1) % n_groups][l];
    for k in 0..n_groups {
        let block = ChunkRange::one(groups[(x + n_groups - k) % n_groups][l].0);
        if k + 1 < n_groups {
            program.send(k as u32, next, block);
        }
        for &peer in groups[x].iter().filter(|&&peer| peer != rank) {
            program.send(k as u32, peer, block);
        }
    }
}

fn groups<'a>(problem: &Problem<'a>) -> Result<&'a [Vec<RankId>], Unsupported> {
    let level = equal_groups_of(ABOUT.name, problem, problem.options.text(LEVEL))?;
    Ok(&level.groups)
}

/// N and m.
fn shape(problem: &Problem) -> (u32, u32) {
    let groups = groups(problem).expect("supports() has found the level");
    (groups.len() as u32, groups[0].len() as u32)
}

fn n_phases(problem: &Problem) -> u32 {
    1 + u32::from(problem.collective == Collective::AllReduce)
}
