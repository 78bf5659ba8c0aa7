//! AHC: a hierarchical all-reduce over groups of different sizes.
//!
//! Of G groups, group g has m(g) ranks; M is the lcm of all m(g). The vector has M segments of G slices.
//! (1) NHR reduce-scatter inside: rank j of group g comes to own the segments from jM/m(g) up to
//! (j+1)M/m(g). (2) All these borders of all groups cut 0..M into intervals; each interval from a on
//! is a logical card, made of rank floor(a m(g)/M) of every group g, which all-reduces its segments,
//! slice c being owned by group c: by a ring for G <= 3, else by NHR. A rank of a small group is in
//! several cards at once. (3) NHR all-gather inside. Cost: 2 ceil(log2 max m) alpha and the steps of a
//! card; a rank of a group of m sends 2((m-1)/m + (G-1)/(Gm)) S.
//! Source: HCCL's AHC (cann-hcomm); `reference/algorithms.md` 3.13.

use num_integer::lcm;

use super::contract::{
    About, Algorithm, Floor, OptionKind, OptionSpec, Unsupported, level_of, place_of,
};
use super::nhr::Nhr;
use super::ring::Ring;
use crate::collective::{Collective, Payload, Problem};
use crate::ids::RankId;
use crate::schedule::Program;
use crate::schedule::symmetry::{Alike, ChunkAxis, Symmetry};
use crate::team::Team;

/// AHC.
#[derive(Debug)]
pub(super) struct Ahc;

const LEVEL: &str = "level";

/// With so many groups or fewer the logical cards use rings.
const RING_GROUPS: usize = 3;

/// Segments times groups above which sizes have too little in common.
const MAX_CHUNKS: u64 = 1 << 20;

static ABOUT: About = About {
    name: "ahc",
    summary: "reduce-scatter inside unequal groups, all-reduce over matching ranges, all-gather inside",
    source: "HCCL",
    constraint: "a level; lcm of its group sizes times groups at most 2^20",
    collectives: &[Collective::AllReduce],
    options: &[OptionSpec {
        name: LEVEL,
        summary: "the level of the groups; by default node, else the outermost level with several groups of several ranks",
        kind: OptionKind::Text,
        candidates: &[],
    }],
};

impl Algorithm for Ahc {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn steps_formula(&self, _collective: Collective) -> &'static str {
        "2 ceil(log2 max m) + 2(G-1) for G <= 3, else + 2 ceil(log2 G)"
    }

    fn bytes_formula(&self, _collective: Collective) -> &'static str {
        "2((m-1)/m + (G-1)/(Gm)) S, m ranks in the smallest group"
    }

    fn supports(&self, problem: &Problem) -> Result<(), Unsupported> {
        let groups = groups(problem)?;
        let segments = groups.iter().try_fold(1u64, |m, group| {
            let m = lcm(m, group.len() as u64);
            (m * groups.len() as u64 <= MAX_CHUNKS).then_some(m)
        });
        segments.map(|_| ()).ok_or(Unsupported::UnrelatedGroups {
            algorithm: ABOUT.name,
            limit: MAX_CHUNKS,
        })
    }

    fn n_chunks(&self, problem: &Problem) -> u32 {
        let groups = checked(problem);
        segments(groups) * groups.len() as u32
    }

    fn n_steps(&self, problem: &Problem) -> u32 {
        let groups = checked(problem);
        2 * intra_steps(groups) + card_steps(problem, groups)
    }

    fn n_transfers(&self, problem: &Problem) -> u64 {
        let groups = checked(problem);
        let inside = groups.iter().filter(|group| group.len() > 1).map(|group| {
            let team = Team::flat(group.len() as u32);
            2 * Nhr.n_transfers(&all_gather_of(problem, &team))
        });
        let team = Team::flat(groups.len() as u32);
        let between = if groups.len() > 1 {
            let n_cards = cuts(groups).len() as u64 - 1;
            n_cards * card_algorithm(groups).n_transfers(&all_reduce_of(problem, &team))
        } else {
            0
        };
        // Two progressions of slices of NHR are no more than two of chunks.
        2 * (inside.sum::<u64>() + between)
    }

    fn floor(&self, problem: &Problem) -> Floor {
        let n = u64::from(problem.n_ranks());
        let path = longest_path(problem, checked(problem));
        let hops = path.len() as u32 - 1;
        Floor::new(hops, problem.size_bytes(), 2 * (n - 1), n).along(path)
    }

    fn symmetry(&self, problem: &Problem) -> Symmetry {
        let groups = checked(problem);
        let (n_groups, size) = (groups.len() as u32, groups[0].len() as u32);
        let is_even = groups.iter().all(|group| group.len() == groups[0].len());
        let mut in_order = groups.iter().flatten().zip(problem.team.ranks());
        if !is_even || !in_order.all(|(&rank, expected)| rank == expected) {
            return Symmetry::NONE;
        }
        // Segment j belongs to rank j of each group, slice g of it to group g.
        let axis = |stride, rank_stride, size| ChunkAxis {
            stride,
            rank_stride,
            size,
        };
        Symmetry {
            ranks: vec![(size, Alike::Rotations), (n_groups, Alike::Rotations)],
            chunks: vec![axis(n_groups.into(), 1, size), axis(1, size, n_groups)],
        }
    }

    fn rank_program(&self, problem: &Problem, rank: RankId, program: &mut Program) {
        let groups = checked(problem);
        let (g, j) = place_of(groups, rank);
        let team = Team::flat(groups[g].len() as u32);
        let mut gather = all_gather_of(problem, &team);
        let (slices, per_rank) = (groups.len() as u32, segments(groups) / team.n_ranks());
        let owned = u64::from(per_rank * slices);
        let chunks_of = |block: u64, out: &mut Vec<u64>| {
            out.extend(block * owned..(block + 1) * owned);
        };
        let local = RankId::from_index(j);
        let mut inside = |program: &mut Program, collective| {
            gather.collective = collective;
            program.phase(intra_steps(groups), |p| {
                if team.n_ranks() > 1 {
                    p.embedded(&groups[g], local, chunks_of, |p| {
                        Nhr.rank_program(&gather, local, p);
                    });
                }
            });
        };
        inside(program, Collective::ReduceScatter);
        program.phase(card_steps(problem, groups), |p| {
            for card in cuts(groups).windows(2).filter(|_| groups.len() > 1) {
                let members = members(groups, card[0]);
                if members[g] == rank {
                    between(p, problem, &members, g, card[0]..card[1]);
                }
            }
        });
        inside(program, Collective::AllGather);
    }
}

/// The all-reduce of one logical card, seen by its member of group `g`.
fn between(
    program: &mut Program,
    problem: &Problem,
    members: &[RankId],
    g: usize,
    segments: std::ops::Range<u32>,
) {
    let groups = checked(problem);
    let team = Team::flat(members.len() as u32);
    let (sub_problem, local) = (all_reduce_of(problem, &team), RankId::from_index(g));
    let slices = members.len() as u32;
    let chunks_of = |slice: u64, out: &mut Vec<u64>| {
        out.extend(
            segments
                .clone()
                .map(|segment| u64::from(segment * slices) + slice),
        );
    };
    // Cards run side by side in the same steps.
    program.side_by_side(|p| {
        p.embedded(members, local, chunks_of, |p| {
            card_algorithm(groups).rank_program(&sub_problem, local, p);
        });
    });
}

/// Through a group to its first rank, around the card of the first ranks, and through the group
/// where that ends.
fn longest_path(problem: &Problem, groups: &[Vec<RankId>]) -> Vec<RankId> {
    let inside = |g: usize, collective| {
        let team = Team::flat(groups[g].len() as u32);
        if team.n_ranks() == 1 {
            return vec![groups[g][0]];
        }
        let mut gather = all_gather_of(problem, &team);
        gather.collective = collective;
        let path = Nhr.floor(&gather).path;
        path.into_iter().map(|j| groups[g][j.index()]).collect()
    };
    let team = Team::flat(groups.len() as u32);
    let card: Vec<usize> = if groups.len() == 1 {
        vec![0]
    } else {
        let path = card_algorithm(groups)
            .floor(&all_reduce_of(problem, &team))
            .path;
        path.into_iter().map(RankId::index).collect()
    };
    let mut path = inside(card[0], Collective::ReduceScatter);
    path.extend(card[1..].iter().map(|&g| groups[g][0]));
    path.extend(
        inside(card[card.len() - 1], Collective::AllGather)
            .into_iter()
            .skip(1),
    );
    path
}

fn groups<'a>(problem: &Problem<'a>) -> Result<&'a [Vec<RankId>], Unsupported> {
    Ok(&level_of(ABOUT.name, problem, problem.options.text(LEVEL))?.groups)
}

fn checked<'a>(problem: &Problem<'a>) -> &'a [Vec<RankId>] {
    groups(problem).expect("supports() has found the level")
}

/// M.
fn segments(groups: &[Vec<RankId>]) -> u32 {
    groups.iter().fold(1, |m, group| lcm(m, group.len() as u32))
}

/// The borders of all ranks' segments, ascending.
fn cuts(groups: &[Vec<RankId>]) -> Vec<u32> {
    let m = segments(groups);
    let borders = |group: &Vec<RankId>| {
        let size = group.len() as u32;
        (0..=size).map(move |j| j * (m / size))
    };
    let mut cuts: Vec<u32> = groups.iter().flat_map(borders).collect();
    cuts.sort_unstable();
    cuts.dedup();
    cuts
}

/// The rank of every group that owns the segment.
fn members(groups: &[Vec<RankId>], segment: u32) -> Vec<RankId> {
    let m = segments(groups);
    let owner = |group: &Vec<RankId>| group[(segment / (m / group.len() as u32)) as usize];
    groups.iter().map(owner).collect()
}

fn card_algorithm(groups: &[Vec<RankId>]) -> &'static dyn Algorithm {
    if groups.len() <= RING_GROUPS {
        &Ring
    } else {
        &Nhr
    }
}

fn card_steps(problem: &Problem, groups: &[Vec<RankId>]) -> u32 {
    if groups.len() == 1 {
        return 0;
    }
    let team = Team::flat(groups.len() as u32);
    card_algorithm(groups).n_steps(&all_reduce_of(problem, &team))
}

/// Steps of NHR in the largest group.
fn intra_steps(groups: &[Vec<RankId>]) -> u32 {
    let largest = groups.iter().map(Vec::len).max().unwrap_or(1);
    largest.next_power_of_two().ilog2()
}

fn all_gather_of<'a>(problem: &Problem, team: &'a Team) -> Problem<'a> {
    Problem::new(
        Collective::AllGather,
        team,
        Payload::Bytes(problem.size_bytes()),
    )
}

fn all_reduce_of<'a>(problem: &Problem, team: &'a Team) -> Problem<'a> {
    Problem::new(
        Collective::AllReduce,
        team,
        Payload::Bytes(problem.size_bytes()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_and_three_ranks_make_four_logical_cards() {
        // `reference/algorithms.md` 3.13: cuts 0, 2, 3, 4, 6.
        let groups = [
            vec![RankId(0), RankId(1)],
            vec![RankId(2), RankId(3), RankId(4)],
        ];
        assert_eq!(cuts(&groups), [0, 2, 3, 4, 6]);
        assert_eq!(members(&groups, 3), [RankId(1), RankId(3)]);
    }
}
