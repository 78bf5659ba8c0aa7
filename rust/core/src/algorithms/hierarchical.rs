//! Hierarchical: one algorithm inside each group, others among the ranks of equal place.
//!
//! One or two levels of the team, of equal groups, make the n ranks a grid of two or three axes:
//! m places inside (a third of them in between) and N groups. All-gather goes axis by axis, every
//! axis passing on all blocks that the axes before have brought, one strided message each;
//! reduce-scatter is the same the other way around. All-reduce is a reduce-scatter along all axes but
//! the last, an all-reduce along the last, and all-gathers back. `intra_first` starts inside,
//! `inter_first` outside: an all-gather that ends inside sends m times less between groups, a
//! reduce-scatter or all-reduce that starts inside too. Inside groups whose switches reduce, `nvls`
//! runs too. Cost: the sum of its phases.
//! Source: Cho et al., "Blue Connect", Systems and Machine Learning 2019; HCCL; `reference/algorithms.md`
//! 3.13.

use std::ops::Range;

use super::contract::{
    About, Algorithm, Candidate, Floor, OptionKind, OptionSpec, PlanError, Unsupported, check,
    equal_groups_of, lookup,
};
use crate::collective::{Collective, Payload, Problem};
use crate::ids::RankId;
use crate::schedule::symmetry::{Alike, ChunkAxis, Symmetry};
use crate::schedule::{ChunkRange, Program};
use crate::team::Team;

/// The hierarchy of two or three axes.
#[derive(Debug)]
pub(super) struct Hierarchical;

const ORDER: &str = "order";
const LEVEL: &str = "level";
/// The options that name the algorithm of each axis: of two, the first and the last.
const INTRA: &str = "intra";
const MIDDLE: &str = "middle";
const INTER: &str = "inter";
const DEFAULT: &str = "ring";

static ABOUT: About = About {
    name: "hierarchical",
    summary: "any algorithm inside each group (m ranks), and any among equal places of the N groups",
    source: "Cho et al., BlueConnect, 2019; HCCL",
    constraint: "a level, or two, with groups of equal size",
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
            summary: "the level whose groups are the inner teams, or two as 'package+node'; by default node, else the outermost level with several groups of several ranks",
            kind: OptionKind::Text,
            candidates: &[],
        },
        OptionSpec {
            name: INTRA,
            summary: "the algorithm inside the innermost groups; by default ring",
            kind: OptionKind::Text,
            candidates: &[Candidate::Text("direct"), Candidate::Text("nvls")],
        },
        OptionSpec {
            name: MIDDLE,
            summary: "of two levels: the algorithm among the inner groups of an outer one; by default ring",
            kind: OptionKind::Text,
            candidates: &[],
        },
        OptionSpec {
            name: INTER,
            summary: "the algorithm among the outermost groups; by default ring",
            kind: OptionKind::Text,
            candidates: &[Candidate::Text("nhr")],
        },
    ],
};

impl Algorithm for Hierarchical {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn steps_formula(&self, collective: Collective) -> &'static str {
        match collective {
            Collective::AllReduce => "sum of phases; rings: 2(m-1)+2(N-1)",
            _ => "sum of phases; rings: m-1+N-1",
        }
    }

    fn bytes_formula(&self, collective: Collective) -> &'static str {
        match collective {
            Collective::AllReduce => "sum of phases; rings: 2(n-1)/n S",
            _ => "sum of phases; rings: (n-1)/n S",
        }
    }

    fn supports(&self, problem: &Problem) -> Result<(), Unsupported> {
        let grid = Grid::of(problem)?;
        if problem.options.text(MIDDLE).is_some() && grid.extents.len() < 3 {
            return Err(Unsupported::OptionHere {
                algorithm: ABOUT.name,
                option: MIDDLE,
                value: problem.options.text(MIDDLE).unwrap_or_default().to_owned(),
                only: "only where level names two levels",
            });
        }
        let phases = grid.phases(problem);
        let one_axis = phases.iter().all(|phase| phase.axis == phases[0].axis);
        for phase in phases {
            let inner = grid.algorithm(problem, phase)?;
            let team = grid.sub_team(phase);
            let in_network = inner.in_network(&grid.sub_problem(problem, phase, &team));
            // Of one group it would be that algorithm itself, under another name.
            if one_axis && !in_network.is_empty() {
                return Err(Unsupported::OptionHere {
                    algorithm: ABOUT.name,
                    option: grid.option(phase),
                    value: inner.about().name.to_owned(),
                    only: "only where several groups have several ranks",
                });
            }
        }
        Ok(())
    }

    fn n_chunks(&self, problem: &Problem) -> u32 {
        let grid = Grid::checked(problem);
        problem.n_ranks().saturating_mul(grid.parts(problem))
    }

    fn n_steps(&self, problem: &Problem) -> u32 {
        let grid = Grid::checked(problem);
        let steps_of = |phase| {
            let team = grid.sub_team(phase);
            let inner = grid
                .algorithm(problem, phase)
                .expect("supports() has checked");
            inner.n_steps(&grid.sub_problem(problem, phase, &team))
        };
        grid.phases(problem).into_iter().map(steps_of).sum()
    }

    fn n_transfers(&self, problem: &Problem) -> u64 {
        let grid = Grid::checked(problem);
        let parts = grid.parts(problem);
        let transfers_of = |phase| {
            let team = grid.sub_team(phase);
            let inner = grid
                .algorithm(problem, phase)
                .expect("supports() has checked");
            let n_teams = u64::from(problem.n_ranks() / team.n_ranks());
            let messages = inner.n_transfers(&grid.sub_problem(problem, phase, &team));
            // A message is cut into as many as it has chunks at most; each chunk moves to each rank
            // once, and once more where all-reduce sums before it gathers.
            let passes = 1 + u64::from(phase.collective == Collective::AllReduce);
            let n_inner = u64::from(inner.n_chunks(&grid.sub_problem(problem, phase, &team)));
            let messages = messages.max(passes * u64::from(team.n_ranks()) * n_inner);
            n_teams * messages * grid.most_ranges(problem, phase, parts)
        };
        grid.phases(problem).into_iter().map(transfers_of).sum()
    }

    fn in_network(&self, problem: &Problem) -> Vec<Range<u32>> {
        let grid = Grid::checked(problem);
        let mut base = 0;
        let mut steps = Vec::new();
        for phase in grid.phases(problem) {
            let team = grid.sub_team(phase);
            let inner = grid
                .algorithm(problem, phase)
                .expect("supports() has checked");
            let sub_problem = grid.sub_problem(problem, phase, &team);
            let own = inner.in_network(&sub_problem).into_iter();
            steps.extend(own.map(|steps| base + steps.start..base + steps.end));
            base += inner.n_steps(&sub_problem);
        }
        steps
    }

    fn floor(&self, problem: &Problem) -> Floor {
        // Where switches add up and multicast, ranks send and receive less.
        if !self.in_network(problem).is_empty() {
            return Floor::default();
        }
        let grid = Grid::checked(problem);
        let floor_of = |&phase: &Phase| {
            let team = grid.sub_team(phase);
            let inner = grid
                .algorithm(problem, phase)
                .expect("supports() has checked");
            inner.floor(&grid.sub_problem(problem, phase, &team))
        };
        let phases = grid.phases(problem);
        let floors: Vec<Floor> = phases.iter().map(floor_of).collect();
        let hops = floors.iter().map(|floor| floor.hops).sum();
        let path = grid.path_through(&phases, &floors);
        // Whoever gathers n blocks receives n - 1 of them, and twice that for the sum of vectors
        // (Patarasuk, Yuan 2009).
        let n = u64::from(problem.n_ranks());
        let passes = 1 + u64::from(problem.collective == Collective::AllReduce);
        Floor::new(hops, problem.size_bytes(), passes * (n - 1), n).along(path)
    }

    fn symmetry(&self, problem: &Problem) -> Symmetry {
        let grid = Grid::checked(problem);
        let mut in_order = grid.ranks.iter().zip(problem.team.ranks());
        if !in_order.all(|(&rank, expected)| rank == expected) {
            return Symmetry::NONE;
        }
        let parts = grid.parts(problem);
        let (mut ranks, mut chunks, mut rank_stride) = (Vec::new(), Vec::new(), 1);
        for (axis, &extent) in grid.extents.iter().enumerate() {
            let phases = grid.phases(problem);
            let along = phases.iter().filter(|phase| phase.axis == axis);
            let alike = along.map(|&phase| grid.alike(problem, phase));
            ranks.push((extent as u32, alike.fold(Alike::Any, Alike::and)));
            let mut neighbor = vec![0; grid.extents.len()];
            neighbor[axis] = 1.min(extent - 1);
            chunks.push(ChunkAxis {
                stride: u64::from(grid.block(&neighbor)) * u64::from(parts),
                rank_stride,
                size: extent as u32,
            });
            rank_stride *= extent as u32;
        }
        Symmetry { ranks, chunks }
    }

    fn rank_program(&self, problem: &Problem, rank: RankId, program: &mut Program) {
        let grid = Grid::checked(problem);
        let (parts, place) = (grid.parts(problem), grid.place_of(rank));
        for phase in grid.phases(problem) {
            let (ranks, local) = grid.members(phase, &place);
            let team = grid.sub_team(phase);
            let sub_problem = grid.sub_problem(problem, phase, &team);
            let inner = grid
                .algorithm(problem, phase)
                .expect("supports() has checked");
            let n_inner = inner.n_chunks(&sub_problem);
            let chunks_of = |chunk: u64, out: &mut Vec<u64>| {
                grid.chunks_of(phase, &place, (chunk as u32, n_inner), parts, out);
            };
            program.phase(inner.n_steps(&sub_problem), |p| {
                p.embedded(&ranks, local, chunks_of, |p| {
                    inner.rank_program(&sub_problem, local, p);
                });
            });
        }
    }
}

/// A collective of all sub-teams along one axis at once.
#[derive(Clone, Copy)]
struct Phase {
    axis: usize,
    collective: Collective,
    /// Axes along which a block stands for all places, as bits: those that are still to be
    /// scattered or have been gathered already.
    wide: u32,
}

/// The ranks as a grid, innermost axis first.
struct Grid {
    /// Places along each axis.
    extents: Vec<usize>,
    /// The rank at each place, the innermost axis running fastest.
    ranks: Vec<RankId>,
    /// Axes from the first to the last of an all-gather's order.
    order: Vec<usize>,
    /// An all-reduce may number its chunks freely: so that wide blocks are contiguous.
    numbers_freely: bool,
}

impl Grid {
    fn of(problem: &Problem) -> Result<Self, Unsupported> {
        let asked = problem.options.text(LEVEL);
        let names: Vec<Option<&str>> = match asked {
            None => vec![None],
            Some(names) => names.splitn(2, '+').map(Some).collect(),
        };
        let level = |name: Option<&str>| equal_groups_of(ABOUT.name, problem, name);
        let levels = names
            .into_iter()
            .map(level)
            .collect::<Result<Vec<_>, _>>()?;
        let (first, last) = (levels[0], levels[levels.len() - 1]);
        let size = first.groups[0].len();
        let (extents, ranks) = if levels.len() == 2 && last.groups[0].len() % size == 0 {
            // Groups of either level are in rank order, so the inner groups of an outer one are too.
            let mut group_from = vec![None; problem.n_ranks() as usize];
            for group in &first.groups {
                group_from[group[0].index()] = Some(group);
            }
            let members = last.groups.iter().flatten();
            let inside = members.filter_map(|rank| group_from[rank.index()]);
            let ranks: Vec<RankId> = inside.flatten().copied().collect();
            let middle = last.groups[0].len() / size;
            (vec![size, middle, last.groups.len()], ranks)
        } else {
            let ranks = first.groups.iter().flatten().copied().collect();
            (vec![size, first.groups.len()], ranks)
        };
        if levels.len() == 2 && (extents.len() == 2 || ranks.len() != problem.n_ranks() as usize) {
            return Err(Unsupported::OptionHere {
                algorithm: ABOUT.name,
                option: LEVEL,
                value: asked.unwrap_or_default().to_owned(),
                only: "only with the inner level first",
            });
        }
        let mut order: Vec<usize> = (0..extents.len()).collect();
        if problem.options.text(ORDER) == Some("inter_first") {
            order.reverse();
        }
        Ok(Self {
            extents,
            ranks,
            order,
            numbers_freely: problem.collective == Collective::AllReduce,
        })
    }

    fn checked(problem: &Problem) -> Self {
        Self::of(problem).expect("supports() has found the levels")
    }

    /// The phases in order, without those of single ranks.
    fn phases(&self, problem: &Problem) -> Vec<Phase> {
        let (scatter, gather) = (Collective::ReduceScatter, Collective::AllGather);
        let mut phases = Vec::new();
        let mut add = |collective, axes: &[usize], wide_axes: &[usize]| {
            let wide = wide_axes.iter().map(|axis| 1 << axis).sum();
            phases.push(Phase {
                axis: axes[0],
                collective,
                wide,
            });
        };
        let order = &self.order;
        let last = order.len() - 1;
        match problem.collective {
            Collective::AllGather => {
                (0..=last).for_each(|i| add(gather, &order[i..], &order[..i]));
            }
            Collective::ReduceScatter => {
                (0..=last).for_each(|i| add(scatter, &order[i..], &order[i + 1..]));
            }
            _ => {
                (0..last).for_each(|i| add(scatter, &order[i..], &order[i + 1..]));
                add(Collective::AllReduce, &order[last..], &[]);
                (0..last)
                    .rev()
                    .for_each(|i| add(gather, &order[i..], &order[i + 1..]));
            }
        }
        phases.retain(|phase| self.extents[phase.axis] > 1);
        phases
    }

    /// The option that says what runs along the axis of a phase.
    fn option(&self, phase: Phase) -> &'static str {
        match phase.axis {
            0 => INTRA,
            axis if axis + 1 == self.extents.len() => INTER,
            _ => MIDDLE,
        }
    }

    /// What runs along the axis of a phase, if it can.
    fn algorithm(
        &self,
        problem: &Problem,
        phase: Phase,
    ) -> Result<&'static dyn Algorithm, Unsupported> {
        let option = self.option(phase);
        let name = problem.options.text(option).unwrap_or(DEFAULT);
        let inner = lookup(name).map_err(|error| Unsupported::Inner {
            algorithm: ABOUT.name,
            option,
            reason: error.to_string(),
        })?;
        let team = self.sub_team(phase);
        let fits = check(inner, &self.sub_problem(problem, phase, &team));
        fits.map_err(|error: PlanError| Unsupported::Inner {
            algorithm: ABOUT.name,
            option,
            reason: error.to_string(),
        })?;
        Ok(inner)
    }

    /// Which permutations along its axis leave a phase as it is, chunks moving with the ranks that
    /// they belong to.
    fn alike(&self, problem: &Problem, phase: Phase) -> Alike {
        let (n, team) = (self.extents[phase.axis] as u32, self.sub_team(phase));
        let sub_problem = self.sub_problem(problem, phase, &team);
        let inner = self
            .algorithm(problem, phase)
            .expect("supports() has checked");
        let symmetry = inner.symmetry(&sub_problem);
        let [(size, alike)] = symmetry.ranks[..] else {
            return Alike::None;
        };
        let by_rank = Symmetry::NONE.with_chunks_by_rank(n, inner.n_chunks(&sub_problem));
        if size == n && (symmetry.chunks.is_empty() || symmetry.chunks == by_rank.chunks) {
            alike
        } else {
            Alike::None
        }
    }

    fn sub_team(&self, phase: Phase) -> Team {
        Team::flat(self.extents[phase.axis] as u32)
    }

    /// What the sub-teams of a phase are asked for: their share of the bytes.
    fn sub_problem<'a>(&self, problem: &Problem, phase: Phase, team: &'a Team) -> Problem<'a> {
        let wide = (0..self.extents.len()).filter(|axis| phase.wide >> axis & 1 == 1);
        let blocks: u128 = wide.map(|axis| self.extents[axis] as u128).product();
        let blocks = blocks * u128::from(team.n_ranks());
        let bytes = u128::from(problem.size_bytes()) * blocks / u128::from(problem.n_ranks());
        Problem::new(phase.collective, team, Payload::Bytes(bytes as u64))
    }

    /// The place of a rank along each axis.
    fn place_of(&self, rank: RankId) -> Vec<usize> {
        let found = self.ranks.iter().position(|&each| each == rank);
        let mut index = found.expect("a level names every rank once");
        let digit = |&extent: &usize| {
            let place = index % extent;
            index /= extent;
            place
        };
        self.extents.iter().map(digit).collect()
    }

    /// The rank at a place.
    fn rank_at(&self, place: &[usize]) -> RankId {
        let fold = |index, (&place, &extent): (&usize, &usize)| index * extent + place;
        let index = place.iter().zip(&self.extents).rev().fold(0, fold);
        self.ranks[index]
    }

    /// The paths of all phases one behind another, up to the first that begins elsewhere than the
    /// one before along its axis has ended.
    fn path_through(&self, phases: &[Phase], floors: &[Floor]) -> Vec<RankId> {
        let mut place = vec![0; self.extents.len()];
        for (phase, floor) in phases.iter().zip(floors).rev() {
            if let Some(first) = floor.path.first() {
                place[phase.axis] = first.index();
            }
        }
        let mut path = vec![self.rank_at(&place)];
        for (phase, floor) in phases.iter().zip(floors) {
            let starts_here = |first: &RankId| first.index() == place[phase.axis];
            if !floor.path.first().is_some_and(starts_here) {
                break;
            }
            path.extend(floor.path[1..].iter().map(|rank| {
                place[phase.axis] = rank.index();
                self.rank_at(&place)
            }));
        }
        path
    }

    /// The sub-team of the rank at a place, and its number in it.
    fn members(&self, phase: Phase, place: &[usize]) -> (Vec<RankId>, RankId) {
        let mut at = place.to_vec();
        let member = |i| {
            at[phase.axis] = i;
            self.rank_at(&at)
        };
        let ranks = (0..self.extents[phase.axis]).map(member).collect();
        (ranks, RankId::from_index(place[phase.axis]))
    }

    /// The number of the block that belongs to the rank at a place.
    fn block(&self, place: &[usize]) -> u32 {
        if !self.numbers_freely {
            return self.rank_at(place).0;
        }
        // The first axis of the order counts most, so what it scatters is contiguous.
        let fold = |index, &axis: &usize| index * self.extents[axis] + place[axis];
        self.order.iter().fold(0, fold) as u32
    }

    /// The blocks that `of` stands for along the wide axes.
    fn blocks_of(&self, wide: u32, of: &[usize]) -> Vec<u32> {
        let is_wide = |axis: &usize| wide >> axis & 1 == 1;
        let mut place = of.to_vec();
        let wide_axes: Vec<usize> = (0..self.extents.len()).filter(is_wide).collect();
        for &axis in &wide_axes {
            place[axis] = 0;
        }
        let mut blocks = vec![self.block(&place)];
        // Places are counted up along the wide axes, like the digits of a number.
        while let Some(&axis) = wide_axes
            .iter()
            .find(|&&axis| place[axis] + 1 < self.extents[axis])
        {
            for &full in wide_axes.iter().take_while(|&&full| full < axis) {
                place[full] = 0;
            }
            place[axis] += 1;
            blocks.push(self.block(&place));
        }
        blocks
    }

    /// Into how many parts each block is cut: so that every phase can have its chunks.
    fn parts(&self, problem: &Problem) -> u32 {
        let parts_of = |phase| {
            let team = self.sub_team(phase);
            let inner = self
                .algorithm(problem, phase)
                .expect("supports() has checked");
            let chunks = inner.n_chunks(&self.sub_problem(problem, phase, &team));
            parts_per_block(chunks, team.n_ranks())
        };
        let phases = self.phases(problem).into_iter().map(parts_of);
        phases.fold(1, num_integer::lcm)
    }

    /// Appends the chunks of the whole that one of `n_inner` chunks of a phase stands for.
    fn chunks_of(
        &self,
        phase: Phase,
        place: &[usize],
        (chunk, n_inner): (u32, u32),
        parts: u32,
        out: &mut Vec<u64>,
    ) {
        let n = self.extents[phase.axis] as u32;
        let per_block = parts_per_block(n_inner, n);
        let mut of = place.to_vec();
        let wide = if n_inner.is_multiple_of(n) {
            of[phase.axis] = (chunk / per_block) as usize;
            phase.wide
        } else {
            // Chunks that are no parts of blocks cut all blocks of the sub-team alike.
            phase.wide | 1 << phase.axis
        };
        let width = parts / per_block;
        let first = chunk % per_block * width;
        for block in self.blocks_of(wide, &of) {
            out.extend((first..first + width).map(|part| u64::from(block * parts + part)));
        }
    }

    /// The most progressions that a chunk of a phase is made of.
    fn most_ranges(&self, problem: &Problem, phase: Phase, parts: u32) -> u64 {
        let team = self.sub_team(phase);
        let inner = self
            .algorithm(problem, phase)
            .expect("supports() has checked");
        let n_inner = inner.n_chunks(&self.sub_problem(problem, phase, &team));
        let origin = vec![0; self.extents.len()];
        let ranges = (0..n_inner).map(|chunk| {
            let mut chunks = Vec::new();
            self.chunks_of(phase, &origin, (chunk, n_inner), parts, &mut chunks);
            chunks.sort_unstable();
            ChunkRange::cover(&chunks).len() as u64
        });
        ranges.max().unwrap_or(1)
    }
}

/// Parts of each of n blocks if `n_inner` chunks are equal parts of blocks, else of all alike.
fn parts_per_block(n_inner: u32, n: u32) -> u32 {
    if n_inner.is_multiple_of(n) {
        n_inner / n
    } else {
        n_inner
    }
}
