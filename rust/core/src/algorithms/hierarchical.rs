//! Hierarchical: a ring inside each group and a ring among the ranks of equal place in the groups.
//!
//! A level of the team cuts the n ranks into N groups of m. All-gather in the order `intra_first`
//! gathers inside the groups and then exchanges whole groups' blocks, one strided message each;
//! `inter_first` exchanges single blocks first, which sends m times less between groups.
//! Reduce-scatter is the same the other way around. All-reduce `intra_first` is reduce-scatter
//! inside, all-reduce of the m-th part between, all-gather inside; `inter_first` swaps the levels.
//! Source: Cho et al., "Blue Connect", Systems and Machine Learning 2019; HCCL two-level; `reference/algorithms.md` 3.13.

use super::contract::{About, Algorithm, Candidate, Floor, OptionKind, OptionSpec, Unsupported};
use super::ring::Ring;
use crate::collective::{Collective, Payload, Problem};
use crate::ids::RankId;
use crate::schedule::symmetry::{Alike, ChunkAxis, Symmetry};
use crate::schedule::{ChunkRange, Program};
use crate::team::{Level, Team};

/// The two-level hierarchy.
#[derive(Debug)]
pub(super) struct Hierarchical;

/// What runs on either level: any algorithm with one chunk per block.
const INSIDE: &dyn Algorithm = &Ring;

const ORDER: &str = "order";
const LEVEL: &str = "level";

static ABOUT: About = About {
    name: "hierarchical",
    summary: "a ring inside each group (m ranks) and a ring among equal places of the N groups",
    source: "Cho et al., BlueConnect, 2019; HCCL",
    constraint: "a level with groups of equal size",
    collectives: &[
        Collective::AllReduce,
        Collective::ReduceScatter,
        Collective::AllGather,
    ],
    options: &[
        OptionSpec {
            name: ORDER,
            summary: "which level runs its first phase first; by default intra_first",
            kind: OptionKind::OneOf(&["intra_first", "inter_first"]),
            candidates: &[Candidate::Text("inter_first")],
        },
        OptionSpec {
            name: LEVEL,
            summary: "the level whose groups are the inner teams; by default node, else the outermost level with several groups of several ranks",
            kind: OptionKind::Text,
            candidates: &[],
        },
    ],
};

impl Algorithm for Hierarchical {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn steps_formula(&self, collective: Collective) -> &'static str {
        match collective {
            Collective::AllReduce => "2(m-1)+2(N-1)",
            _ => "m-1+N-1",
        }
    }

    fn bytes_formula(&self, collective: Collective) -> &'static str {
        match collective {
            Collective::AllReduce => "2(n-1)/n S",
            _ => "(n-1)/n S",
        }
    }

    fn supports(&self, problem: &Problem) -> Result<(), Unsupported> {
        let level = level(problem)?;
        let first = level.groups[0].len();
        match level.groups.iter().find(|group| group.len() != first) {
            None => Ok(()),
            Some(group) => Err(Unsupported::UnequalGroups {
                algorithm: ABOUT.name,
                level: level.name.clone(),
                first,
                other: group.len(),
            }),
        }
    }

    fn n_chunks(&self, problem: &Problem) -> u32 {
        problem.n_ranks()
    }

    fn n_steps(&self, problem: &Problem) -> u32 {
        let grid = Grid::of(problem);
        let steps_of = |phase| {
            let team = grid.sub_team(phase);
            INSIDE.n_steps(&sub_problem(problem, phase, &team))
        };
        grid.phases(problem).map(steps_of).sum()
    }

    fn n_transfers(&self, problem: &Problem) -> u64 {
        let grid = Grid::of(problem);
        let transfers_of = |phase| {
            let team = grid.sub_team(phase);
            let n_teams = u64::from(problem.n_ranks() / team.n_ranks());
            let messages = INSIDE.n_transfers(&sub_problem(problem, phase, &team));
            n_teams * messages * grid.most_ranges(phase) as u64
        };
        grid.phases(problem).map(transfers_of).sum()
    }

    fn floor(&self, problem: &Problem) -> Floor {
        let grid = Grid::of(problem);
        let hops_of = |phase| {
            let team = grid.sub_team(phase);
            INSIDE.floor(&sub_problem(problem, phase, &team)).hops
        };
        Floor::new(grid.phases(problem).map(hops_of).sum(), 0, 0, 1)
    }

    fn symmetry(&self, problem: &Problem) -> Symmetry {
        let grid = Grid::of(problem);
        let (m, n_groups) = (grid.group_size() as u32, grid.n_groups() as u32);
        let mut in_order = grid.groups.iter().flatten().zip(problem.team.ranks());
        if !in_order.all(|(&rank, expected)| rank == expected) {
            return Symmetry::NONE;
        }
        let chunk_axis = |rank_stride, size, neighbor| ChunkAxis {
            stride: neighbor,
            rank_stride,
            size,
        };
        Symmetry {
            ranks: vec![(m, Alike::Rotations), (n_groups, Alike::Rotations)],
            chunks: vec![
                chunk_axis(1, m, grid.chunk(0, 1.min(m as usize - 1))),
                chunk_axis(m, n_groups, grid.chunk(1.min(n_groups as usize - 1), 0)),
            ],
        }
    }

    fn rank_program(&self, problem: &Problem, rank: RankId, program: &mut Program) {
        let grid = Grid::of(problem);
        let place = grid.place_of(rank);
        for phase in grid.phases(problem) {
            let (ranks, local) = grid.members(phase, place);
            let team = grid.sub_team(phase);
            let sub_problem = sub_problem(problem, phase, &team);
            let chunks_of = |block: u32, out: &mut Vec<u32>| {
                grid.chunks_of(phase, block as usize, place, out);
            };
            program.phase(INSIDE.n_steps(&sub_problem), |p| {
                p.embedded(&ranks, local, chunks_of, |p| {
                    INSIDE.rank_program(&sub_problem, local, p);
                });
            });
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    /// Inside each group.
    Intra,
    /// Among the ranks of equal place in the groups.
    Inter,
}

/// A collective of all sub-teams of one side at once.
#[derive(Clone, Copy)]
struct Phase {
    side: Side,
    collective: Collective,
    /// Whether a block stands for all ranks that the sub-team's member represents (those of its
    /// group, or those of its place) and not for itself alone.
    is_wide: bool,
}

/// The groups as a grid: rank `groups[x][l]` has place l in group x.
struct Grid<'a> {
    groups: &'a [Vec<RankId>],
    /// An all-reduce may number its chunks freely; so that wide blocks are contiguous.
    chunk_layout: Option<Side>,
}

impl<'a> Grid<'a> {
    fn of(problem: &Problem<'a>) -> Self {
        let level = level(problem).expect("supports() has found the level");
        Self {
            groups: &level.groups,
            chunk_layout: (problem.collective == Collective::AllReduce)
                .then(|| first_side(problem)),
        }
    }

    fn n_groups(&self) -> usize {
        self.groups.len()
    }

    fn group_size(&self) -> usize {
        self.groups[0].len()
    }

    /// The phases in order, without those of single ranks.
    fn phases(&self, problem: &Problem) -> impl Iterator<Item = Phase> {
        let first = first_side(problem);
        let second = match first {
            Side::Intra => Side::Inter,
            Side::Inter => Side::Intra,
        };
        let phase = |side, collective, is_wide| {
            let phase = Phase {
                side,
                collective,
                is_wide,
            };
            (self.sub_team(phase).n_ranks() > 1).then_some(phase)
        };
        let (scatter, gather) = (Collective::ReduceScatter, Collective::AllGather);
        let phases = match problem.collective {
            Collective::AllGather => [
                phase(first, gather, false),
                phase(second, gather, true),
                None,
            ],
            Collective::ReduceScatter => [
                phase(first, scatter, true),
                phase(second, scatter, false),
                None,
            ],
            _ => [
                phase(first, scatter, true),
                phase(second, Collective::AllReduce, false),
                phase(first, gather, true),
            ],
        };
        phases.into_iter().flatten()
    }

    fn sub_team(&self, phase: Phase) -> Team {
        Team::flat(match phase.side {
            Side::Intra => self.group_size() as u32,
            Side::Inter => self.n_groups() as u32,
        })
    }

    /// Group and place of a rank.
    fn place_of(&self, rank: RankId) -> (usize, usize) {
        let places = self.groups.iter().enumerate();
        let mut found = places.filter_map(|(x, group)| Some((x, group.binary_search(&rank).ok()?)));
        found.next().expect("a level names every rank once")
    }

    /// The sub-team of the rank at a place, and its number in it.
    fn members(&self, phase: Phase, (x, l): (usize, usize)) -> (Vec<RankId>, RankId) {
        match phase.side {
            Side::Intra => (self.groups[x].clone(), RankId::from_index(l)),
            Side::Inter => {
                let column = self.groups.iter().map(|group| group[l]);
                (column.collect(), RankId::from_index(x))
            }
        }
    }

    /// The chunk that belongs to the rank at a place.
    fn chunk(&self, x: usize, l: usize) -> u32 {
        match self.chunk_layout {
            None => self.groups[x][l].0,
            Some(Side::Intra) => (l * self.n_groups() + x) as u32,
            Some(Side::Inter) => (x * self.group_size() + l) as u32,
        }
    }

    /// Appends the chunks of a sub-team's block, for the sub-team of the rank at a place.
    fn chunks_of(&self, phase: Phase, block: usize, (x, l): (usize, usize), out: &mut Vec<u32>) {
        match (phase.side, phase.is_wide) {
            (Side::Intra, false) => out.push(self.chunk(x, block)),
            (Side::Inter, false) => out.push(self.chunk(block, l)),
            (Side::Intra, true) => out.extend((0..self.n_groups()).map(|x| self.chunk(x, block))),
            (Side::Inter, true) => out.extend((0..self.group_size()).map(|l| self.chunk(block, l))),
        }
    }

    /// The most progressions that a block of a phase is made of.
    fn most_ranges(&self, phase: Phase) -> usize {
        if !phase.is_wide {
            return 1;
        }
        let n_blocks = self.sub_team(phase).n_ranks() as usize;
        let ranges = (0..n_blocks).map(|block| {
            let mut chunks = Vec::new();
            self.chunks_of(phase, block, (0, 0), &mut chunks);
            chunks.sort_unstable();
            ChunkRange::cover(&chunks).len()
        });
        ranges.max().unwrap_or(1)
    }
}

/// What the sub-teams of a phase are asked for: with wide blocks the whole, else their share.
fn sub_problem<'a>(problem: &Problem, phase: Phase, team: &'a Team) -> Problem<'a> {
    let share = if phase.is_wide {
        problem.n_ranks()
    } else {
        team.n_ranks()
    };
    let bytes = u128::from(problem.size_bytes()) * u128::from(share);
    let bytes = bytes / u128::from(problem.n_ranks());
    Problem::new(phase.collective, team, Payload::Bytes(bytes as u64))
}

fn first_side(problem: &Problem) -> Side {
    match problem.options.text(ORDER) {
        Some("inter_first") => Side::Inter,
        _ => Side::Intra,
    }
}

/// The level whose groups are the inner teams.
fn level<'a>(problem: &Problem<'a>) -> Result<&'a Level, Unsupported> {
    let team = problem.team;
    let asked = problem.options.text(LEVEL);
    let is_proper =
        |level: &&Level| level.groups.len() > 1 && level.groups.iter().any(|g| g.len() > 1);
    let level = match asked {
        Some(name) => team.level(name),
        None => team
            .level("node")
            .or_else(|| team.levels().iter().rev().find(is_proper)),
    };
    level.ok_or_else(|| Unsupported::NoLevel {
        algorithm: ABOUT.name,
        asked: asked.map(str::to_owned),
        known: known_levels(team),
    })
}

fn known_levels(team: &Team) -> String {
    let describe = |level: &Level| format!("{} ({} groups)", level.name, level.groups.len());
    let known: Vec<String> = team.levels().iter().map(describe).collect();
    if known.is_empty() {
        "none".to_owned()
    } else {
        known.join(", ")
    }
}
