//! Changing a level, and keeping every flow on the first resource of its route.

use super::{CLEAR, Levels, split};
use crate::engine::maxmin::allocation::Allocation;
use crate::engine::number::lanes::{CHUNK, Lanes};
use crate::engine::number::{Ambiguity, Number, Relation};

impl<N: Number> Levels<N> {
    /// The order of lanes: by level, ties by index, lanes without a level last.
    #[inline]
    pub(super) fn before(&self, ambiguity: &mut Ambiguity, a: usize, b: usize) -> bool {
        let (x, y) = (
            self.keys[a / CHUNK][a % CHUNK],
            self.keys[b / CHUNK][b % CHUNK],
        );
        if x == f64::INFINITY || y == f64::INFINITY || (x - y).abs() > CLEAR * y.abs() {
            return x < y;
        }
        match ambiguity.relation(&self.values.get(a), &self.values.get(b)) {
            Relation::Equal => self.resource[a] < self.resource[b],
            Relation::Less | Relation::AmbiguousLess => true,
            Relation::Greater | Relation::AmbiguousGreater => false,
        }
    }

    /// Gives a lane its level, marks the equations that this breaks, and moves the flows whose first
    /// lane it changes. `fastest` bounds the rates of the lane's flows that are held back elsewhere.
    pub(super) fn set_level(
        &mut self,
        all: &mut Allocation<'_, N>,
        lane: usize,
        level: &N,
        fastest: f64,
    ) {
        let (chunk, at) = split(lane);
        let fresh = !self.holds(lane);
        self.change(lane);
        let new = level.value();
        let old = if fresh { 0.0 } else { self.keys[chunk][at] };
        self.holding[chunk] |= 1 << at;
        self.thresholds[chunk][at] = f64::INFINITY;
        self.values.set(lane, level);
        self.keys[chunk][at] = new;
        let slowest = self.push(lane, new - old);
        self.loads[chunk][at] = self.capacities[lane];
        // A negative level is only ever a passing guess.
        let rose = fresh || new > old;
        let fell = fresh || new < old;
        let leave = rose && (slowest <= new * (1.0 + CLEAR) || new <= 0.0);
        let join = fell && fastest >= new * (1.0 - CLEAR);
        if leave || join {
            self.regroup(all, lane, leave, join);
        }
    }

    /// Restores condition 3 around a lane: own flows that cross an earlier lane leave, flows of later
    /// lanes that cross it join.
    fn regroup(&mut self, all: &mut Allocation<'_, N>, lane: usize, leave: bool, join: bool) {
        let mut slots = std::mem::take(&mut self.slots);
        slots.clear();
        let resource = self.resource[lane];
        if leave {
            self.list_leaving(all, lane, &mut slots);
        }
        if join {
            let mut later = Vec::new();
            self.weights.each_from(lane, |other, _| later.push(other));
            let ambiguity = &mut all.ambiguity;
            if later
                .iter()
                .any(|&other| self.before(ambiguity, lane, other))
            {
                for position in 0..all.flows.members(resource).len() {
                    let member = all.flows.members(resource)[position];
                    let holder = self.lane[member.bottleneck as usize] as usize;
                    if holder != lane && self.before(&mut all.ambiguity, lane, holder) {
                        slots.push(member.slot);
                    }
                }
            }
        }
        for &slot in &slots {
            let current = self.lane[all.flows.bottleneck(slot) as usize] as usize;
            let first = self.first(all, slot, current);
            if first != current {
                self.shift(all, slot, first);
            }
        }
        self.slots = slots;
    }

    /// The first lane of a flow's route, `current` where all are alike.
    pub(super) fn first(&self, all: &mut Allocation<'_, N>, slot: u32, current: usize) -> usize {
        let Allocation {
            flows, ambiguity, ..
        } = all;
        let crossed = flows.crossed(slot).iter();
        crossed.fold(current, |first, incidence| {
            let other = self.lane[incidence.resource as usize] as usize;
            if other != first && self.before(ambiguity, other, first) {
                other
            } else {
                first
            }
        })
    }

    /// Lists a lane's own flows that cross an earlier lane, from whichever lists are shorter.
    fn list_leaving(&self, all: &mut Allocation<'_, N>, lane: usize, slots: &mut Vec<u32>) {
        let mut earlier = Vec::new();
        let (weights, holding) = (&self.weights, &self.holding);
        weights.each_on(lane, holding, |other| earlier.push(other));
        earlier.retain(|&other| self.before(&mut all.ambiguity, other, lane));
        let resource = self.resource[lane];
        let lists = earlier.iter().map(|&other| self.resource[other]);
        let n: usize = lists
            .clone()
            .map(|list| all.flows.members(list).len())
            .sum();
        if n <= 2 * all.flows.members(resource).len() {
            for list in lists {
                let own = all.flows.members(list).iter();
                let own = own.filter(|member| member.bottleneck == resource);
                slots.extend(own.map(|member| member.slot));
            }
        } else {
            for position in 0..all.flows.members(resource).len() {
                let member = all.flows.members(resource)[position];
                if member.bottleneck == resource && self.first(all, member.slot, lane) != lane {
                    slots.push(member.slot);
                }
            }
        }
    }
}
