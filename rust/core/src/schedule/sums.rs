//! Sums: in which order and with which brackets a schedule adds.
//!
//! Floating-point addition commutes but does not associate, so two ranks have the same bits exactly
//! if their sums have the same brackets, whatever the sides. An operation that does not commute is
//! served by a schedule whose sums only ever join neighboring runs of ranks. Sums are followed as
//! nodes that exist once each; what arrives in one step is added in schedule order.

use rustc_hash::FxHashMap;

use super::{Op, Schedule};
use crate::collective::conditions::What;

/// How the sums of a schedule come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SumOrder {
    /// Whether all ranks that end with a sum of the same data have added it with the same brackets,
    /// and so have the same bits.
    pub bitwise_equal_across_ranks: bool,
    /// Whether every sum joins neighboring runs of ranks only, and so serves operations that
    /// associate and do not commute.
    pub order_preserving: bool,
}

impl SumOrder {
    /// The sums of a schedule that computes its collective; `None` if that adds nothing.
    pub fn of(schedule: &Schedule) -> Option<Self> {
        let conditions = schedule.conditions();
        if conditions.after(0).1 != What::All || schedule.is_empty() {
            return None;
        }
        let mut sums = Sums::new(schedule.n_ranks);
        let mut held: FxHashMap<(u32, u64), u32> = FxHashMap::default();
        let mut arriving: Vec<((u32, u64), Op, u32)> = Vec::new();
        for step in schedule.step_ranges() {
            for t in step {
                let (src, dst) = (schedule.src[t].0, schedule.dst[t].0);
                let live = schedule.chunks[t].iter().filter(|&c| schedule.is_live(c));
                arriving.extend(live.map(|chunk| {
                    let sent = *held.get(&(src, chunk)).unwrap_or(&src);
                    ((dst, chunk), schedule.op[t], sent)
                }));
            }
            for (place, op, sent) in arriving.drain(..) {
                let own = *held.get(&place).unwrap_or(&place.0);
                let now = match op {
                    Op::Reduce => sums.of(own, sent),
                    Op::Copy | Op::Local => sent,
                };
                held.insert(place, now);
            }
        }
        let mut first_of_chunk = vec![None; schedule.n_chunks as usize];
        let mut order = Self {
            bitwise_equal_across_ranks: true,
            order_preserving: true,
        };
        for rank in (0..schedule.n_ranks).map(crate::ids::RankId) {
            for chunk in conditions.due_at(rank).filter(|&c| schedule.is_live(c)) {
                let sum = *held.get(&(rank.0, chunk)).unwrap_or(&rank.0);
                let first = first_of_chunk[chunk as usize].get_or_insert(sum);
                order.bitwise_equal_across_ranks &= *first == sum;
                order.order_preserving &= sums.runs[sum as usize].is_some();
            }
        }
        Some(order)
    }
}

/// Sums by number; those below the number of ranks are what a rank contributes.
struct Sums {
    /// The ranks that a sum joins, from and to, if they were neighbors all the way.
    runs: Vec<Option<(u32, u32)>>,
    known: FxHashMap<(u32, u32), u32>,
}

impl Sums {
    fn new(n_ranks: u32) -> Self {
        Self {
            runs: (0..n_ranks).map(|rank| Some((rank, rank))).collect(),
            known: FxHashMap::default(),
        }
    }

    /// The sum of two sums.
    fn of(&mut self, a: u32, b: u32) -> u32 {
        let runs = &mut self.runs;
        *self.known.entry((a.min(b), a.max(b))).or_insert_with(|| {
            let ends = runs[a as usize].zip(runs[b as usize]);
            runs.push(ends.and_then(|(a, b)| {
                let (low, high) = if a < b { (a, b) } else { (b, a) };
                (low.1 + 1 == high.0).then_some((low.0, high.1))
            }));
            runs.len() as u32 - 1
        })
    }
}
