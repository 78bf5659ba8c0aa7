//! A bracket of the makespan without any event: one pass over the routes.
//!
//! *High.* At its bottleneck l an operation has the highest rate x of all, and l is saturated, so
//! c <= x W, where W is the weight of all operations on l. Hence an operation is never
//! slower than the least c / W of its route, whatever else is active, and it is served within its
//! bytes over that after its release. Releases follow from predecessors, one after the other.
//!
//! *Low.* What a resource must carry needs load / c from the first release of those that cross it,
//! and the last of them arrives its latency later. With predecessors
//! [`crate::bounds::route_bound_ps`] may say more; the caller has it.
//!
//! Where all operations are released together, of one size and latency, load = size W: both ends are
//! the time of the heaviest resource, and the bracket is the makespan. With predecessors the high
//! end counts operations that never meet, and is loose.

use std::cmp::Ordering;

use num_bigint::BigUint;

use crate::bounds::resource_times;
use crate::engine::number::{Number, Pair, Relation};
use crate::engine::workload::Workload;

const PS_PER_S: u128 = 1_000_000_000_000;

/// A makespan is at least `low_ps` and at most `high_ps`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bracket {
    /// The run takes at least this long, in picoseconds.
    pub low_ps: u128,
    /// And at most this long.
    pub high_ps: u128,
}

/// What the operations on one resource have in common.
#[derive(Clone, Copy)]
struct Crossing {
    weight: u128,
    /// First release without predecessors.
    earliest_ps: u64,
    least_latency_ps: u64,
}

/// Brackets the time of the last arrival.
pub fn bracket(workload: &Workload) -> Bracket {
    let crossings = crossings(workload);
    Bracket {
        low_ps: low(workload, &crossings),
        high_ps: high(workload, &crossings),
    }
}

fn crossings(workload: &Workload) -> Vec<Crossing> {
    let none = Crossing {
        weight: 0,
        earliest_ps: u64::MAX,
        least_latency_ps: u64::MAX,
    };
    let mut crossings = vec![none; workload.capacities.len()];
    for op in (0..workload.n_ops()).filter(|&op| workload.size(op).0 > 0) {
        let route = workload.op_routes[op] as usize;
        let (software, latency) = (workload.software_ps[route], workload.latencies_ps[route]);
        let released = workload.start_ps(op) + software;
        for incidence in workload.routes.row(route) {
            let crossing = &mut crossings[incidence.resource as usize];
            crossing.weight += u128::from(incidence.weight);
            crossing.earliest_ps = crossing.earliest_ps.min(released);
            crossing.least_latency_ps = crossing.least_latency_ps.min(latency);
        }
    }
    crossings
}

fn low(workload: &Workload, crossings: &[Crossing]) -> u128 {
    let times = resource_times(workload);
    let each = times.iter().zip(crossings);
    let each = each.filter(|(_, crossing)| crossing.weight > 0);
    let last = each.map(|(time, crossing)| {
        let others = u128::from(crossing.earliest_ps) + u128::from(crossing.least_latency_ps);
        let last = time.add(&Pair::from_int(others));
        let ps = last.ceil().unwrap_or_else(|| last.lower().ceil() as i128);
        u128::try_from(ps).unwrap_or(0)
    });
    last.max().unwrap_or(0)
}

fn bytes_ps((numerator, denominator): (u128, u64)) -> Pair {
    Pair::from_ratio(numerator * PS_PER_S, denominator)
}

fn per_byte(weight: u128, capacity: u128) -> Pair {
    let capacity = Pair::from_int(capacity);
    Pair::from_int(weight).div(&capacity, &capacity.reciprocal())
}

fn high(workload: &Workload, crossings: &[Crossing]) -> u128 {
    let mut is_open = false;
    // Where pairs leave open which is larger, whose upper end is, so that the result still is a bound.
    let mut later = |a: Pair, b: Pair| match a.compare(&b) {
        Relation::Less => b,
        Relation::Equal | Relation::Greater => a,
        Relation::AmbiguousLess | Relation::AmbiguousGreater => {
            is_open = true;
            if a.upper() < b.upper() { b } else { a }
        }
    };
    let each = crossings.iter().zip(&workload.capacities);
    let slowest: Vec<Pair> = each
        .map(|(crossing, &c)| per_byte(crossing.weight, c))
        .collect();
    let ranks = ranks(crossings, &workload.capacities, &slowest);
    let sizes: Vec<Pair> = workload.sizes.iter().map(|&size| bytes_ps(size)).collect();
    let mut times = vec![[Pair::zero(); 2]; workload.n_ops()];
    let mut last = Pair::zero();
    for op in workload.topological_order() {
        let op = op as usize;
        let route = workload.op_routes[op] as usize;
        let start = Pair::from_int(workload.start_ps(op).into());
        let data = workload.depends_on.row(op).iter();
        let there = data.fold(start, |latest, &pred| {
            later(latest, times[pred as usize][1])
        });
        let there = there.add(&Pair::from_int(workload.software_ps[route].into()));
        let order = workload.follows.row(op).iter();
        let released = order.fold(there, |latest, &pred| {
            later(latest, times[pred as usize][0])
        });
        let row = workload.routes.row(route).iter();
        let slowest_on_route = row.map(|i| i.resource).max_by_key(|&r| ranks[r as usize]);
        let served = slowest_on_route.map_or(released, |resource| {
            let size = &sizes[workload.op_sizes[op] as usize];
            released.add(&size.mul(&slowest[resource as usize]))
        });
        let latency = workload.latencies_ps[route];
        times[op] = [served, served.add(&Pair::from_int(latency.into()))];
        last = later(last, times[op][1]);
    }
    let known = if is_open { None } else { last.ceil() };
    let ps = known.unwrap_or_else(|| last.upper().ceil() as i128);
    u128::try_from(ps).unwrap_or(0)
}

/// The place of each resource by its time per byte, ascending: the slowest of a route is then found
/// among integers.
fn ranks(crossings: &[Crossing], capacities: &[u128], per_byte: &[Pair]) -> Vec<u32> {
    let exactly = |a: usize, b: usize| {
        let times = |of: usize, by: usize| {
            BigUint::from(crossings[of].weight) * BigUint::from(capacities[by])
        };
        times(a, b).cmp(&times(b, a))
    };
    let mut order: Vec<u32> = (0..per_byte.len() as u32).collect();
    order.sort_by(|&a, &b| {
        let (a, b) = (a as usize, b as usize);
        match per_byte[a].compare(&per_byte[b]) {
            Relation::Less => Ordering::Less,
            Relation::Equal => Ordering::Equal,
            Relation::Greater => Ordering::Greater,
            Relation::AmbiguousLess | Relation::AmbiguousGreater => exactly(a, b),
        }
    });
    let mut ranks = vec![0; order.len()];
    for (rank, &resource) in order.iter().enumerate() {
        ranks[resource as usize] = rank as u32;
    }
    ranks
}
