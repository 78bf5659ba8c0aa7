//! How fast a schedule on its routes could be, counting what must be served before something else.
//!
//! An operation that waits for several others is released no sooner than each resource has served
//! all of them that cross it: from the release of the first of them on their work takes its time
//! there, however the rates are divided. Where every step of a rank follows the whole step before,
//! as in a pipeline, this adds up step by step to the pace of the rank's busiest port, behind the
//! time that the pipeline takes to fill. The critical path ([`super::route`]) knows operations alone.
//!
//! In the end each resource serves, after any time, what is released from that time on (Jackson 1955).
//!
//! It holds of part of a schedule too: fewer operations only let others start sooner. Times are whole
//! picoseconds, each rounded down, so a sum of them is never above the exact time.

use std::cmp::Reverse;

use rustc_hash::FxHashMap;

use super::PS_PER_S;
use crate::csr::Csr;
use crate::engine::workload::Workload;

/// Six roundings to nearest are below 2^-50 of the value.
const ROUND_DOWN: f64 = 1.0 - 8.9e-16;

/// A lower bound on the last arrival of operations whose routes stay, in picoseconds.
pub fn joint_path_ps(workload: &Workload) -> u64 {
    let mut paths = Paths::new(workload);
    for op in workload.topological_order() {
        paths.visit(op as usize);
    }
    paths.last_ps.max(paths.cleared_ps())
}

/// What some operations together need of the resources that they cross.
struct Queue {
    /// Per resource: first release, work and least latency of those that cross it.
    on: Vec<(u64, u64, u64)>,
    crossed: Vec<u32>,
}

const NOBODY: (u64, u64, u64) = (u64::MAX, 0, u64::MAX);

/// Least times of the operations before one.
struct Paths<'w> {
    workload: &'w Workload,
    /// Of each operation, the row of `services` with the time on each resource of its route.
    service_of: Vec<u32>,
    services: Csr<u64>,
    released: Vec<u64>,
    served: Vec<u64>,
    arrived: Vec<u64>,
    queue: Queue,
    /// The last operation that waited for several others in order, and until when: those after it
    /// often wait for the same.
    known: Option<(usize, u64)>,
    last_ps: u64,
}

impl<'w> Paths<'w> {
    fn new(workload: &'w Workload) -> Self {
        let n = workload.n_ops();
        let mut row_of: FxHashMap<(u32, u32), u32> = FxHashMap::default();
        let mut services = Csr::default();
        let ends = workload.op_routes.iter().zip(&workload.op_sizes);
        let service_of = ends.map(|(&route, &size)| {
            *row_of.entry((route, size)).or_insert_with(|| {
                let (bytes, denominator) = workload.sizes[size as usize];
                let row = workload.routes.row(route as usize).iter();
                services.push_row(row.map(|incidence| {
                    let capacity = workload.capacities[incidence.resource as usize] as f64;
                    let work = bytes as f64 * incidence.weight as f64 * PS_PER_S as f64;
                    (work / (denominator as f64 * capacity) * ROUND_DOWN) as u64
                }));
                services.n_rows() as u32 - 1
            })
        });
        let service_of = service_of.collect();
        Self {
            workload,
            service_of,
            services,
            released: vec![0; n],
            served: vec![0; n],
            arrived: vec![0; n],
            queue: Queue {
                on: vec![NOBODY; workload.capacities.len()],
                crossed: Vec::new(),
            },
            known: None,
            last_ps: 0,
        }
    }

    fn visit(&mut self, op: usize) {
        let workload = self.workload;
        let route = workload.op_routes[op] as usize;
        let (data, order) = (workload.depends_on.row(op), workload.follows.row(op));
        let latest = |times: &[u64], preds: &[u32]| {
            let times = preds.iter().map(|&pred| times[pred as usize]);
            times.max().unwrap_or(0)
        };
        let mut there = workload.start_ps(op).max(latest(&self.arrived, data));
        if data.len() > 1 {
            there = there.max(self.arrived_together(data));
        }
        let ready = there.saturating_add(workload.software_ps[route]);
        let mut released = ready.max(latest(&self.served, order));
        if order.len() > 1 {
            released = released.max(self.served_together(op, order));
        }
        let alone = self.services.row(self.service_of[op] as usize);
        self.released[op] = released;
        let alone = alone.iter().copied().max().unwrap_or(0);
        self.served[op] = released.saturating_add(alone);
        self.arrived[op] = self.served[op].saturating_add(workload.latencies_ps[route]);
        self.last_ps = self.last_ps.max(self.arrived[op]);
    }

    /// When the last resource can be through: for each time, what is released on it from then on.
    fn cleared_ps(&self) -> u64 {
        let workload = self.workload;
        let mut loads = Vec::new();
        for op in 0..workload.n_ops() {
            let latency = workload.latencies_ps[workload.op_routes[op] as usize];
            let times = self.services.row(self.service_of[op] as usize);
            for (incidence, &time) in workload.route(op).iter().zip(times) {
                let latest_first = Reverse(self.released[op]);
                loads.push((incidence.resource, latest_first, time, latency));
            }
        }
        loads.sort_unstable();
        let mut last_ps = 0;
        for on in loads.chunk_by(|a, b| a.0 == b.0) {
            let (mut work, mut least_latency) = (0, u64::MAX);
            for &(_, Reverse(released), time, latency) in on {
                work = time.saturating_add(work);
                least_latency = latency.min(least_latency);
                last_ps = last_ps.max(sum(&[released, work, least_latency]));
            }
        }
        last_ps
    }

    /// When the last of some operations has been served.
    fn served_together(&mut self, op: usize, order: &[u32]) -> u64 {
        if let Some((other, until)) = self.known
            && self.workload.follows.row(other) == order
        {
            return until;
        }
        self.line_up(order);
        let until = self.clear(|(first, work, _)| sum(&[first, work]));
        self.known = Some((op, until));
        until
    }

    /// When the last of some operations has arrived.
    fn arrived_together(&mut self, data: &[u32]) -> u64 {
        self.line_up(data);
        self.clear(|(first, work, latency)| sum(&[first, work, latency]))
    }

    fn line_up(&mut self, ops: &[u32]) {
        for &op in ops {
            let op = op as usize;
            let latency = self.workload.latencies_ps[self.workload.op_routes[op] as usize];
            let times = self.services.row(self.service_of[op] as usize);
            for (incidence, time) in self.workload.route(op).iter().zip(times) {
                let on = &mut self.queue.on[incidence.resource as usize];
                if *on == NOBODY {
                    self.queue.crossed.push(incidence.resource);
                }
                on.0 = on.0.min(self.released[op]);
                on.1 = on.1.saturating_add(*time);
                on.2 = on.2.min(latency);
            }
        }
    }

    fn clear(&mut self, until: impl Fn((u64, u64, u64)) -> u64) -> u64 {
        let Queue { on, crossed } = &mut self.queue;
        let each = crossed.drain(..).map(|resource| {
            let there = std::mem::replace(&mut on[resource as usize], NOBODY);
            until(there)
        });
        each.max().unwrap_or(0)
    }
}

/// A sum of times, or more than any run takes.
fn sum(times: &[u64]) -> u64 {
    times.iter().copied().fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fluid::{Limits, run};
    use crate::engine::number::{Number, Pair};
    use crate::engine::observer::Unobserved;
    use crate::engine::workload::WorkloadBuilder;

    /// Sends of 3 bytes at 1 byte/s through one port, `width` in each of `steps`, each step after
    /// the one before.
    fn steps(width: usize, steps: usize) -> Workload {
        let mut builder = WorkloadBuilder::default();
        let port = builder.resource(1);
        let mut before: Vec<u32> = Vec::new();
        for _ in 0..steps {
            let routes: Vec<u32> = (0..width)
                .map(|_| {
                    let own = builder.resource(1);
                    builder.route([(port, 1, 1), (own, 1, 1)], 5, 0)
                })
                .collect();
            let sends = routes.into_iter();
            let sends = sends.map(|route| builder.op(route, (3, 1), 0, [], before.clone()));
            before = sends.collect();
        }
        builder.build().expect("edges point backwards")
    }

    #[test]
    fn steps_through_one_port_add_up() {
        const S: u64 = 1_000_000_000_000;
        // 4 sends of 3 s a step share the port, so each of 3 steps takes 12 s; the last byte arrives
        // 5 ps later. Three sums are each rounded down by a few picoseconds.
        let workload = steps(4, 3);
        let bound = joint_path_ps(&workload);
        assert!((36 * S - 100..=36 * S + 5).contains(&bound), "{bound}");
        let limits = Limits {
            events: 100,
            until_ps: None,
            cancel: None,
        };
        let run = run::<Pair>(&workload, limits, &mut Unobserved).expect("few events");
        let last = run.served.iter().map(Number::value).fold(0.0, f64::max);
        assert!((last - 36.0 * S as f64).abs() < 1.0, "{last}");
    }
}
