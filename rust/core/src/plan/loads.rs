//! How a planned schedule loads its resources: in proportion to the size.

use num_integer::Integer;

use super::Plan;
use crate::bounds::is_less;
use crate::schedule::ChunkSizes;

const PS_PER_S: u128 = 1_000_000_000_000;

/// The time that each resource needs at least for what it carries, per byte of the collective.
#[derive(Debug)]
pub struct Loads {
    ps_per_byte: Vec<f64>,
    heaviest: Option<usize>,
}

impl Loads {
    pub(super) fn of(plan: &Plan) -> Self {
        let workload = &plan.placement.workload;
        let mut work = vec![0u128; workload.capacities.len()];
        for op in 0..workload.n_ops() {
            let chunks = u128::from(plan.chunks_of_size[workload.op_sizes[op] as usize]);
            for incidence in workload.route(op) {
                work[incidence.resource as usize] += chunks * u128::from(incidence.weight);
            }
        }
        let mut times = Vec::with_capacity(work.len());
        for (&work, &capacity) in work.iter().zip(&workload.capacities) {
            let common = work.gcd(&capacity);
            times.push((work / common, capacity / common));
        }
        let resources = &plan.placement.resources;
        let mut heaviest: Option<usize> = None;
        for (resource, &time) in times.iter().enumerate().filter(|(_, time)| time.0 > 0) {
            let is_heavier = heaviest.is_none_or(|best| {
                is_less(times[best], time)
                    || times[best] == time && resources[resource] < resources[best]
            });
            if is_heavier {
                heaviest = Some(resource);
            }
        }
        let n_chunks = match plan.orbits.representatives().sizes() {
            ChunkSizes::Equal { n_chunks, .. } => f64::from(*n_chunks),
            ChunkSizes::Each { .. } => unreachable!("a plan has equal chunks"),
        };
        let per_byte =
            |(work, capacity)| work as f64 / (capacity as f64 * n_chunks) * PS_PER_S as f64;
        Self {
            ps_per_byte: times.into_iter().map(per_byte).collect(),
            heaviest,
        }
    }

    /// The time of every resource at a size of the collective, in picoseconds.
    pub fn at(&self, size_bytes: u64) -> impl Iterator<Item = f64> + '_ {
        let each = self.ps_per_byte.iter();
        each.map(move |ps_per_byte| size_bytes as f64 * ps_per_byte)
    }

    /// The resource that needs the longest, of several the first link, or the first reduction unit;
    /// none where nothing is loaded.
    pub fn heaviest(&self) -> Option<usize> {
        self.heaviest
    }

    /// The time of one resource at a size of the collective, in picoseconds.
    pub fn of_resource(&self, resource: usize, size_bytes: u64) -> f64 {
        size_bytes as f64 * self.ps_per_byte[resource]
    }
}
