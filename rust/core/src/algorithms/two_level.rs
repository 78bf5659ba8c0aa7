//! Two-level all-to-all: once within rows, once within columns of a grid.
//!
//! N groups of m ranks, from a level of the team or, as option `rows`, cut from the rank order. With
//! order `intra_first`, phase 1 has m - 1 steps: at step s rank (x, l) sends (x, l + s) all it has for that
//! place of any group, N blocks. Phase 2 has N - 1 steps: (x, l) sends (x + s, l) the m blocks for it
//! that it has now, one from each rank of its group. `inter_first` swaps the phases. Cost:
//! (m-1 + N-1) alpha + ((m-1)/m + (N-1)/N) S beta: twice the bytes, n/(m + N) times fewer messages.
//! Source: HCCL staged, MSCCL two-step, Tutel 2DH; `reference/algorithms.md` 3.12.

use super::contract::{
    About, Algorithm, Candidate, Floor, OptionKind, OptionSpec, Unsupported, equal_groups_of, pair,
    place_of,
};
use crate::collective::{Collective, Payload, Problem};
use crate::ids::RankId;
use crate::schedule::symmetry::{Alike, ChunkAxis, Symmetry};
use crate::schedule::{ChunkRange, Program};

/// The two-level all-to-all.
#[derive(Debug)]
pub(super) struct TwoLevel;

const ORDER: &str = "order";
const LEVEL: &str = "level";
const ROWS: &str = "rows";

static ABOUT: About = About {
    name: "two_level",
    summary: "blocks go to the right place of the own group first and to the right group then",
    source: "HCCL, MSCCL, Tutel",
    constraint: "a level with groups of equal size, or rows that divide n",
    collectives: &[Collective::AllToAll],
    options: &[
        OptionSpec {
            name: ORDER,
            summary: "which exchange comes first; by default intra_first",
            kind: OptionKind::OneOf(&["intra_first", "inter_first"]),
            candidates: &[Candidate::Text("inter_first")],
        },
        OptionSpec {
            name: LEVEL,
            summary: "the level whose groups are the rows; by default node, else the outermost level with several groups of several ranks",
            kind: OptionKind::Text,
            candidates: &[],
        },
        OptionSpec {
            name: ROWS,
            summary: "instead of a level: the number N of rows into which the rank order is cut",
            kind: OptionKind::Int {
                low: 1,
                high: 1 << 31,
            },
            candidates: &[],
        },
    ],
};

impl Algorithm for TwoLevel {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn steps_formula(&self, _collective: Collective) -> &'static str {
        "m-1+N-1"
    }

    fn bytes_formula(&self, _collective: Collective) -> &'static str {
        "((m-1)/m + (N-1)/N) S"
    }

    fn supports(&self, problem: &Problem) -> Result<(), Unsupported> {
        match problem.options.int(ROWS) {
            None => equal_groups_of(ABOUT.name, problem, problem.options.text(LEVEL)).map(|_| ()),
            Some(rows) if i64::from(problem.n_ranks()) % rows == 0 => Ok(()),
            Some(rows) => Err(Unsupported::OptionHere {
                algorithm: ABOUT.name,
                option: ROWS,
                value: rows.to_string(),
                only: "only where it divides the number of ranks",
            }),
        }
    }

    fn n_chunks(&self, problem: &Problem) -> u32 {
        problem.n_ranks()
    }

    fn n_steps(&self, problem: &Problem) -> u32 {
        let groups = grid(problem);
        (groups.len() + groups[0].len() - 2) as u32
    }

    fn n_transfers(&self, problem: &Problem) -> u64 {
        // A message of several blocks is one progression per row or column at most.
        let groups = grid(problem);
        let (n_groups, size) = (groups.len() as u64, groups[0].len() as u64);
        u64::from(problem.n_ranks()) * ((size - 1) * n_groups + (n_groups - 1) * size)
    }

    fn floor(&self, problem: &Problem) -> Floor {
        let groups = grid(problem);
        let (n_groups, size) = (groups.len() as u64, groups[0].len() as u64);
        let hops = u32::from(n_groups > 1) + u32::from(size > 1);
        if matches!(problem.payload, Payload::Counts(_)) {
            return Floor::default();
        }
        let blocks = (size - 1) * n_groups + (n_groups - 1) * size;
        let (next, across) = (groups[0].get(1), groups.get(1));
        let first_of_next = across.map(|group| &group[0]);
        let corner = if is_intra_first(problem) {
            next.or(first_of_next)
        } else {
            first_of_next.or(next)
        };
        let far = next.and(across).map(|group| group[1]);
        let path = std::iter::once(groups[0][0]);
        let path = path.chain(corner.copied()).chain(far).collect();
        Floor::new(hops, problem.size_bytes(), blocks, n_groups * size).along(path)
    }

    fn symmetry(&self, problem: &Problem) -> Symmetry {
        let (n, groups) = (problem.n_ranks(), grid(problem));
        if !groups.iter().flatten().copied().eq(problem.team.ranks()) {
            return Symmetry::NONE;
        }
        let (n_groups, size) = (groups.len() as u32, groups[0].len() as u32);
        // A block is (source, destination), and either end moves with the ranks of its axis.
        let axis = |stride: u64, rank_stride, size| ChunkAxis {
            stride,
            rank_stride,
            size,
        };
        let [wide, n] = [size, n].map(u64::from);
        Symmetry {
            ranks: vec![(size, Alike::Rotations), (n_groups, Alike::Rotations)],
            chunks: vec![
                axis(1, 1, size),
                axis(wide, size, n_groups),
                axis(n, 1, size),
                axis(n * wide, size, n_groups),
            ],
        }
    }

    fn rank_program(&self, problem: &Problem, rank: RankId, program: &mut Program) {
        let (n, groups) = (problem.n_ranks(), grid(problem));
        let (x, l) = place_of(&groups, rank);
        let (n_groups, size) = (groups.len(), groups[0].len());
        let row = |x: usize| groups[x].iter().copied();
        let column = |l: usize| groups.iter().map(move |group| group[l]);
        let is_intra_first = is_intra_first(problem);
        let intra = |p: &mut Program| {
            for s in 1..size {
                let to = groups[x][(l + s) % size];
                // First its own blocks for the column of `to`, last everybody's of its column for `to`.
                let blocks: Vec<u64> = if is_intra_first {
                    column((l + s) % size)
                        .map(|d| pair(n, rank.0, d.0))
                        .collect()
                } else {
                    column(l).map(|i| pair(n, i.0, to.0)).collect()
                };
                send_blocks(p, s as u32 - 1, to, blocks);
            }
        };
        let inter = |p: &mut Program| {
            for s in 1..n_groups {
                let to = groups[(x + s) % n_groups][l];
                let blocks: Vec<u64> = if is_intra_first {
                    row(x).map(|i| pair(n, i.0, to.0)).collect()
                } else {
                    row((x + s) % n_groups)
                        .map(|d| pair(n, rank.0, d.0))
                        .collect()
                };
                send_blocks(p, s as u32 - 1, to, blocks);
            }
        };
        if is_intra_first {
            program.phase(size as u32 - 1, intra);
            program.phase(n_groups as u32 - 1, inter);
        } else {
            program.phase(n_groups as u32 - 1, inter);
            program.phase(size as u32 - 1, intra);
        }
    }
}

fn is_intra_first(problem: &Problem) -> bool {
    problem.options.text(ORDER) != Some("inter_first")
}

fn send_blocks(program: &mut Program, step: u32, to: RankId, mut blocks: Vec<u64>) {
    blocks.sort_unstable();
    program.send_each(step, to, ChunkRange::cover(&blocks));
}

/// The groups, as ranks in order of place.
fn grid(problem: &Problem) -> Vec<Vec<RankId>> {
    if let Some(rows) = problem.options.int(ROWS) {
        let size = problem.n_ranks() as usize / rows as usize;
        let ranks: Vec<RankId> = problem.team.ranks().collect();
        return ranks.chunks(size).map(<[RankId]>::to_vec).collect();
    }
    let level = equal_groups_of(ABOUT.name, problem, problem.options.text(LEVEL));
    let level = level.expect("supports() has found the level");
    level.groups.clone()
}
