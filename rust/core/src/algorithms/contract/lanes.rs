//! Lanes: a broadcast in which every rank of a group carries a stripe of the data between groups,
//! and the ranks of a group exchange their stripes.
//!
//! Lane l joins the l-th ranks of all groups below the one in the root's group, by two trees
//! ([`Half`]), each for one half of stripe l, chunk by chunk. Where the root has to send all its
//! stripes but its own to its neighbors first, a neighbor gets the root's own stripe from the end of
//! the root's lane: so no link of the root's group carries more than those of the others. With the
//! groups a die pair each, both dies' ports are busy all the time, which they are in no tree over
//! single dies (`reference/algorithms.md` 3.14).

use super::two_trees::{Half, height_below_source};
use super::{Unsupported, equal_groups_of, place_of};
use crate::collective::Problem;
use crate::ids::RankId;
use crate::schedule::{ChunkRange, Program};

/// The lanes of a problem's ranks.
pub(in crate::algorithms) struct Lanes<'a> {
    /// None: each rank is a group.
    groups: Option<&'a [Vec<RankId>]>,
    n_groups: u32,
    /// Ranks of a group, which is also the number of lanes.
    size: u32,
    /// Group and lane of the root.
    root: (u32, u32),
    /// K: chunks of one half of a stripe.
    n_chunks: u32,
}

impl<'a> Lanes<'a> {
    /// The lanes over the groups of a level, or over single ranks if none is asked for.
    pub(in crate::algorithms) fn of(
        algorithm: &'static str,
        problem: &Problem<'a>,
        level: Option<&str>,
    ) -> Result<Self, Unsupported> {
        let groups = match level {
            None => None,
            Some(_) => Some(&equal_groups_of(algorithm, problem, level)?.groups[..]),
        };
        let size = groups.map_or(1, |groups| groups[0].len()) as u32;
        let mut lanes = Self {
            groups,
            n_groups: problem.n_ranks() / size,
            size,
            root: (0, 0),
            n_chunks: 1,
        };
        lanes.root = lanes.place_of(problem.root);
        Ok(lanes)
    }

    /// The same with K chunks.
    pub(in crate::algorithms) fn in_chunks(self, n_chunks: u32) -> Self {
        Self { n_chunks, ..self }
    }

    /// Number of lanes.
    pub(in crate::algorithms) fn n_lanes(&self) -> u32 {
        self.size
    }

    /// Steps of the broadcast.
    pub(in crate::algorithms) fn n_steps(&self) -> u32 {
        let height = height_below_source(self.n_members(self.root.1));
        2 * self.exchange() + height + self.n_chunks - 1
    }

    /// The ranks from the root down its lane to one of the deepest.
    pub(in crate::algorithms) fn longest_path(&self) -> Vec<RankId> {
        let lane = self.root.1;
        let path = Half::First.longest_path(self.n_members(lane));
        path.into_iter().map(|i| self.rank_of(lane, i)).collect()
    }

    /// Writes what a rank sends.
    pub(in crate::algorithms) fn broadcast(&self, program: &mut Program, rank: RankId) {
        let (group, place) = self.place_of(rank);
        for half in Half::BOTH {
            for lane in 0..self.size {
                let Some(member) = self.member(lane, (group, place)) else {
                    if (group, place) == self.root {
                        // Stripes of other lanes, for their sources.
                        let source = self.rank_of(lane, 0);
                        self.send(program, (lane, half), 0, source);
                    }
                    continue;
                };
                let n = self.n_members(lane);
                let step = self.exchange() + half.depth(n, member);
                for child in half.children(n, member) {
                    self.send(program, (lane, half), step, self.rank_of(lane, child));
                }
                // The root's group has the root's own stripe from the lane itself.
                if place == lane && (group, place) != self.root {
                    for other in (0..self.size).filter(|&other| other != lane) {
                        if (group, other) != self.root {
                            self.send(program, (lane, half), step, self.rank_at(group, other));
                        }
                    }
                }
            }
        }
    }

    /// All chunks of one half of a stripe, one per step.
    fn send(&self, program: &mut Program, (lane, half): (u32, Half), step: u32, to: RankId) {
        let first = (2 * lane + u32::from(half == Half::Second)) * self.n_chunks;
        for chunk in 0..self.n_chunks {
            program.send(step + chunk, to, ChunkRange::one(first + chunk));
        }
    }

    /// Steps before and after the trees in which the ranks of a group exchange stripes.
    fn exchange(&self) -> u32 {
        u32::from(self.size > 1)
    }

    /// Members of a lane below its source: one of each other group, and in the root's lane the
    /// root's neighbors.
    fn n_members(&self, lane: u32) -> u32 {
        let neighbors = if lane == self.root.1 {
            self.size - 1
        } else {
            0
        };
        self.n_groups - 1 + neighbors
    }

    /// The number of a rank in a lane, 0 for its source.
    fn member(&self, lane: u32, (group, place): (u32, u32)) -> Option<u32> {
        let (n, (root_group, root_lane)) = (self.n_groups, self.root);
        if place == lane {
            return Some((group + n - root_group) % n);
        }
        let is_neighbor = lane == root_lane && group == root_group;
        is_neighbor.then(|| n - 1 + (place + self.size - root_lane) % self.size)
    }

    /// The rank with a number in a lane.
    fn rank_of(&self, lane: u32, member: u32) -> RankId {
        let (n, (root_group, root_lane)) = (self.n_groups, self.root);
        if member < n {
            self.rank_at((root_group + member) % n, lane)
        } else {
            self.rank_at(root_group, (root_lane + member - (n - 1)) % self.size)
        }
    }

    fn rank_at(&self, group: u32, place: u32) -> RankId {
        self.groups.map_or(RankId(group), |groups| {
            groups[group as usize][place as usize]
        })
    }

    fn place_of(&self, rank: RankId) -> (u32, u32) {
        self.groups.map_or((rank.0, 0), |groups| {
            let (group, place) = place_of(groups, rank);
            (group as u32, place as u32)
        })
    }
}
