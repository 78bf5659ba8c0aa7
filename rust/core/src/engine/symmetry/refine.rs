//! The coarsest partition of operations and resources in which equals see equals.
//!
//! Color refinement (the one-dimensional Weisfeiler-Leman algorithm): an operation's color is a
//! hash of its size, start, latency and software cost, of the *set* of colors on its route and of
//! the *sets* of colors of its predecessors; a resource's color is a hash of its capacity and of
//! the total weight that it carries of each operation color. Rounds repeat until no class splits.
//! Where routes change at a time, each phase adds its colors and its weights.
//! Operations are visited in topological order and see the new colors of their predecessors, so a
//! chain of a thousand steps needs a few rounds, not a thousand.
//!
//! Hashes only propose. [`super::quotient`] checks the proposal without them, and says why such a
//! partition loses nothing.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::engine::workload::Workload;

/// Below this many operations the event engine is through before a partition is found.
const MIN_OPS: usize = 48;

/// Rounds after which the search ends without a partition. Each round of a collective on the
/// fabrics of the presets reaches a hop further; the deepest seen needs 6.
const MAX_ROUNDS: usize = 64;

/// Classes of operations and of resources, numbered from 0 without gaps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Class per operation; no class comes before those of its predecessors.
    pub op_classes: Vec<u32>,
    /// Class per resource.
    pub resource_classes: Vec<u32>,
}

impl Partition {
    /// Number of operation classes.
    pub fn n_op_classes(&self) -> usize {
        n_classes(&self.op_classes)
    }

    /// Number of resource classes.
    pub fn n_resource_classes(&self) -> usize {
        n_classes(&self.resource_classes)
    }
}

fn n_classes(classes: &[u32]) -> usize {
    classes.iter().max().map_or(0, |&last| last as usize + 1)
}

/// Proposes the coarsest equitable partition; `None` where it would leave more than half of the
/// operations, so that its quotient does not pay.
pub fn refine(workload: &Workload) -> Option<Partition> {
    let n = workload.n_ops();
    if n < MIN_OPS {
        return None;
    }
    let order = workload.topological_order();
    let mut colors = Colors::new(workload);
    let mut n_before = (0, 0);
    for _ in 0..MAX_ROUNDS {
        colors.round(&order);
        let now = (n_distinct(&colors.ops), n_distinct(&colors.resources));
        if 2 * now.0 > n {
            return None;
        }
        if now == n_before {
            return Some(colors.partition(&order));
        }
        n_before = now;
    }
    None
}

/// Colors of one round.
struct Colors<'w> {
    workload: &'w Workload,
    ops: Vec<u64>,
    resources: Vec<u64>,
    /// Scratch per route: the set of its colors, then the sum over its operations.
    routes: Vec<u64>,
    scratch: Vec<u64>,
}

impl<'w> Colors<'w> {
    fn new(workload: &'w Workload) -> Self {
        let ops = (0..workload.n_ops()).map(|op| {
            let own = [workload.op_sizes[op].into(), workload.start_ps(op)];
            let routes = workload.phases().map(|routes| routes[op] as usize);
            let costs = routes.flat_map(|r| [workload.latencies_ps[r], workload.software_ps[r]]);
            own.into_iter().chain(costs).fold(0, chain)
        });
        let resources = workload
            .capacities
            .iter()
            .map(|&capacity| chain(capacity as u64, (capacity >> 64) as u64));
        Self {
            ops: ops.collect(),
            resources: resources.collect(),
            routes: vec![0; workload.routes.n_rows()],
            scratch: Vec::new(),
            workload,
        }
    }

    fn round(&mut self, order: &[u32]) {
        let workload = self.workload;
        for (route, row) in workload.routes.rows().enumerate() {
            let colors = row.iter().map(|i| self.resources[i.resource as usize]);
            self.routes[route] = of_set(&mut self.scratch, colors);
        }
        for &op in order {
            let op = op as usize;
            let routes = workload.phases().map(|routes| routes[op] as usize);
            let mut color = routes.fold(self.ops[op], |c, route| chain(c, self.routes[route]));
            for preds in [workload.depends_on.row(op), workload.follows.row(op)] {
                let colors = preds.iter().map(|&pred| self.ops[pred as usize]);
                color = chain(color, of_set(&mut self.scratch, colors));
            }
            self.ops[op] = color;
        }
        // Sums of hashes times weights: equal totals per color give equal sums.
        for op_routes in workload.phases() {
            self.routes.fill(0);
            for (&route, &color) in op_routes.iter().zip(&self.ops) {
                let sum = &mut self.routes[route as usize];
                *sum = sum.wrapping_add(mix(color));
            }
            let mut loads = vec![0u64; self.resources.len()];
            for (row, &sum) in workload.routes.rows().zip(&self.routes) {
                for incidence in row {
                    let load = &mut loads[incidence.resource as usize];
                    *load = load.wrapping_add(sum.wrapping_mul(incidence.weight));
                }
            }
            for (color, load) in self.resources.iter_mut().zip(loads) {
                *color = chain(*color, load);
            }
        }
    }

    fn partition(&self, order: &[u32]) -> Partition {
        let mut op_classes = vec![0; self.ops.len()];
        let mut class_of = FxHashMap::default();
        for &op in order {
            op_classes[op as usize] = class(&mut class_of, self.ops[op as usize]);
        }
        class_of.clear();
        let resource_classes = self
            .resources
            .iter()
            .map(|&color| class(&mut class_of, color))
            .collect();
        Partition {
            op_classes,
            resource_classes,
        }
    }
}

/// The class of a color, numbered in the order of first sight.
fn class(class_of: &mut FxHashMap<u64, u32>, color: u64) -> u32 {
    let next = class_of.len() as u32;
    *class_of.entry(color).or_insert(next)
}

fn n_distinct(colors: &[u64]) -> usize {
    colors.iter().collect::<FxHashSet<_>>().len()
}

/// Hash of the set of some colors.
fn of_set(scratch: &mut Vec<u64>, colors: impl Iterator<Item = u64>) -> u64 {
    scratch.clear();
    scratch.extend(colors);
    if scratch.len() > 1 {
        scratch.sort_unstable();
        scratch.dedup();
    }
    scratch.iter().copied().fold(0, chain)
}

fn chain(before: u64, next: u64) -> u64 {
    mix(before ^ mix(next).rotate_left(23))
}

/// The finalizer of splitmix64 (Steele, Lea, Flood 2014) on the next state.
fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
