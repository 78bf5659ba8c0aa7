//! Lower bounds: how fast any algorithm and any routing could be on this fabric.
//!
//! *Cuts* ([`cuts`]): bytes that must leave or enter a group of ranks do so over the links at its
//! border, whatever the schedule. *Contraction*: give every group of a partition one rank. What
//! enters the groups must have left others, so that all of it crosses the borders taken together;
//! and for all-reduce each of the N groups holds a contribution to every byte, combining them takes
//! N-1 messages per byte and telling everybody the result another N-1, so 2(N-1)S bytes cross
//! (Patarasuk and Yuan 2009, theorem 1, for equal groups: 2(N-1)/N * S per group). *Reduction*: n
//! contributions to a byte take n-1 additions, whoever does them. Where switches reduce and
//! multicast, one message may have been many or become many, so that neither contraction nor
//! reduction bounds anything, and what enters all groups need not have left them. *Latency*: the largest zero-load
//! latency between two ranks that must exchange data.
//!
//! Everything is an exact fraction rounded up to the picosecond, as a simulated time is. What does
//! not depend on the demand is kept in the fabric's memo.

mod cuts;
mod demand;
mod joint;
mod latency;
mod line;
mod route;

pub use cuts::usable_links;
pub use demand::{Demand, Volume};
pub use joint::joint_path_ps;
pub use line::{Line, is_less};
pub use route::{resource_times, route_bound_ps};

use std::sync::Arc;

use crate::collective::Collective;
use crate::fabric::Fabric;
use crate::ids::NodeId;
use cuts::{Group, Kind, Partition, partitions};
use latency::Latencies;

const PS_PER_S: u128 = 1_000_000_000_000;

/// The lower bound and what gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// No algorithm and no routing is faster.
    pub time_ps: u128,
    /// "the links out of node03", "the latency from A to B", or "nothing to do".
    pub binding: String,
}

impl Bound {
    fn none() -> Self {
        Self {
            time_ps: 0,
            binding: "nothing to do".to_owned(),
        }
    }

    /// Takes the place of a lower bound; of equals the first stays.
    fn raise(&mut self, time_ps: u128, binding: impl FnOnce() -> String) {
        if time_ps > self.time_ps {
            *self = Self {
                time_ps,
                binding: binding(),
            };
        }
    }
}

/// What bounds ranks at given nodes, whatever they do.
#[derive(Debug)]
struct Limits {
    is_rank: Vec<bool>,
    partitions: Vec<Partition>,
    latencies: Vec<Latencies>,
    /// Bytes per second that all ranks together can reduce, if each has a limit.
    reduction: Option<u128>,
}

impl Limits {
    fn of(fabric: &Fabric, nodes: &[NodeId]) -> Arc<Self> {
        fabric.memo(nodes, || {
            let mut is_rank = vec![false; fabric.nodes().len()];
            for node in nodes {
                is_rank[node.index()] = true;
            }
            let rates = nodes.iter().map(|node| fabric.reduction_rate_Bps(*node));
            Self {
                partitions: partitions(fabric, &is_rank, nodes),
                latencies: latency::to_some(fabric, nodes, &is_rank),
                reduction: rates.map(|rate| rate.map(u128::from)).sum(),
                is_rank,
            }
        })
    }
}

/// The largest of all bounds; a demand of one rank or of nothing takes no time.
pub fn bound(fabric: &Fabric, demand: &Demand) -> Bound {
    let mut best = Bound::none();
    if demand.nodes.len() >= 2 && !demand.is_empty() {
        each_limit(fabric, demand, &mut |limit, binding| {
            best.raise(limit.time_ps(), binding);
        });
    }
    best
}

/// What holds a demand back.
#[derive(Debug, Clone, Copy)]
enum Limit {
    /// `bytes`, in units of 1/`per` byte, at `rate` bytes per second; a rate of 0 is none.
    Serial { bytes: u128, per: u128, rate: u128 },
    /// The first byte's time in picoseconds.
    Latency(u64),
}

impl Limit {
    fn time_ps(self) -> u128 {
        match self {
            Self::Serial { rate: 0, .. } => 0,
            Self::Serial { bytes, per, rate } => (bytes * PS_PER_S).div_ceil(per * rate),
            Self::Latency(ps) => ps.into(),
        }
    }
}

/// Who is told of a limit, and of the words for it.
type Visit<'a> = dyn FnMut(Limit, &dyn Fn() -> String) + 'a;

/// Tells of every limit of a demand, in a fixed order.
fn each_limit(fabric: &Fabric, demand: &Demand, visit: &mut Visit) {
    let limits = Limits::of(fabric, demand.nodes);
    for partition in &limits.partitions {
        each_cut(fabric, demand, partition, visit);
    }
    if !fabric.has_in_network() {
        reduction(demand, &limits, visit);
    }
    each_latency(fabric, demand, &limits, visit);
}

fn each_cut(fabric: &Fabric, demand: &Demand, partition: &Partition, visit: &mut Visit) {
    let name = |group: &Group| {
        let first = &fabric.node(demand.nodes[group.members[0]]).name;
        match &partition.kind {
            Kind::Rank => first.clone(),
            Kind::Container(level) => format!("the {level} of {first}"),
            Kind::Half => format!("the half of {first}"),
        }
    };
    let serial = |bytes, per, rate| Limit::Serial { bytes, per, rate };
    let (total, _) = demand.total();
    let (mut all_out, mut all_into, mut per) = (0, 0, 1);
    for group in &partition.groups {
        let (out, into, unit) = demand.crossing(&group.members, total);
        visit(serial(out, unit, group.leaving), &|| {
            format!("the links out of {}", name(group))
        });
        visit(serial(into, unit, group.entering), &|| {
            format!("the links into {}", name(group))
        });
        (all_out, all_into, per) = (all_out + out, all_into + into, unit);
    }
    if !fabric.has_in_network() {
        let mut messages = all_out.max(all_into);
        if demand.collective == Collective::AllReduce {
            messages = messages.max(2 * (partition.groups.len() as u128 - 1) * total);
        }
        (all_out, all_into) = (messages, messages);
    }
    let leaving = partition.groups.iter().map(|group| group.leaving).sum();
    let entering = partition.groups.iter().map(|group| group.entering).sum();
    let first = &partition.groups[0];
    visit(serial(all_out, per, leaving), &|| {
        format!("the links out of {} and its peers", name(first))
    });
    visit(serial(all_into, per, entering), &|| {
        format!("the links into {} and its peers", name(first))
    });
}

fn reduction(demand: &Demand, limits: &Limits, visit: &mut Visit) {
    use Collective::{AllReduce, Reduce, ReduceScatter};
    let reduces = matches!(demand.collective, AllReduce | Reduce | ReduceScatter);
    if let Some(rate) = limits.reduction.filter(|_| reduces) {
        let (total, per) = demand.total();
        let bytes = (demand.nodes.len() as u128 - 1) * total;
        visit(Limit::Serial { bytes, per, rate }, &|| {
            "the reduction units of all ranks".to_owned()
        });
    }
}

fn each_latency(fabric: &Fabric, demand: &Demand, limits: &Limits, visit: &mut Visit) {
    let root = demand.root;
    let is_known = limits.latencies.iter().any(|to| to.dst == root);
    let to_root = (!is_known).then(|| latency::to(fabric, demand.nodes, &limits.is_rank, root));
    for to in limits.latencies.iter().chain(&to_root) {
        for (src, latency) in to.from.iter().enumerate() {
            if let Some(latency) = latency.filter(|_| demand.exchanges(src, to.dst)) {
                let name = |rank: usize| &fabric.node(demand.nodes[rank]).name;
                visit(Limit::Latency(latency), &|| {
                    format!("the latency from {} to {}", name(src), name(to.dst))
                });
            }
        }
    }
}
