//! Resources that never hold anybody back, left out of all routes.
//!
//! Max-min fair rates depend on nothing but the set of rates that fit. A resource whose load the
//! others on the same routes keep within its capacity takes nothing away from that set: the links out
//! of a node that its dies cannot fill, a reduction unit faster than all links into its die. Without
//! it the rates are the same, operations that met only there no longer meet, and a repair after an
//! event looks at fewer places.
//!
//! *When that is so.* Give each route over resource r one other resource s of the same route. With
//! weights w and rates x, the load of r is the sum over s of `w_r` x over the routes given to s,
//! which is at most the largest `w_r / w_s` times the capacity of s, whatever is active. If these
//! add up to no more than the capacity of r, r is left out. One after another, each held by
//! resources that are still there, so that none is missed by those that it held. Which s is given to
//! a route is a matter of luck only: whoever covers the most routes for its capacity comes first
//! (the greedy cover of Chvatal 1979).

use num_rational::Ratio;
use num_traits::CheckedAdd;

use super::workload::{Incidence, Workload};
use crate::csr::Csr;

/// Pairs of resources on one route that are looked at, for each operation and beside that: where many
/// operations take each route this is little beside their run, elsewhere it is not.
const PAIRS_PER_OP: usize = 4;
const FEW_PAIRS: usize = 4096;

/// The workload without the resources that never hold anybody back; resources keep their numbers.
/// `None` if there are none, routes change at a time, or looking would cost as much as running.
pub fn binding(workload: &Workload) -> Option<Workload> {
    if !workload.changes.is_empty() {
        return None;
    }
    let mut is_used = vec![false; workload.routes.n_rows()];
    for &route in &workload.op_routes {
        is_used[route as usize] = true;
    }
    let used: Vec<u32> = (0..is_used.len() as u32)
        .filter(|&route| is_used[route as usize])
        .collect();
    let n_pairs = |&route: &u32| workload.routes.row(route as usize).len().pow(2);
    if used.iter().map(n_pairs).sum::<usize>() > PAIRS_PER_OP * workload.n_ops() + FEW_PAIRS {
        return None;
    }
    let mut search = Search::new(workload, &used);
    // What is widest was built to hold others up.
    let rate =
        |resource: usize| workload.capacities[resource] / u128::from(workload.scales[resource]);
    let mut by_rate: Vec<u32> = (0..workload.capacities.len() as u32).collect();
    by_rate.sort_by_key(|&resource| std::cmp::Reverse(rate(resource as usize)));
    let mut any = false;
    for resource in by_rate {
        if search.is_implied(resource) {
            search.is_kept[resource as usize] = false;
            any = true;
        }
    }
    any.then(|| search.without())
}

/// Which resources are still there.
struct Search<'w> {
    workload: &'w Workload,
    is_kept: Vec<bool>,
    /// The used routes over each resource.
    routes_over: Csr<u32>,
    /// Scratch: where each resource stands among the candidates, and which routes have been given.
    place: Vec<u32>,
    given: Vec<u32>,
    n_tried: u32,
}

/// A resource that may hold up others.
struct Candidate {
    resource: u32,
    n_routes: u32,
    /// The most weight on the resource to be held up per weight on this one.
    most: Ratio<u128>,
}

const NOWHERE: u32 = u32::MAX;

impl<'w> Search<'w> {
    fn new(workload: &'w Workload, used: &[u32]) -> Self {
        let n = workload.capacities.len();
        let mut rows = Csr::with_capacity(workload.routes.n_rows(), workload.routes.n_items());
        let mut next = used.iter().peekable();
        for (route, row) in workload.routes.rows().enumerate() {
            let is_used = next.next_if(|&&used| used as usize == route).is_some();
            let row = row.iter().map(|incidence| incidence.resource);
            rows.push_row(row.filter(|_| is_used));
        }
        Self {
            workload,
            is_kept: vec![true; n],
            routes_over: rows.transposed(n),
            place: vec![NOWHERE; n],
            given: vec![0; workload.routes.n_rows()],
            n_tried: 0,
        }
    }

    fn kept(&self, route: u32) -> impl Iterator<Item = Incidence> {
        let row = self.workload.routes.row(route as usize).iter().copied();
        row.filter(|incidence| self.is_kept[incidence.resource as usize])
    }

    /// Whether others keep the load of a resource within its capacity.
    fn is_implied(&mut self, resource: u32) -> bool {
        let n_routes = self.routes_over.row(resource as usize).len();
        let Some(mut candidates) = self.candidates(resource).filter(|_| n_routes > 0) else {
            return false;
        };
        let cost = |each: &Candidate| {
            let capacity = self.workload.capacities[each.resource as usize] as f64;
            capacity * *each.most.numer() as f64 / *each.most.denom() as f64
        };
        candidates.sort_by(|a, b| {
            let (a_each, b_each) = (
                cost(a) * f64::from(b.n_routes),
                cost(b) * f64::from(a.n_routes),
            );
            a_each.total_cmp(&b_each).then(a.resource.cmp(&b.resource))
        });
        self.n_tried += 1;
        let (mut n_left, mut load) = (n_routes, Ratio::from_integer(0u128));
        for candidate in candidates {
            let before = n_left;
            for &route in self.routes_over.row(candidate.resource as usize) {
                let row = self.workload.routes.row(route as usize);
                let is_over = row.iter().any(|incidence| incidence.resource == resource);
                if is_over && self.given[route as usize] != self.n_tried {
                    self.given[route as usize] = self.n_tried;
                    n_left -= 1;
                }
            }
            if n_left == before {
                continue;
            }
            let capacity = self.workload.capacities[candidate.resource as usize];
            let (numerator, denominator) = candidate.most.into();
            let Some(most) = capacity.checked_mul(numerator) else {
                return false;
            };
            let Some(sum) = load.checked_add(&Ratio::new(most, denominator)) else {
                return false;
            };
            load = sum;
            if load > Ratio::from_integer(self.workload.capacities[resource as usize]) {
                return false;
            }
            if n_left == 0 {
                return true;
            }
        }
        false
    }

    /// The kept resources on the routes over one; `None` where a route has no other.
    fn candidates(&mut self, resource: u32) -> Option<Vec<Candidate>> {
        let mut candidates: Vec<Candidate> = Vec::new();
        let mut is_alone = false;
        for &route in self.routes_over.row(resource as usize) {
            let row = self.workload.routes.row(route as usize);
            let own = row.iter().filter(|own| own.resource == resource);
            let own: u128 = own.map(|own| u128::from(own.weight)).sum();
            let mut others = 0;
            for other in row {
                let holds = self.is_kept[other.resource as usize] && other.weight > 0;
                if other.resource == resource || !holds {
                    continue;
                }
                others += 1;
                let most = Ratio::new(own, u128::from(other.weight));
                let place = &mut self.place[other.resource as usize];
                if *place == NOWHERE {
                    *place = candidates.len() as u32;
                    candidates.push(Candidate {
                        resource: other.resource,
                        n_routes: 1,
                        most,
                    });
                } else {
                    let candidate = &mut candidates[*place as usize];
                    candidate.n_routes += 1;
                    if most > candidate.most {
                        candidate.most = most;
                    }
                }
            }
            if others == 0 {
                is_alone = true;
                break;
            }
        }
        for candidate in &candidates {
            self.place[candidate.resource as usize] = NOWHERE;
        }
        (!is_alone).then_some(candidates)
    }

    fn without(&self) -> Workload {
        let rows = self.workload.routes.n_rows();
        let mut routes = Csr::with_capacity(rows, self.workload.routes.n_items());
        for route in 0..rows as u32 {
            routes.push_row(self.kept(route));
        }
        Workload {
            routes,
            ..self.workload.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::workload::WorkloadBuilder;

    /// Two senders behind ports of 10 that share an uplink, each to a receiver with a port of 10: what
    /// is left of the routes.
    fn left_of(uplink_bps: u64, share: (u64, u64)) -> Vec<Vec<u32>> {
        let mut builder = WorkloadBuilder::default();
        let ports = [10, 10, 10, 10].map(|rate| builder.resource(rate));
        let uplink = builder.resource(uplink_bps);
        for pair in 0..2 {
            let ends = [ports[pair], ports[pair + 2]].map(|port| (port, 1, 1));
            let shares = ends.into_iter().chain([(uplink, share.0, share.1)]);
            let route = builder.route(shares, 0, 0);
            builder.op(route, (1, 1), 0, [], []);
        }
        let workload = builder.build().expect("no edges, no cycle");
        let slim = binding(&workload).unwrap_or(workload);
        let rows = slim.routes.rows().skip(1);
        rows.map(|row| row.iter().map(|incidence| incidence.resource).collect())
            .collect()
    }

    #[test]
    fn an_uplink_that_its_ports_cannot_fill_is_left_out() {
        // 10 + 10 fit into 20. Of two equal ports in a row one is enough.
        assert_eq!(left_of(20, (1, 1)), [[2], [3]]);
        assert_eq!(left_of(19, (1, 1)), [[2, 4], [3, 4]]);
    }

    #[test]
    fn a_share_loads_the_uplink_by_its_part() {
        // Half of 10 + 10 fits into 10, not into 9.
        assert_eq!(left_of(10, (1, 2)), [[2], [3]]);
        assert_eq!(left_of(9, (1, 2)), [[2, 4], [3, 4]]);
    }

    #[test]
    fn a_resource_that_is_all_there_is_stays() {
        let mut builder = WorkloadBuilder::default();
        let (slow, fast) = (builder.resource(10), builder.resource(1000));
        for resource in [slow, fast] {
            let route = builder.route([(resource, 1, 1)], 0, 0);
            builder.op(route, (1, 1), 0, [], []);
        }
        assert!(binding(&builder.build().expect("no edges, no cycle")).is_none());
    }
}
