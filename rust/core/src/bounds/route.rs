//! How fast a schedule on its routes could be, whatever the control of congestion.

use rustc_hash::FxHashMap;

use super::PS_PER_S;
use crate::engine::number::{Ambiguity, Number, Pair};
use crate::engine::workload::Workload;

/// How fast this schedule on these routes could be: the heaviest resource, and the longest chain
/// of operations each served alone. `alone` has the routes of single operations; it is the workload
/// itself unless its operations stand for several each.
pub fn route_bound_ps(workload: &Workload, alone: &Workload) -> u128 {
    let heaviest = heaviest_resource(workload);
    let chain = critical_path(workload, alone);
    [heaviest, chain]
        .iter()
        .map(floor_of_ceil)
        .max()
        .unwrap_or(0)
}

/// The exact time rounded up, or the certain part of it where it straddles a picosecond.
fn floor_of_ceil(time: &Pair) -> u128 {
    let ps = time.ceil().unwrap_or_else(|| time.lower().ceil() as i128);
    u128::try_from(ps).unwrap_or(0)
}

/// Work on each resource over its capacity, in picoseconds.
pub fn resource_times(workload: &Workload) -> Vec<Pair> {
    // Operations of one route and one size are many: count them before any arithmetic.
    let mut pairs: Vec<(u32, u32)> = workload
        .op_routes
        .iter()
        .copied()
        .zip(workload.op_sizes.iter().copied())
        .filter(|&(route, _)| !workload.routes.row(route as usize).is_empty())
        .collect();
    pairs.sort_unstable();
    let mut work = vec![Pair::zero(); workload.capacities.len()];
    for same in pairs.chunk_by(|a, b| a == b) {
        let (route, size) = same[0];
        let (numerator, denominator) = workload.sizes[size as usize];
        let bytes = Pair::from_ratio(numerator * PS_PER_S, denominator).mul_int(same.len() as u64);
        for incidence in workload.routes.row(route as usize) {
            let total = &mut work[incidence.resource as usize];
            *total = total.add(&bytes.mul_int(incidence.weight));
        }
    }
    let mut capacities = Capacities::default();
    // Most resources of a large fabric are idle.
    let loaded = work.iter_mut().zip(&workload.capacities);
    for (total, &capacity) in loaded.filter(|(total, _)| !total.is_zero()) {
        *total = capacities.time(total, capacity);
    }
    work
}

fn heaviest_resource(workload: &Workload) -> Pair {
    let mut ambiguity = Ambiguity::default();
    resource_times(workload)
        .into_iter()
        .fold(Pair::zero(), |a, b| ambiguity.max(a, b))
}

/// The time that bytes take alone on a route: over its tightest resource.
fn alone_ps(
    alone: &Workload,
    route: u32,
    (numerator, denominator): (u128, u64),
    capacities: &mut Capacities,
) -> Pair {
    let bytes = Pair::from_ratio(numerator * PS_PER_S, denominator);
    let mut ambiguity = Ambiguity::default();
    let incidences = alone.routes.row(route as usize).iter();
    incidences.fold(Pair::zero(), |slowest, i| {
        let capacity = alone.capacities[i.resource as usize];
        ambiguity.max(slowest, capacities.time(&bytes.mul_int(i.weight), capacity))
    })
}

/// Divides by capacities: a fabric has few different ones, and what a division needs of each costs
/// more than the division.
#[derive(Default)]
struct Capacities(FxHashMap<u128, (Pair, <Pair as Number>::Reciprocal)>);

impl Capacities {
    /// How long `work` occupies a resource of this capacity.
    fn time(&mut self, work: &Pair, capacity: u128) -> Pair {
        let (capacity, reciprocal) = self.0.entry(capacity).or_insert_with(|| {
            let capacity = Pair::from_int(capacity);
            (capacity, capacity.reciprocal())
        });
        work.div(capacity, reciprocal)
    }
}

/// The last arrival if every operation ran alone: predecessors before successors, one pass.
fn critical_path(workload: &Workload, routes: &Workload) -> Pair {
    let whole = |times: &[u64]| -> Vec<Pair> {
        let each = times.iter().map(|&ps| Pair::from_int(ps.into()));
        each.collect()
    };
    let (latencies, software) = (whole(&workload.latencies_ps), whole(&workload.software_ps));
    let mut alone: FxHashMap<(u32, u32), Pair> = FxHashMap::default();
    let mut capacities = Capacities::default();
    let mut ambiguity = Ambiguity::default();
    let mut times = vec![[Pair::zero(); 2]; workload.n_ops()];
    let mut last = Pair::zero();
    for op in workload.topological_order() {
        let op = op as usize;
        let route = workload.op_routes[op] as usize;
        let started = Pair::from_int(workload.start_ps(op).into());
        let data = workload.depends_on.row(op).iter();
        let there = data.fold(started, |latest, &pred| {
            ambiguity.max(latest, times[pred as usize][1])
        });
        let order = workload.follows.row(op).iter();
        let ready = order.fold(there.add(&software[route]), |latest, &pred| {
            ambiguity.max(latest, times[pred as usize][0])
        });
        let key = (workload.op_routes[op], workload.op_sizes[op]);
        let time = alone
            .entry(key)
            .or_insert_with(|| alone_ps(routes, key.0, workload.size(op), &mut capacities));
        let served = ready.add(time);
        let arrived = served.add(&latencies[route]);
        times[op] = [served, arrived];
        last = ambiguity.max(last, arrived);
    }
    last
}
