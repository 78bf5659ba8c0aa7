//! A workload: what an engine is given. Operations on resources, and the edges between them.
//!
//! Nothing here knows links, ranks or chunks. A resource is a capacity; a route is a set of
//! resources with the weight that a flow's rate puts on each; an operation moves a number of bytes
//! along a route after its predecessors. Shares of a sprayed flow are rationals; scaling each
//! resource's row by the common denominator of its shares makes every weight an integer without
//! changing the allocation, since `sum w x <= c` and `sum (q w) x <= q c` are the same constraint.

use num_bigint::BigUint;
use num_integer::Integer;

use crate::csr::Csr;

/// Why a workload cannot be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WorkloadError {
    /// The shares on one resource have no common denominator below 2^40.
    #[error(
        "the shares of the flows on resource {resource} need a common denominator above 2^40; \
         round the link rates so that their ratios are simpler"
    )]
    SharesTooFine {
        /// The resource's index.
        resource: u32,
    },
    /// The edges form a cycle.
    #[error("the operations depend on each other in a cycle: {}", ops.iter().map(u32::to_string).collect::<Vec<_>>().join(" -> "))]
    Cycle {
        /// Operations on the cycle, in order.
        ops: Vec<u32>,
    },
}

/// Denominators of shares stay below this, so weighted sums over 2^20 flows fit in 64 bits.
pub(super) const MAX_SCALE: u64 = 1 << 40;

/// One resource of a route: a flow at rate x loads it with `weight * x`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Incidence {
    /// The resource's index.
    pub resource: u32,
    /// The weight after scaling the resource's row.
    pub weight: u64,
}

/// The route of an operation that loads nothing (a join, a rank's own copy without a limit).
pub const NO_ROUTE: u32 = 0;

/// Operations on resources; valid once built.
#[derive(Debug, Clone)]
pub struct Workload {
    /// Capacity per resource: bytes per second times the row's scale.
    pub capacities: Vec<u128>,
    /// Scale of each resource's row.
    pub scales: Vec<u64>,
    /// Resources of each route, ascending; route 0 is empty.
    pub routes: Csr<Incidence>,
    /// Path latency of each route.
    pub latencies_ps: Vec<u64>,
    /// Software cost of each route's operations, paid after the data has arrived.
    pub software_ps: Vec<u64>,
    /// Route per operation.
    pub op_routes: Vec<u32>,
    /// Index into `sizes` per operation.
    pub op_sizes: Vec<u32>,
    /// Distinct sizes in bytes, as exact fractions.
    pub sizes: Vec<(u128, u64)>,
    /// Start time per operation; empty where all start at 0.
    pub starts_ps: Vec<u64>,
    /// Data edges: what must have arrived.
    pub depends_on: Csr<u32>,
    /// Order edges: what must have been served.
    pub follows: Csr<u32>,
}

impl Workload {
    /// Number of operations.
    pub fn n_ops(&self) -> usize {
        self.op_routes.len()
    }

    /// The start time of an operation.
    pub fn start_ps(&self, op: usize) -> u64 {
        self.starts_ps.get(op).copied().unwrap_or(0)
    }

    /// The size of an operation in bytes, as an exact fraction.
    pub fn size(&self, op: usize) -> (u128, u64) {
        self.sizes[self.op_sizes[op] as usize]
    }

    /// The resources of an operation, with the weight on each.
    pub fn route(&self, op: usize) -> &[Incidence] {
        self.routes.row(self.op_routes[op] as usize)
    }

    /// Where an operation of a route is served slowest if it is alone; the first of several.
    pub fn tightest(&self, route: u32) -> Option<Incidence> {
        let capacity = |i: Incidence| self.capacities[i.resource as usize];
        let is_tighter = |a: Incidence, b: Incidence| {
            let ((a_weight, b_weight), (a_capacity, b_capacity)) =
                ((a.weight, b.weight), (capacity(a), capacity(b)));
            if a_capacity == b_capacity {
                return a_weight > b_weight;
            }
            let each = (
                u128::from(a_weight).checked_mul(b_capacity),
                u128::from(b_weight).checked_mul(a_capacity),
            );
            match each {
                (Some(a), Some(b)) => a > b,
                _ => BigUint::from(a_weight) * b_capacity > BigUint::from(b_weight) * a_capacity,
            }
        };
        let row = self.routes.row(route as usize).iter().copied();
        row.reduce(|tightest, next| {
            if is_tighter(next, tightest) {
                next
            } else {
                tightest
            }
        })
    }

    /// Whether every predecessor stands before its successors.
    pub fn edges_point_backwards(&self) -> bool {
        let backwards = |edges: &Csr<u32>| {
            let mut rows = edges.rows().enumerate();
            rows.all(|(op, preds)| preds.iter().all(|&pred| (pred as usize) < op))
        };
        backwards(&self.depends_on) && backwards(&self.follows)
    }

    /// The operations, predecessors first: their own order unless an edge points forwards.
    pub fn topological_order(&self) -> Vec<u32> {
        let n = self.n_ops();
        if self.edges_point_backwards() {
            return (0..n as u32).collect();
        }
        let (data, queue) = (self.depends_on.transposed(n), self.follows.transposed(n));
        let mut n_pending: Vec<usize> = (0..n)
            .map(|op| self.depends_on.row(op).len() + self.follows.row(op).len())
            .collect();
        let mut order: Vec<u32> = (0..n as u32)
            .filter(|&op| n_pending[op as usize] == 0)
            .collect();
        let mut next = 0;
        while let Some(&op) = order.get(next) {
            next += 1;
            for &successor in data.row(op as usize).iter().chain(queue.row(op as usize)) {
                n_pending[successor as usize] -= 1;
                if n_pending[successor as usize] == 0 {
                    order.push(successor);
                }
            }
        }
        order
    }
}

/// Collects resources, routes and operations.
#[derive(Debug)]
pub struct WorkloadBuilder {
    rates_bps: Vec<u64>,
    shares: Csr<(u32, u64, u64)>,
    latencies_ps: Vec<u64>,
    software_ps: Vec<u64>,
    op_routes: Vec<u32>,
    op_sizes: Vec<u32>,
    sizes: Vec<(u128, u64)>,
    size_index: rustc_hash::FxHashMap<(u128, u64), u32>,
    starts_ps: Vec<u64>,
    depends_on: Csr<u32>,
    follows: Csr<u32>,
}

impl Default for WorkloadBuilder {
    fn default() -> Self {
        let mut builder = Self {
            rates_bps: Vec::new(),
            shares: Csr::default(),
            latencies_ps: Vec::new(),
            software_ps: Vec::new(),
            op_routes: Vec::new(),
            op_sizes: Vec::new(),
            sizes: Vec::new(),
            size_index: rustc_hash::FxHashMap::default(),
            starts_ps: Vec::new(),
            depends_on: Csr::default(),
            follows: Csr::default(),
        };
        builder.route([], 0, 0);
        builder
    }
}

impl WorkloadBuilder {
    /// Adds a resource of `rate_bps` bytes per second.
    pub fn resource(&mut self, rate_bps: u64) -> u32 {
        self.rates_bps.push(rate_bps);
        self.rates_bps.len() as u32 - 1
    }

    /// Adds a route: resources with the share (numerator, denominator) of the flow on each.
    pub fn route(
        &mut self,
        shares: impl IntoIterator<Item = (u32, u64, u64)>,
        latency_ps: u64,
        software_ps: u64,
    ) -> u32 {
        self.shares.push_row(shares);
        self.latencies_ps.push(latency_ps);
        self.software_ps.push(software_ps);
        self.latencies_ps.len() as u32 - 1
    }

    /// Makes room for `ops` operations with `edges` edges of each kind.
    pub fn reserve(&mut self, ops: usize, data_edges: usize, order_edges: usize) {
        self.op_routes.reserve_exact(ops);
        self.op_sizes.reserve_exact(ops);
        self.depends_on = Csr::with_capacity(ops, data_edges);
        self.follows = Csr::with_capacity(ops, order_edges);
    }

    /// Adds an operation of `size` bytes (an exact fraction).
    pub fn op(
        &mut self,
        route: u32,
        size: (u128, u64),
        start_ps: u64,
        depends_on: impl IntoIterator<Item = u32>,
        follows: impl IntoIterator<Item = u32>,
    ) -> u32 {
        let op = self.op_routes.len();
        let size = *self.size_index.entry(size).or_insert_with(|| {
            self.sizes.push(size);
            self.sizes.len() as u32 - 1
        });
        if start_ps > 0 && self.starts_ps.is_empty() {
            self.starts_ps = vec![0; op];
        }
        if start_ps > 0 || !self.starts_ps.is_empty() {
            self.starts_ps.push(start_ps);
        }
        self.op_routes.push(route);
        self.op_sizes.push(size);
        self.depends_on.push_row(depends_on);
        self.follows.push_row(follows);
        op as u32
    }

    /// The next operation's index.
    pub fn n_ops(&self) -> u32 {
        self.op_routes.len() as u32
    }

    /// Scales the rows to integers and checks that the edges form no cycle.
    pub fn build(self) -> Result<Workload, WorkloadError> {
        let mut scales = vec![1u64; self.rates_bps.len()];
        for &(resource, _, denominator) in self.shares.parts().1 {
            let scale = &mut scales[resource as usize];
            let wide = u128::from(*scale).lcm(&u128::from(denominator));
            *scale = u64::try_from(wide)
                .ok()
                .filter(|&s| s <= MAX_SCALE)
                .ok_or(WorkloadError::SharesTooFine { resource })?;
        }
        let mut routes = Csr::with_capacity(self.shares.n_rows(), self.shares.n_items());
        for row in self.shares.rows() {
            let mut row: Vec<Incidence> = row
                .iter()
                .map(|&(resource, numerator, denominator)| Incidence {
                    resource,
                    weight: numerator * (scales[resource as usize] / denominator),
                })
                .collect();
            row.sort_unstable_by_key(|incidence| incidence.resource);
            routes.push_row(row);
        }
        let workload = Workload {
            capacities: self
                .rates_bps
                .iter()
                .zip(&scales)
                .map(|(&rate, &scale)| u128::from(rate) * u128::from(scale))
                .collect(),
            scales,
            routes,
            latencies_ps: self.latencies_ps,
            software_ps: self.software_ps,
            op_routes: self.op_routes,
            op_sizes: self.op_sizes,
            sizes: self.sizes,
            starts_ps: self.starts_ps,
            depends_on: self.depends_on,
            follows: self.follows,
        };
        check_acyclic(&workload)?;
        Ok(workload)
    }
}

/// Edges that point backwards cannot form a cycle; only a user's own table can point forwards.
fn check_acyclic(workload: &Workload) -> Result<(), WorkloadError> {
    let n = workload.n_ops();
    let preds = |op: usize| {
        workload
            .depends_on
            .row(op)
            .iter()
            .chain(workload.follows.row(op))
    };
    if workload.edges_point_backwards() {
        return Ok(());
    }
    // Depth-first search over predecessors; a grey predecessor closes a cycle.
    let mut color = vec![0u8; n];
    for root in 0..n {
        if color[root] != 0 {
            continue;
        }
        let mut path: Vec<(usize, usize)> = vec![(root, 0)];
        color[root] = 1;
        while let Some((op, next)) = path.last_mut() {
            let Some(&pred) = preds(*op).nth(*next) else {
                color[*op] = 2;
                path.pop();
                continue;
            };
            *next += 1;
            let pred = pred as usize;
            match color[pred] {
                0 => {
                    color[pred] = 1;
                    path.push((pred, 0));
                }
                1 => {
                    let from = path.iter().position(|&(op, _)| op == pred).unwrap_or(0);
                    let mut ops: Vec<u32> = path[from..].iter().map(|&(op, _)| op as u32).collect();
                    ops.reverse();
                    return Err(WorkloadError::Cycle { ops });
                }
                _ => {}
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_scaled_by_the_common_denominator_of_its_shares() {
        let mut builder = WorkloadBuilder::default();
        let link = builder.resource(10);
        builder.route([(link, 1, 6)], 0, 0);
        builder.route([(link, 3, 4)], 0, 0);
        let workload = builder.build().unwrap();
        // lcm(6, 4) = 12: weights 2 and 9, capacity 120.
        assert_eq!(workload.capacities, [120]);
        assert_eq!(workload.routes.row(1)[0].weight, 2);
        assert_eq!(workload.routes.row(2)[0].weight, 9);
    }

    #[test]
    fn a_cycle_is_named_in_order() {
        let mut builder = WorkloadBuilder::default();
        builder.op(NO_ROUTE, (1, 1), 0, [2], []);
        builder.op(NO_ROUTE, (1, 1), 0, [0], []);
        builder.op(NO_ROUTE, (1, 1), 0, [], [1]);
        let WorkloadError::Cycle { ops } = builder.build().unwrap_err() else {
            panic!()
        };
        assert_eq!(ops, [1, 2, 0]);
    }
}
