//! Repair by levels, for dense work: the unknowns are the levels of resources, not the rates of flows.
//!
//! Every flow f is assigned to one resource b(f) of its route and served at that resource's level.
//! Let own(l) be the weight on l of the flows assigned to l, and n(m, l) that of the flows assigned
//! to m. The allocation is the max-min fair one if
//!
//! 1. own(l) level(l) + sum over m of n(m, l) level(m) = capacity(l) wherever own(l) > 0,
//! 2. sum over m of n(m, l) level(m) <= capacity(l) elsewhere, and
//! 3. b(f) is the first resource of f's route in the order of (level, index), where those without
//!    flows of their own come last:
//!
//! loads are within capacity by 1 and 2; b(f) is saturated by 1, and by 3 nobody on it is faster. So
//! the fixed point is *the* allocation, whatever order or guess led to it.
//!
//! By 3 the equations are triangular: a level depends on lower ones only. An event breaks a few of
//! them; they are repaired lowest first, each with one weighted sum over a column, and a change marks
//! the equations above that it breaks. Only flows whose first resource changes are touched. Each step
//! is one of Newton's on the resource's own filling equation, sum over f of min(level, rest of f) =
//! capacity. The distributed ancestor is B-Neck (Mozo, Lopez-Presa, Fernandez Anta, "B-Neck: a
//! distributed and quiescent max-min fair algorithm", NCA 2011, doi 10.1109/NCA.2011.78).

mod dense;
mod regroup;
mod setup;
mod sparse;
mod vectors;
mod weights;

pub(super) use self::setup::Plan;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use self::weights::Weights;
use super::allocation::{Allocation, Move};
use super::flows::NONE;
use crate::engine::number::lanes::{CHUNK, Lanes};
use crate::engine::number::{Number, Relation, order_key};

/// A resource without flows of its own is summed exactly once its running load comes this close to
/// its capacity; the load drifts by some 1e-16 per update and is renewed in turn.
const NEAR: f64 = 1.0 - 1e-9;

/// Levels that differ by more than this, relatively, are ordered by their doubles: far more than the
/// error that a level is taken to have.
const CLEAR: f64 = 1e-9;

/// An equal level whose double moved by at most this is refreshed in place; a larger difference is
/// passed on, so that no level keeps the rounding errors of levels that are gone.
const REFRESH: f64 = 2e-15;

/// Repairs per lane in one event beyond which everything is filled afresh; it only has to end.
const REPAIRS_PER_LANE: usize = 200;

/// Arrivals in one event from which on filling everything afresh is cheaper, and their least share
/// of all flows.
const MANY_ARRIVALS: usize = 64;
const ARRIVALS_SHARE: usize = 8;

/// The solver; what it repairs is the [`Allocation`].
#[derive(Debug, Clone)]
pub(super) struct Levels<N: Number> {
    /// Lane per resource, and the resource of each lane in use.
    lane: Vec<u32>,
    resource: Vec<u32>,
    weights: Weights,
    /// Weight on each lane of the flows held back there.
    own: Vec<u64>,
    /// A bit per lane that has a level.
    holding: Vec<u64>,
    values: N::Lanes,
    /// The levels as doubles, infinite where there is none.
    keys: Vec<[f64; CHUNK]>,
    capacities: Vec<f64>,
    /// The widest vectors of this machine.
    vectors: pulp::Arch,
    /// Running loads: they filter and order, and decide nothing.
    loads: Vec<[f64; CHUNK]>,
    /// The load above which a lane without a level is looked at.
    thresholds: Vec<[f64; CHUNK]>,
    /// Lanes to repair, by a guess of their place in the order.
    waiting: BinaryHeap<Reverse<(u64, u32)>>,
    is_waiting: Vec<u64>,
    arrived: Vec<u32>,
    /// See [`REPAIRS_PER_LANE`].
    pub(super) repairs_per_lane: usize,
    /// This event's number, the lanes whose level or own flows changed in it, and the event that
    /// touched each lane last.
    event: u32,
    changed: Vec<u32>,
    changed_in: Vec<u32>,
    /// The same for flows that moved, with what held them back before.
    moved: Vec<u32>,
    moved_in: Vec<u32>,
    origin: Vec<u32>,
    /// Space for lists of slots and of marks.
    slots: Vec<u32>,
    marks: Vec<(usize, u64)>,
}

/// The cost of the event was out of proportion; everything has to be filled afresh.
#[derive(Debug, Clone, Copy)]
pub(super) struct TooMuch;

#[inline]
fn split(lane: usize) -> (usize, usize) {
    (lane / CHUNK, lane % CHUNK)
}

impl<N: Number> Levels<N> {
    /// Takes note of a flow that has entered the allocation.
    pub(super) fn enter(&mut self, slot: u32) {
        self.arrived.push(slot);
    }

    /// Takes note of a flow that is about to leave the allocation.
    pub(super) fn leave(&mut self, all: &Allocation<'_, N>, slot: u32) {
        let lane = self.lane[all.flows.bottleneck(slot) as usize] as usize;
        self.change(lane);
        self.weigh(all, slot, lane, -1);
        self.mark_route(all, slot);
        self.mark(lane);
    }

    /// Makes the allocation that of the flows which entered and left since the last repair.
    pub(super) fn repair(
        &mut self,
        all: &mut Allocation<'_, N>,
        touched: &mut Vec<u32>,
        moves: &mut Vec<Move>,
    ) -> Result<(), TooMuch> {
        let n = all.flows.n_slots();
        self.moved_in.resize(n, 0);
        self.origin.resize(n, NONE);
        let arrived = std::mem::take(&mut self.arrived);
        let n_active = all.flows.active().len();
        if arrived.len() > MANY_ARRIVALS && arrived.len() * ARRIVALS_SHARE > n_active {
            return Err(TooMuch);
        }
        for &slot in &arrived {
            self.admit(all, slot);
        }
        self.arrived = arrived;
        self.arrived.clear();
        self.settle(all)?;
        self.finish(all, touched, moves);
        Ok(())
    }

    /// Tells which flows have moved in this event.
    pub(super) fn tell_moves(&mut self, all: &Allocation<'_, N>, moves: &mut Vec<Move>) {
        for slot in self.moved.drain(..) {
            let (from, to) = (self.origin[slot as usize], all.flows.bottleneck(slot));
            if from != to {
                moves.push(Move { slot, from, to });
            }
        }
    }

    /// Tells what this event changed and gets ready for the next one.
    fn finish(
        &mut self,
        all: &mut Allocation<'_, N>,
        touched: &mut Vec<u32>,
        moves: &mut Vec<Move>,
    ) {
        for lane in self.changed.drain(..) {
            let resource = self.resource[lane as usize];
            if all.held[resource as usize] > 0 {
                all.levels[resource as usize] = self.values.get(lane as usize);
            }
            touched.push(resource);
        }
        self.tell_moves(all, moves);
        self.event += 1;
        if !self.resource.is_empty() {
            let lane = self.event as usize % self.resource.len();
            if self.own[lane] == 0 {
                let (chunk, at) = split(lane);
                self.loads[chunk][at] = self.foreign(lane).0.value();
            }
        }
    }

    /// Repairs broken equations, lowest first, until none is left.
    fn settle(&mut self, all: &mut Allocation<'_, N>) -> Result<(), TooMuch> {
        let mut budget = self.repairs_per_lane * self.resource.len();
        while let Some(Reverse((key, lane))) = self.waiting.pop() {
            let (chunk, at) = split(lane as usize);
            if self.is_waiting[chunk] >> at & 1 == 0 {
                continue;
            }
            let now = order_key(self.place_in_order(lane as usize));
            let next = self.waiting.peek().map_or(u64::MAX, |entry| entry.0.0);
            if now > key && now > next {
                self.waiting.push(Reverse((now, lane)));
                continue;
            }
            self.is_waiting[chunk] &= !(1 << at);
            if budget == 0 {
                return Err(TooMuch);
            }
            budget -= 1;
            if self.own[lane as usize] > 0 {
                self.solve(all, lane as usize);
            } else {
                self.test_capacity(all, lane as usize);
            }
        }
        Ok(())
    }

    /// Solves equation 1 for the level of a lane.
    fn solve(&mut self, all: &mut Allocation<'_, N>, lane: usize) {
        let (sum, fastest) = self.foreign(lane);
        let capacity = &all.capacities[self.resource[lane] as usize];
        let level = capacity.sub(&sum).div_int(self.own[lane]);
        let scale = level.value();
        let level = level.anchored(scale);
        let (chunk, at) = split(lane);
        if self.holds(lane) {
            let old = self.values.get(lane);
            if matches!(level.compare(&old), Relation::Equal)
                && (scale - old.value()).abs() <= REFRESH * scale.abs()
            {
                self.values.set(lane, &level);
                self.keys[chunk][at] = scale;
                self.loads[chunk][at] = self.capacities[lane];
                return;
            }
        }
        self.set_level(all, lane, &level, fastest);
    }

    /// Tests condition 2 on a lane without flows of its own; where it fails, the fastest flows that
    /// cross the lane become its own, until a common level for them leaves room for the rest.
    fn test_capacity(&mut self, all: &mut Allocation<'_, N>, lane: usize) {
        let (chunk, at) = split(lane);
        if self.holds(lane) {
            self.change(lane);
            self.holding[chunk] &= !(1 << at);
            self.values.set(lane, &N::zero());
            self.keys[chunk][at] = f64::INFINITY;
            self.thresholds[chunk][at] = self.capacities[lane] * NEAR;
        }
        let (mut rest, _) = self.foreign(lane);
        self.loads[chunk][at] = rest.value();
        let resource = self.resource[lane];
        let capacity = &all.capacities[resource as usize];
        if rest.value() <= self.thresholds[chunk][at] || !all.ambiguity.less(capacity, &rest) {
            return;
        }
        let mut groups: Vec<(u64, usize, u64)> = Vec::new();
        self.weights.each_from(lane, |other, weight| {
            let (chunk, at) = split(other);
            groups.push((order_key(self.keys[chunk][at]), other, weight));
        });
        groups.sort_unstable_by(|a, b| b.cmp(a));
        let (mut weight, mut level) = (0, N::zero());
        for &(_, group, n) in &groups {
            let rate = self.values.get(group);
            if weight > 0 && !all.ambiguity.less(&level, &rate) {
                break;
            }
            weight += n;
            rest = rest.sub(&rate.mul_int(n));
            level = all.capacities[resource as usize].sub(&rest).div_int(weight);
        }
        let mut slots = std::mem::take(&mut self.slots);
        slots.clear();
        for member in all.flows.members(resource) {
            let rate = self
                .values
                .get(self.lane[member.bottleneck as usize] as usize);
            if all.ambiguity.less(&level, &rate) {
                slots.push(member.slot);
            }
        }
        for &slot in &slots {
            self.shift(all, slot, lane);
        }
        self.slots = slots;
    }

    #[inline]
    fn holds(&self, lane: usize) -> bool {
        let (chunk, at) = split(lane);
        self.holding[chunk] >> at & 1 == 1
    }

    /// Notes that the level or the own flows of a lane change in this event.
    #[inline]
    fn change(&mut self, lane: usize) {
        if self.changed_in[lane] != self.event {
            self.changed_in[lane] = self.event;
            self.changed.push(lane as u32);
        }
    }

    /// Notes that the equation of a lane may be broken.
    #[inline]
    fn mark(&mut self, lane: usize) {
        let (chunk, at) = split(lane);
        if self.is_waiting[chunk] >> at & 1 == 0 {
            self.is_waiting[chunk] |= 1 << at;
            let key = order_key(self.place_in_order(lane));
            self.waiting.push(Reverse((key, lane as u32)));
        }
    }

    /// Marks the lanes of a flow that enters, leaves or moves.
    fn mark_route(&mut self, all: &Allocation<'_, N>, slot: u32) {
        for incidence in all.flows.crossed(slot) {
            let lane = self.lane[incidence.resource as usize] as usize;
            let (chunk, at) = split(lane);
            if self.own[lane] > 0
                || self.holds(lane)
                || self.loads[chunk][at] > self.thresholds[chunk][at]
            {
                self.mark(lane);
            }
        }
    }

    /// Where the repair of a lane belongs: at the smaller of its level and a first-order guess of the
    /// new one; at once where it has no level yet or no flows any more.
    #[inline]
    fn place_in_order(&self, lane: usize) -> f64 {
        if self.own[lane] == 0 || !self.holds(lane) {
            return 0.0;
        }
        let (chunk, at) = split(lane);
        let level = self.keys[chunk][at];
        let spare = self.capacities[lane] - self.loads[chunk][at];
        level.min(level + spare / self.own[lane] as f64)
    }

    /// Adds (`sign` 1) or removes (-1) the weights of a flow that a lane holds back.
    fn weigh(&mut self, all: &Allocation<'_, N>, slot: u32, holder: usize, sign: i64) {
        let level = if self.holds(holder) {
            self.keys[holder / CHUNK][holder % CHUNK]
        } else {
            0.0
        };
        for incidence in all.flows.crossed(slot) {
            let lane = self.lane[incidence.resource as usize] as usize;
            let weight = sign * incidence.weight as i64;
            self.loads[lane / CHUNK][lane % CHUNK] += weight as f64 * level;
            if lane == holder {
                self.own[lane] = self.own[lane].wrapping_add_signed(weight);
            } else {
                self.weights.add(holder, lane, weight);
            }
        }
    }

    /// Lets another lane hold a flow back.
    fn shift(&mut self, all: &mut Allocation<'_, N>, slot: u32, to: usize) {
        let from = all.flows.bottleneck(slot);
        if self.moved_in[slot as usize] != self.event {
            self.moved_in[slot as usize] = self.event;
            self.origin[slot as usize] = from;
            self.moved.push(slot);
        }
        if from != NONE {
            let lane = self.lane[from as usize] as usize;
            self.change(lane);
            self.weigh(all, slot, lane, -1);
            all.held[from as usize] -= 1;
        }
        self.change(to);
        self.weigh(all, slot, to, 1);
        all.held[self.resource[to] as usize] += 1;
        all.flows.assign(slot, self.resource[to]);
        self.mark_route(all, slot);
    }

    /// Assigns a new flow to the first lane of its route, or where none has a level to the one with
    /// the least room: a guess, which the repair mends.
    fn admit(&mut self, all: &mut Allocation<'_, N>, slot: u32) {
        let mut best: Option<(usize, f64)> = None;
        let Allocation {
            flows, ambiguity, ..
        } = all;
        for incidence in flows.crossed(slot) {
            let lane = self.lane[incidence.resource as usize] as usize;
            let (chunk, at) = split(lane);
            let room = (self.capacities[lane] - self.loads[chunk][at]) / incidence.weight as f64;
            let better = match best {
                None => true,
                Some((best, _)) if self.holds(best) => self.before(ambiguity, lane, best),
                Some((_, least)) => self.holds(lane) || room < least,
            };
            if better {
                best = Some((lane, room));
            }
        }
        let (lane, _) = best.expect("a flow in the allocation crosses a resource");
        self.shift(all, slot, lane);
    }
}
