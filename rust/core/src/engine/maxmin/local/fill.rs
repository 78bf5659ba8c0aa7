//! Progressive filling of a set of flows into what the others leave.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::{Local, Scratch};
use crate::engine::maxmin::allocation::Allocation;
use crate::engine::number::{Number, Relation, order_key};

/// Members of a resource up to which their rates are summed afresh in every filling.
const FEW_MEMBERS: usize = 16;

impl<N: Number> Local<N> {
    /// Raises the rates of the set together; a resource that fills up freezes the flows on it.
    pub(super) fn fill(&mut self, all: &mut Allocation<'_, N>) {
        self.filling += 1;
        self.n_filled += self.set.len() as u64;
        let mut heap = std::mem::take(&mut self.heap).into_vec();
        heap.clear();
        for position in 0..self.touched.len() {
            let index = self.touched[position];
            self.renew_base(all, index);
            let scratch = &mut self.resources[index as usize].scratch;
            scratch.residual = scratch.base.clone();
            scratch.weight = scratch.set_weight;
            scratch.fastest = N::zero();
            heap.push(Reverse((share_key(scratch), index)));
        }
        self.heap = BinaryHeap::from(heap);
        let mut left = self.set.len();
        while left > 0 {
            let level = self.next_level(all);
            let mut tied = std::mem::take(&mut self.tied);
            tied.sort_unstable();
            for &index in &tied {
                left -= self.freeze(all, index, &level);
            }
            tied.clear();
            self.tied = tied;
        }
    }

    /// Frees what the set may use on a resource from the rounding errors of the running load: a few
    /// members are summed afresh, and a resource that the set has to itself is at its capacity.
    fn renew_base(&mut self, all: &Allocation<'_, N>, index: u32) {
        let capacity = &all.capacities[index as usize];
        let members = all.flows.members(index);
        let base = &mut self.resources[index as usize].scratch.base;
        if members.len() <= FEW_MEMBERS {
            *base = capacity.clone();
            for member in members {
                if self.flows[member.slot as usize].repair != self.repair {
                    let rate = &all.levels[member.bottleneck as usize];
                    *base = base.sub(&rate.mul_int(all.flows.weight(member)));
                }
            }
        } else if matches!(base.compare(capacity), Relation::Equal) {
            *base = capacity.clone();
        }
    }

    /// Takes the resources of least share off the heap into `tied`.
    ///
    /// Keys are lower bounds of shares, and shares only grow while the filling goes on, so a
    /// resource whose key exceeds the least share's upper bound cannot tie with it.
    fn next_level(&mut self, all: &mut Allocation<'_, N>) -> N {
        let mut level: Option<N> = None;
        while let Some(&Reverse((key, index))) = self.heap.peek() {
            if level
                .as_ref()
                .is_some_and(|level| key > order_key(level.upper()))
            {
                break;
            }
            self.heap.pop();
            let scratch = &self.resources[index as usize].scratch;
            if scratch.weight == 0 {
                continue;
            }
            let current = share_key(scratch);
            if current > key
                && self
                    .heap
                    .peek()
                    .is_some_and(|&Reverse((next, _))| next < current)
            {
                self.heap.push(Reverse((current, index)));
                continue;
            }
            let share = scratch.residual.div_int(scratch.weight);
            let scale = share.value();
            let share = share.anchored(scale);
            match level
                .as_ref()
                .map(|level| all.ambiguity.relation(&share, level))
            {
                None | Some(Relation::Equal) => {
                    level.get_or_insert(share);
                    self.tied.push(index);
                }
                Some(Relation::Less | Relation::AmbiguousLess) => {
                    self.heap
                        .extend(self.tied.drain(..).map(|other| Reverse((key, other))));
                    level = Some(share);
                    self.tied.push(index);
                }
                Some(Relation::Greater | Relation::AmbiguousGreater) => {
                    self.later.push((order_key(share.lower()), index));
                }
            }
        }
        self.heap.extend(self.later.drain(..).map(Reverse));
        level.expect("every flow of the set crosses a resource with weight left")
    }

    /// Freezes the unfrozen flows of the set on one resource; tells how many.
    fn freeze(&mut self, all: &Allocation<'_, N>, index: u32, level: &N) -> usize {
        let mut frozen = 0;
        for member in all.flows.members(index) {
            let flow = &mut self.flows[member.slot as usize];
            if flow.repair != self.repair || flow.filling == self.filling {
                continue;
            }
            flow.filling = self.filling;
            flow.next_bottleneck = index;
            frozen += 1;
            for incidence in all.flows.crossed(member.slot) {
                let scratch = &mut self.resources[incidence.resource as usize].scratch;
                scratch.residual = scratch.residual.sub(&level.mul_int(incidence.weight));
                scratch.weight -= incidence.weight;
                scratch.fastest = level.clone();
            }
        }
        if frozen > 0 {
            let scratch = &mut self.resources[index as usize].scratch;
            scratch.filling = self.filling;
            scratch.level = level.clone();
        }
        frozen
    }
}

/// A lower bound of a resource's share, as a heap key.
#[inline]
fn share_key<N: Number>(scratch: &Scratch<N>) -> u64 {
    if scratch.weight == 0 {
        return u64::MAX;
    }
    // One division and one conversion round by at most 2^-52; 2^-50 covers both.
    order_key(scratch.residual.lower() / scratch.weight as f64 * (1.0 - 8.9e-16))
}
