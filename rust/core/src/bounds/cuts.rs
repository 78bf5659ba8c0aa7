//! Cuts: what the links at the border of a group of ranks can carry.
//!
//! The groups are the single ranks, the containers of the fabric (package, node, supernode) and the
//! two halves of the ranks in order. Which switches stand inside a border may be chosen freely, and
//! any choice gives a valid bound (max-flow min-cut, the easy half). For a container three are
//! tried and the least counts: all of its switches outside, all inside, and each one where fewer
//! bytes cross, which finds the narrow place where some planes are narrow at the ranks and others
//! above their switches. For the halves a switch stands with most of its neighbors.

use crate::fabric::{ContainerLevel, Fabric, Link};
use crate::ids::NodeId;

/// What the groups of a partition are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// Each rank is one.
    Rank,
    /// The containers of a level.
    Container(String),
    /// The first and the second half of the ranks.
    Half,
}

/// Ranks, and the bytes per second over their border.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) members: Vec<usize>,
    pub(super) leaving: u128,
    pub(super) entering: u128,
}

/// All ranks in at least two groups.
#[derive(Debug, Clone)]
pub(super) struct Partition {
    pub(super) kind: Kind,
    pub(super) groups: Vec<Group>,
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

/// All partitions of the ranks at these nodes.
pub(super) fn partitions(fabric: &Fabric, is_rank: &[bool], nodes: &[NodeId]) -> Vec<Partition> {
    let links = usable_links(fabric, is_rank);
    let mut all = vec![singles(&links, is_rank.len(), nodes)];
    for level in fabric.levels() {
        all.push(containers(level, &links, is_rank, nodes));
    }
    all.push(halves(&links, is_rank.len(), nodes));
    all.retain(|partition| partition.groups.len() > 1);
    all
}

/// Group per fabric node, where the node stands inside the border of one.
type Sides = Vec<Option<u32>>;

/// Bytes per second out of and into each of `n_groups`.
fn border(links: &[&Link], sides: &Sides, n_groups: usize) -> Vec<[u128; 2]> {
    let mut rates = vec![[0; 2]; n_groups];
    for link in links {
        let (from, to) = (sides[link.src.index()], sides[link.dst.index()]);
        if from == to {
            continue;
        }
        if let Some(group) = from {
            rates[group as usize][0] += u128::from(link.rate_Bps);
        }
        if let Some(group) = to {
            rates[group as usize][1] += u128::from(link.rate_Bps);
        }
    }
    rates
}

/// The groups that have ranks, each with the least of its borders.
fn partition(
    kind: Kind,
    nodes: &[NodeId],
    of_rank: impl Fn(NodeId) -> u32,
    borders: &[Vec<[u128; 2]>],
) -> Partition {
    let n_groups = borders.first().map_or(0, Vec::len);
    let least = |group: usize, way: usize| {
        let rates = borders.iter().map(|border| border[group][way]);
        rates.min().unwrap_or(0)
    };
    let mut groups: Vec<Group> = (0..n_groups)
        .map(|group| Group {
            members: Vec::new(),
            leaving: least(group, 0),
            entering: least(group, 1),
        })
        .collect();
    for (rank, node) in nodes.iter().enumerate() {
        groups[of_rank(*node) as usize].members.push(rank);
    }
    groups.retain(|group| !group.members.is_empty());
    Partition { kind, groups }
}

fn singles(links: &[&Link], n_nodes: usize, nodes: &[NodeId]) -> Partition {
    let mut sides: Sides = vec![None; n_nodes];
    for (rank, node) in nodes.iter().enumerate() {
        sides[node.index()] = Some(rank as u32);
    }
    let of_rank = |node: NodeId| sides[node.index()].expect("every rank has a node");
    let borders = [border(links, &sides, nodes.len())];
    partition(Kind::Rank, nodes, of_rank, &borders)
}

fn containers(
    level: &ContainerLevel,
    links: &[&Link],
    is_rank: &[bool],
    nodes: &[NodeId],
) -> Partition {
    let all = &level.container_of;
    // Per node and way (out of the container, into it): what would cross with it inside, and with
    // it outside. Only what happens to forwarding nodes is asked for.
    let mut costs = vec![[[0u128; 2]; 2]; all.len()];
    for link in links {
        let (src, dst) = (link.src.index(), link.dst.index());
        let rate = u128::from(link.rate_Bps);
        if all[src] == all[dst] {
            costs[dst][0][1] += if is_rank[src] { rate } else { 0 };
            costs[src][1][1] += if is_rank[dst] { rate } else { 0 };
        } else {
            costs[src][0][0] += rate;
            costs[dst][1][0] += rate;
        }
    }
    let chosen = |inside: &dyn Fn(usize) -> bool| -> Sides {
        let places = all.iter().enumerate();
        places
            .map(|(node, container)| container.filter(|_| is_rank[node] || inside(node)))
            .collect()
    };
    let is_cheaper_inside = |node: usize, way: usize| costs[node][way][0] < costs[node][way][1];
    let ways: [&dyn Fn(usize) -> bool; 4] = [
        &|_| false,
        &|_| true,
        &|node| is_cheaper_inside(node, 0),
        &|node| is_cheaper_inside(node, 1),
    ];
    let borders = ways.map(|inside| border(links, &chosen(inside), level.n_containers as usize));
    let of_rank = |node: NodeId| all[node.index()].expect("levels place every endpoint");
    partition(
        Kind::Container(level.name.clone()),
        nodes,
        of_rank,
        &borders,
    )
}

/// Rounds in which switches join the side of most of their neighbors: more than the levels of any
/// tree of switches.
const ROUNDS: usize = 4;

fn halves(links: &[&Link], n_nodes: usize, nodes: &[NodeId]) -> Partition {
    let mut sides: Sides = vec![None; n_nodes];
    let first = nodes.len().div_ceil(2);
    for (rank, node) in nodes.iter().enumerate() {
        sides[node.index()] = Some(u32::from(rank >= first));
    }
    let fixed = sides.clone();
    for _ in 0..ROUNDS {
        // Rate to and from the first half, less that of the second.
        let mut pull = vec![0i128; n_nodes];
        for link in links {
            for (node, other) in [(link.src, link.dst), (link.dst, link.src)] {
                pull[node.index()] += match sides[other.index()] {
                    Some(0) => i128::from(link.rate_Bps),
                    Some(_) => -i128::from(link.rate_Bps),
                    None => 0,
                };
            }
        }
        for (node, side) in sides.iter_mut().enumerate() {
            *side = match (fixed[node], pull[node]) {
                (Some(half), _) => Some(half),
                (None, 0) => *side,
                (None, pull) => Some(u32::from(pull < 0)),
            };
        }
    }
    let of_rank = |node: NodeId| fixed[node.index()].expect("every rank has a half");
    partition(Kind::Half, nodes, of_rank, &[border(links, &sides, 2)])
}
