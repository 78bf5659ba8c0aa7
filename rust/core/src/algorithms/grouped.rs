//! Grouped full mesh: an all-to-all in rounds of a few partners on either side.
//!
//! At step s rank r sends to r - i and r + i for i = gs/2+1 .. gs/2+g/2, where g is the size of a
//! group: HCCL's direct full mesh on A3 keeps g = 8 transfers in flight, four to the left and four to
//! the right. ceil((n-1)/g) steps. Cost: ceil((n-1)/g) alpha + (n-1)/n S beta.
//! Source: HCCL (cann-hcomm, A3 direct full mesh inside a supernode); `reference/algorithms.md` 3.12.

use super::contract::{About, Algorithm, Candidate, Floor, OptionKind, OptionSpec, pair};
use crate::collective::{Collective, Payload, Problem};
use crate::ids::RankId;
use crate::schedule::symmetry::{Alike, Symmetry};
use crate::schedule::{ChunkRange, Program};

/// The grouped full mesh.
#[derive(Debug)]
pub(super) struct Grouped;

const SIDE: &str = "side";

static ABOUT: About = About {
    name: "grouped",
    summary: "at each step every rank sends to the next few partners on its left and right",
    source: "HCCL direct full mesh (A3)",
    constraint: "any n",
    collectives: &[Collective::AllToAll],
    options: &[OptionSpec {
        name: SIDE,
        summary: "partners on either side at once, g/2; by default 4, HCCL's groups of g = 8",
        kind: OptionKind::Int {
            low: 1,
            high: 65_536,
        },
        candidates: &[Candidate::Int(1), Candidate::Int(16)],
    }],
};

impl Algorithm for Grouped {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn steps_formula(&self, _collective: Collective) -> &'static str {
        "ceil((n-1)/g)"
    }

    fn bytes_formula(&self, _collective: Collective) -> &'static str {
        "(n-1)/n S"
    }

    fn n_chunks(&self, problem: &Problem) -> u32 {
        problem.n_ranks()
    }

    fn n_steps(&self, problem: &Problem) -> u32 {
        (problem.n_ranks() / 2).div_ceil(side(problem))
    }

    fn n_transfers(&self, problem: &Problem) -> u64 {
        let n = u64::from(problem.n_ranks());
        n * (n - 1)
    }

    fn floor(&self, problem: &Problem) -> Floor {
        let n = u64::from(problem.n_ranks());
        match problem.payload {
            Payload::Counts(_) => Floor::default(),
            _ => Floor::new(1, problem.size_bytes(), n - 1, n),
        }
    }

    fn symmetry(&self, problem: &Problem) -> Symmetry {
        let n = problem.n_ranks();
        Symmetry::of_ranks(n, Alike::Rotations).with_chunks_by_pair(n, n)
    }

    fn rank_program(&self, problem: &Problem, rank: RankId, program: &mut Program) {
        let n = problem.n_ranks();
        let mut send = |step, to| {
            let block = pair(n, rank.0, to);
            program.send(step, RankId(to), ChunkRange::one(block));
        };
        for distance in 1..=n / 2 {
            let step = (distance - 1) / side(problem);
            let (left, right) = ((rank.0 + n - distance) % n, (rank.0 + distance) % n);
            send(step, left);
            // Halfway around both are the same rank.
            if left != right {
                send(step, right);
            }
        }
    }
}

fn side(problem: &Problem) -> u32 {
    problem.options.int(SIDE).map_or(4, |side| side as u32)
}
