//! Lanes: a broadcast in which every rank of a group carries a stripe of the data between groups,
//! and the ranks of a group exchange their stripes.
//!
//! Lane l joins the l-th ranks of all groups below the one in the root's group, by two trees
//! ([`Half`]), each for one half of stripe l, chunk by chunk. First the root sends all stripes but its
//! own to its neighbors. These get the root's own stripe from its lane: two places of its trees are
//! free, for everybody may have two children and there is one rank more than there are edges, and
//! there one neighbor hangs as a guest and hands on what it gets. So no rank sends more out of its
//! group than one stripe. With the groups a die pair each, both dies' ports are busy all the time,
//! which they are in no tree over single dies.

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
    /// Above which member of the root's lane the guest hangs in each half.
    hosts: [u32; 2],
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
            hosts: [0; 2],
        };
        lanes.root = lanes.place_of(problem.root);
        if size > 1 {
            lanes.hosts = hosts(lanes.n_groups - 1);
        }
        Ok(lanes)
    }

    /// The same with K chunks.
    pub(in crate::algorithms) fn in_chunks(self, n_chunks: u32) -> Self {
        Self { n_chunks, ..self }
    }

    /// K.
    pub(in crate::algorithms) fn n_chunks(&self) -> u32 {
        self.n_chunks
    }

    /// Number of lanes.
    pub(in crate::algorithms) fn n_lanes(&self) -> u32 {
        self.size
    }

    /// Steps of the broadcast.
    pub(in crate::algorithms) fn n_steps(&self) -> u32 {
        let height = height_below_source(self.n_groups - 1);
        if self.size == 1 {
            return height + self.n_chunks - 1;
        }
        // A guest that has somebody to hand its stripe to does so a step after it came.
        let of_guest = Half::BOTH.map(|half| self.host_depth(half) + u32::from(self.size > 2));
        let deepest = of_guest.into_iter().fold(height, u32::max);
        1 + deepest + self.n_chunks
    }

    /// The ranks from the root down its lane to one of the deepest.
    pub(in crate::algorithms) fn longest_path(&self) -> Vec<RankId> {
        let path = Half::First.longest_path(self.n_groups - 1).into_iter();
        let mut path: Vec<RankId> = path.map(|i| self.rank_of(self.root.1, i)).collect();
        if path.len() == 1 {
            path.push(self.guest());
        }
        path
    }

    /// Writes what a rank sends.
    pub(in crate::algorithms) fn broadcast(&self, program: &mut Program, rank: RankId) {
        let ((group, place), n) = (self.place_of(rank), self.n_groups - 1);
        let (is_root, has_lane) = ((group, place) == self.root, place == self.root.1);
        let member = (group + self.n_groups - self.root.0) % self.n_groups;
        let before = u32::from(self.size > 1);
        let others = (0..self.size).filter(|&other| other != place);
        // In the root's group the root has everything.
        let lacking = others.clone().map(|other| self.rank_at(group, other));
        let lacking = lacking.filter(|&other| other != self.rank_of(self.root.1, 0));
        for half in Half::BOTH {
            if is_root {
                for lane in others.clone() {
                    self.send(program, (lane, half), 0, self.rank_of(lane, 0));
                }
            }
            let step = before + half.depth(n, member);
            let own = (place, half);
            for child in half.children(n, member) {
                self.send(program, own, step, self.rank_of(place, child));
            }
            if has_lane && self.size > 1 && self.hosts[half as usize] == member {
                self.send(program, own, step, self.guest());
            }
            if !is_root {
                for other in lacking.clone() {
                    self.send(program, own, step, other);
                }
            }
            if self.size > 1 && rank == self.guest() {
                let step = before + self.host_depth(half) + 1;
                for other in lacking.clone() {
                    self.send(program, (self.root.1, half), step, other);
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

    /// The neighbor of the root that gets the root's stripe from its lane.
    fn guest(&self) -> RankId {
        self.rank_at(self.root.0, (self.root.1 + 1) % self.size)
    }

    /// Hops from the root to the member above the guest.
    fn host_depth(&self, half: Half) -> u32 {
        half.depth(self.n_groups - 1, self.hosts[half as usize])
    }

    /// The rank with a number in a lane, 0 for its source.
    fn rank_of(&self, lane: u32, member: u32) -> RankId {
        self.rank_at((self.root.0 + member) % self.n_groups, lane)
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

/// The members of two trees over n that have room for a child more, of the two that each may have
/// in both together: one for the first half and one, maybe the same, for the second.
fn hosts(n: u32) -> [u32; 2] {
    let n_children = |&member: &u32| {
        let children = Half::BOTH.map(|half| half.children(n, member).count());
        children.iter().sum::<usize>()
    };
    let room = |member| std::iter::repeat_n(member, 2usize.saturating_sub(n_children(&member)));
    let mut free = (0..=n).flat_map(room);
    let mut next = || free.next().expect("n members have n edges in each tree");
    [next(), next()]
}
