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
    // Operations of one size and of one route are many: their weights are integers, and are added up
    // before any arithmetic.
    let size = |op: u32| workload.op_sizes[op as usize];
    let mut by_size: Vec<u32> = (0..workload.n_ops() as u32).collect();
    if workload.sizes.len() > 1 {
        by_size.sort_by_key(|&op| size(op));
    }
    let mut counts = vec![0u32; workload.routes.n_rows()];
    let mut weights = vec![0u128; workload.capacities.len()];
    let mut work = vec![Pair::zero(); workload.capacities.len()];
    let (mut routes, mut resources) = (Vec::new(), Vec::new());
    for ops in by_size.chunk_by(|&a, &b| size(a) == size(b)) {
        for &op in ops {
            let route = workload.op_routes[op as usize] as usize;
            if counts[route] == 0 {
                routes.push(route);
            }
            counts[route] += 1;
        }
        for route in routes.drain(..) {
            let count = u128::from(std::mem::take(&mut counts[route]));
            for incidence in workload.routes.row(route) {
                let weight = &mut weights[incidence.resource as usize];
                if *weight == 0 {
                    resources.push(incidence.resource as usize);
                }
                *weight += count * u128::from(incidence.weight);
            }
        }
        let (numerator, denominator) = workload.size(ops[0] as usize);
        let bytes = Pair::from_ratio(numerator * PS_PER_S, denominator);
        for resource in resources.drain(..) {
            let weight = Pair::from_int(std::mem::take(&mut weights[resource]));
            work[resource] = work[resource].add(&bytes.mul(&weight));
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
    // Routes are many, and their tightest places few different ones.
    let each = 0..routes.routes.n_rows() as u32;
    let tightest: Vec<_> = each.map(|route| routes.tightest(route)).collect();
    let mut alone: FxHashMap<(u32, u64, u128), Pair> = FxHashMap::default();
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
        let served = tightest[route].map_or(ready, |tightest| {
            let capacity = routes.capacities[tightest.resource as usize];
            let key = (workload.op_sizes[op], tightest.weight, capacity);
            let time = alone.entry(key).or_insert_with(|| {
                let (numerator, denominator) = workload.size(op);
                let bytes = Pair::from_ratio(numerator * PS_PER_S, denominator);
                capacities.time(&bytes.mul_int(tightest.weight), capacity)
            });
            ready.add(time)
        });
        let arrived = served.add(&latencies[route]);
        times[op] = [served, arrived];
        last = ambiguity.max(last, arrived);
    }
    last
}
