//! Lower bounds: how fast any algorithm and any routing could be on this fabric.
//!
//! *Cuts*: bytes that must leave or enter a group of ranks do so over the links at its border,
//! whatever the schedule (the easy half of max-flow min-cut). Groups are the single ranks and the
//! containers of the fabric (package, node, supernode), each with and without its switches.
//! *Contraction* for all-reduce: give every group of a level one rank; each of the N groups holds
//! a contribution to every byte, combining them takes N-1 messages per byte and telling everybody
//! the result another N-1, so 2(N-1)S bytes cross the borders (Patarasuk and Yuan 2009, theorem 1,
//! for equal groups: 2(N-1)/N * S per group). *Latency*: the largest zero-load latency between two
//! ranks that must exchange data, over any path, other ranks of the team relaying.
//!
//! Everything is an exact fraction rounded up to the picosecond, as a simulated time is.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rustc_hash::FxHashMap;

use crate::collective::Collective;
use crate::engine::number::{Ambiguity, Number, Pair};
use crate::engine::workload::Workload;
use crate::fabric::{Bundles, ContainerLevel, Fabric, Link};
use crate::ids::{ClassId, NodeId};

/// Destinations from which the latency bound is taken. Any subset of pairs gives a bound; on the
/// regular fabrics of the presets the first and last rank already give the largest latency.
const LATENCY_DESTINATIONS: usize = 8;

const PS_PER_S: u128 = 1_000_000_000_000;

/// What a collective must move, without saying how.
#[derive(Debug, Clone)]
pub struct Demand<'a> {
    /// The collective.
    pub collective: Collective,
    /// The fabric node of each rank.
    pub nodes: &'a [NodeId],
    /// The root of a rooted collective.
    pub root: usize,
    /// What there is to move.
    pub volume: Volume,
}

/// The bytes of a demand.
#[derive(Debug, Clone)]
pub enum Volume {
    /// A vector of bytes in blocks, one per rank where the collective has blocks: each block's size
    /// in units of 1/n byte, so that equal parts of any size are exact.
    Blocks(Vec<u128>),
    /// Bytes from row to column, row major (all-to-all-v).
    Counts(Vec<u64>),
    /// Nothing but signals.
    Signals,
}

impl Volume {
    /// `size_bytes` in equal parts for `n` ranks.
    pub fn equal(size_bytes: u64, n: usize) -> Self {
        Self::Blocks(vec![u128::from(size_bytes); n])
    }
}

/// The lower bound and what gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// No algorithm and no routing is faster.
    pub time_ps: u128,
    /// "the links out of node03", "the latency from A to B", or "nothing to do".
    pub binding: String,
}

/// Links a schedule of these ranks could use: live, ordinary, and no end at a stranger's node.
pub fn usable_links<'a>(fabric: &'a Fabric, is_rank: &[bool]) -> Vec<&'a Link> {
    let open = |node: NodeId| fabric.node(node).kind.forwards() || is_rank[node.index()];
    fabric
        .links()
        .iter()
        .filter(|link| link.is_usable() && open(link.src) && open(link.dst))
        .collect()
}

/// One partition of the ranks into groups, with the fabric nodes inside each group's border.
struct Groups<'a> {
    /// Group per fabric node.
    of_node: Vec<Option<u32>>,
    count: usize,
    /// The level whose containers the groups are; none where each rank is one.
    level: Option<&'a ContainerLevel>,
}

/// Bytes per second over each group's border, and the ranks inside.
struct Border {
    leaving: Vec<u128>,
    entering: Vec<u128>,
    members: Vec<Vec<usize>>,
}

impl Groups<'_> {
    fn border(&self, links: &[&Link], nodes: &[NodeId]) -> Border {
        let mut border = Border {
            leaving: vec![0; self.count],
            entering: vec![0; self.count],
            members: vec![Vec::new(); self.count],
        };
        for link in links {
            let (from, to) = (
                self.of_node[link.src.index()],
                self.of_node[link.dst.index()],
            );
            if from == to {
                continue;
            }
            if let Some(group) = from {
                border.leaving[group as usize] += u128::from(link.rate_Bps);
            }
            if let Some(group) = to {
                border.entering[group as usize] += u128::from(link.rate_Bps);
            }
        }
        for (rank, node) in nodes.iter().enumerate() {
            let group = self.of_node[node.index()].expect("every rank is in a group");
            border.members[group as usize].push(rank);
        }
        border
    }

    /// The group by its first rank: "node03/die05", or "the package of node03/die04".
    fn name(&self, fabric: &Fabric, nodes: &[NodeId], members: &[usize]) -> String {
        let first = &fabric.node(nodes[members[0]]).name;
        match self.level {
            Some(level) => format!("the {} of {first}", level.name),
            None => first.clone(),
        }
    }
}

fn all_groups<'a>(fabric: &'a Fabric, is_rank: &[bool], nodes: &[NodeId]) -> Vec<Groups<'a>> {
    let mut single = vec![None; fabric.nodes().len()];
    for (rank, node) in nodes.iter().enumerate() {
        single[node.index()] = Some(rank as u32);
    }
    let mut groups = vec![Groups {
        of_node: single,
        count: nodes.len(),
        level: None,
    }];
    for level in fabric.levels() {
        let containers = level.container_of.iter();
        let ranks_only = containers
            .zip(is_rank)
            .map(|(container, &is_rank)| container.filter(|_| is_rank))
            .collect();
        for of_node in [ranks_only, level.container_of.clone()] {
            groups.push(Groups {
                of_node,
                count: level.n_containers as usize,
                level: Some(level),
            });
        }
    }
    groups
}

/// The largest of all bounds; a demand of one rank or of nothing takes no time.
pub fn bound(fabric: &Fabric, demand: &Demand) -> Bound {
    let n = demand.nodes.len();
    let mut best = Bound {
        time_ps: 0,
        binding: "nothing to do".to_owned(),
    };
    if n < 2 || demand.is_empty() {
        return best;
    }
    let mut is_rank = vec![false; fabric.nodes().len()];
    for node in demand.nodes {
        is_rank[node.index()] = true;
    }
    let mut consider = |bytes: u128, per: u128, rate: u128, what: &dyn Fn() -> String| {
        // `bytes` is in units of 1/per byte.
        if rate > 0 && bytes > 0 {
            let time_ps = (bytes * PS_PER_S).div_ceil(per * rate);
            if time_ps > best.time_ps {
                best = Bound {
                    time_ps,
                    binding: what(),
                };
            }
        }
    };
    let links = usable_links(fabric, &is_rank);
    for groups in all_groups(fabric, &is_rank, demand.nodes) {
        let border = groups.border(&links, demand.nodes);
        let name = |group: usize| groups.name(fabric, demand.nodes, &border.members[group]);
        let occupied: Vec<usize> = (0..groups.count)
            .filter(|&g| !border.members[g].is_empty())
            .collect();
        if occupied.len() < 2 {
            continue;
        }
        for &group in &occupied {
            let (out, into, per) = demand.crossing(&border.members[group]);
            consider(out, per, border.leaving[group], &|| {
                format!("the links out of {}", name(group))
            });
            consider(into, per, border.entering[group], &|| {
                format!("the links into {}", name(group))
            });
        }
        if demand.collective == Collective::AllReduce {
            let (total, per) = demand.total();
            let messages = 2 * (occupied.len() as u128 - 1) * total;
            let leaving: u128 = occupied.iter().map(|&g| border.leaving[g]).sum();
            let entering: u128 = occupied.iter().map(|&g| border.entering[g]).sum();
            consider(messages, per, leaving, &|| {
                format!("the links out of {} and its peers", name(occupied[0]))
            });
            consider(messages, per, entering, &|| {
                format!("the links into {} and its peers", name(occupied[0]))
            });
        }
    }
    let latency = latency_bound(fabric, demand, &is_rank);
    if latency.time_ps > best.time_ps {
        latency
    } else {
        best
    }
}

impl Demand<'_> {
    fn is_empty(&self) -> bool {
        match &self.volume {
            Volume::Blocks(blocks) => blocks.iter().all(|&block| block == 0),
            Volume::Counts(counts) => counts.iter().all(|&count| count == 0),
            Volume::Signals => false,
        }
    }

    /// All bytes of the vector, in units of the second value's inverse.
    fn total(&self) -> (u128, u128) {
        match &self.volume {
            Volume::Blocks(blocks) => (blocks.iter().sum(), self.nodes.len() as u128),
            Volume::Counts(counts) => (counts.iter().map(|&c| u128::from(c)).sum(), 1),
            Volume::Signals => (0, 1),
        }
    }

    /// Bytes that must leave and enter a group of ranks, in units of 1/third-value byte.
    fn crossing(&self, members: &[usize]) -> (u128, u128, u128) {
        use Collective::{
            AllGather, AllReduce, AllToAll, Barrier, Broadcast, Gather, Reduce, ReduceScatter,
            Scatter, SendRecv,
        };
        let blocks = match &self.volume {
            Volume::Counts(counts) => {
                let (out, into) = self.crossing_counts(counts, members);
                return (out, into, 1);
            }
            Volume::Signals => return (0, 0, 1),
            Volume::Blocks(blocks) => blocks,
        };
        let n = self.nodes.len() as u128;
        let total: u128 = blocks.iter().sum();
        let own: u128 = members.iter().map(|&rank| blocks[rank]).sum();
        let has_root = members.contains(&self.root);
        let (out, into) = match self.collective {
            AllReduce => (total, total),
            AllGather => (own, total - own),
            ReduceScatter => (total - own, own),
            // Each rank sends one block of S/n to every rank: m (n-m) blocks cross either way.
            AllToAll => {
                let crossing = own * (n - members.len() as u128);
                return (crossing, crossing, n);
            }
            Broadcast | SendRecv if has_root => (total, 0),
            Broadcast | SendRecv => (0, total),
            Reduce if has_root => (0, total),
            Reduce => (total, 0),
            Scatter if has_root => (total - own, 0),
            Scatter => (0, own),
            Gather if has_root => (0, total - own),
            Gather => (own, 0),
            Barrier => (0, 0),
        };
        (out, into, n)
    }

    fn crossing_counts(&self, counts: &[u64], members: &[usize]) -> (u128, u128) {
        let n = self.nodes.len();
        let mut inside = vec![false; n];
        for &member in members {
            inside[member] = true;
        }
        let (mut out, mut into) = (0, 0);
        for &member in members {
            for peer in (0..n).filter(|&peer| !inside[peer]) {
                out += u128::from(counts[member * n + peer]);
                into += u128::from(counts[peer * n + member]);
            }
        }
        (out, into)
    }

    /// Whether rank `src` has something that rank `dst` must learn.
    fn exchanges(&self, src: usize, dst: usize) -> bool {
        if src == dst {
            return false;
        }
        match (&self.volume, self.collective) {
            (Volume::Counts(counts), _) => counts[src * self.nodes.len() + dst] > 0,
            (_, Collective::Broadcast | Collective::Scatter | Collective::SendRecv) => {
                src == self.root
            }
            (_, Collective::Reduce | Collective::Gather) => dst == self.root,
            _ => true,
        }
    }
}

/// The largest zero-load latency from any rank to some of the ranks that must hear of it.
fn latency_bound(fabric: &Fabric, demand: &Demand, is_rank: &[bool]) -> Bound {
    let n = demand.nodes.len();
    let mut destinations: Vec<usize> = (0..LATENCY_DESTINATIONS)
        .map(|k| k * (n - 1) / (LATENCY_DESTINATIONS - 1))
        .collect();
    destinations.push(demand.root);
    destinations.sort_unstable();
    destinations.dedup();
    let mut best = Bound {
        time_ps: 0,
        binding: "nothing to do".to_owned(),
    };
    for dst in destinations {
        let latencies = latencies_to(fabric, demand.nodes[dst], is_rank);
        for src in (0..n).filter(|&src| demand.exchanges(src, dst)) {
            let latency = latencies(demand.nodes[src]);
            if let Some(latency) = latency.filter(|&latency| u128::from(latency) > best.time_ps) {
                let name = |rank: usize| fabric.node(demand.nodes[rank]).name.clone();
                best = Bound {
                    time_ps: latency.into(),
                    binding: format!("the latency from {} to {}", name(src), name(dst)),
                };
            }
        }
    }
    best
}

/// Least latency from each node to `dst` over live ordinary links, switches and ranks forwarding
/// (Dijkstra on the bundles, backwards).
fn latencies_to<'a>(
    fabric: &'a Fabric,
    dst: NodeId,
    is_rank: &[bool],
) -> impl Fn(NodeId) -> Option<u64> + use<'a> {
    let bundles: &Bundles = fabric.bundles();
    let open = |class: ClassId| {
        let mut members = bundles.members(class).iter();
        bundles.kind(class).forwards() || members.any(|node| is_rank[node.index()])
    };
    let mut least = vec![None; bundles.n_classes()];
    let mut heap = BinaryHeap::from([Reverse((0u64, bundles.class(dst)))]);
    while let Some(Reverse((latency, class))) = heap.pop() {
        if least[class.index()].is_some() {
            continue;
        }
        least[class.index()] = Some(latency);
        for hop in bundles.inward(class) {
            if least[hop.other.index()].is_none() && open(hop.other) {
                heap.push(Reverse((latency + hop.latency_ps, hop.other)));
            }
        }
    }
    move |node| least[bundles.class(node).index()]
}

/// How fast this schedule on these routes could be: the heaviest resource, and the longest chain
/// of operations each served alone.
pub fn route_bound_ps(workload: &Workload) -> u128 {
    let heaviest = heaviest_resource(workload);
    let chain = critical_path(workload);
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
    for (total, &capacity) in work.iter_mut().zip(&workload.capacities) {
        let capacity = Pair::from_int(capacity);
        *total = total.div(&capacity, &capacity.reciprocal());
    }
    work
}

fn heaviest_resource(workload: &Workload) -> Pair {
    let mut ambiguity = Ambiguity::default();
    resource_times(workload)
        .into_iter()
        .fold(Pair::zero(), |a, b| ambiguity.max(a, b))
}

/// The time an operation takes alone: its bytes over the tightest resource of its route.
pub fn alone_ps(workload: &Workload, op: usize) -> Pair {
    let (numerator, denominator) = workload.size(op);
    let bytes = Pair::from_ratio(numerator * PS_PER_S, denominator);
    let mut ambiguity = Ambiguity::default();
    workload
        .routes
        .row(workload.op_routes[op] as usize)
        .iter()
        .fold(Pair::zero(), |slowest, i| {
            let capacity = Pair::from_int(workload.capacities[i.resource as usize]);
            let time = bytes
                .mul_int(i.weight)
                .div(&capacity, &capacity.reciprocal());
            ambiguity.max(slowest, time)
        })
}

/// The last arrival if every operation ran alone: predecessors before successors, one pass.
fn critical_path(workload: &Workload) -> Pair {
    let whole = |times: &[u64]| -> Vec<Pair> {
        let each = times.iter().map(|&ps| Pair::from_int(ps.into()));
        each.collect()
    };
    let (latencies, software) = (whole(&workload.latencies_ps), whole(&workload.software_ps));
    let mut alone: FxHashMap<(u32, u32), Pair> = FxHashMap::default();
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
        let time = alone
            .entry((workload.op_routes[op], workload.op_sizes[op]))
            .or_insert_with(|| alone_ps(workload, op));
        let served = ready.add(time);
        let arrived = served.add(&latencies[route]);
        times[op] = [served, arrived];
        last = ambiguity.max(last, arrived);
    }
    last
}
