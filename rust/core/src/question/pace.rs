//! The pace of a fabric: the least that one transfer costs, between whichever of its ranks.
//!
//! With it the floor of an algorithm, which knows no fabric, becomes a lower bound on its time.

use crate::algorithms::Floor;
use crate::bounds::usable_links;
use crate::fabric::{Fabric, Link};
use crate::ids::NodeId;

const PS_PER_S: u128 = 1_000_000_000_000;

/// The least latency and the highest rates among the ranks of a team.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pace {
    /// Software cost and latency of the nearest pair.
    hop_ps: u64,
    /// Bytes per second of one transfer: over one direct link, or all links of a rank to switches.
    hop_bps: u128,
    /// Bytes per second of one rank: all links out of it, or into it.
    rank_bps: u128,
}

impl Pace {
    /// The pace of the ranks at these nodes.
    pub(super) fn of(fabric: &Fabric, nodes: &[NodeId]) -> Self {
        *fabric.memo(nodes, || Self::measured(fabric, nodes))
    }

    fn measured(fabric: &Fabric, nodes: &[NodeId]) -> Self {
        let mut is_rank = vec![false; fabric.nodes().len()];
        for node in nodes {
            is_rank[node.index()] = true;
        }
        let forwards = |node: NodeId| fabric.node(node).kind.forwards();
        let links = usable_links(fabric, &is_rank);
        let (direct, others): (Vec<&Link>, Vec<&Link>) = links
            .into_iter()
            .filter(|link| !forwards(link.src) || !forwards(link.dst))
            .partition(|link| !forwards(link.src) && !forwards(link.dst));
        // A path is one direct link, or leaves a rank for a switch and enters a rank from a switch.
        let latency = |links: &mut dyn Iterator<Item = &&Link>| links.map(|l| l.latency_ps).min();
        let up = latency(&mut others.iter().filter(|link| forwards(link.dst)));
        let down = latency(&mut others.iter().filter(|link| forwards(link.src)));
        let switched = up.zip(down).map(|(up, down)| up + down);
        let nearest = latency(&mut direct.iter()).into_iter().chain(switched);
        // Rates out of and into each node.
        let mut rates = vec![[0u128; 2]; is_rank.len()];
        let add = |rates: &mut Vec<[u128; 2]>, link: &Link| {
            rates[link.src.index()][0] += u128::from(link.rate_Bps);
            rates[link.dst.index()][1] += u128::from(link.rate_Bps);
        };
        let most = |rates: &[[u128; 2]]| {
            let of_ranks = nodes.iter().flat_map(|node| rates[node.index()]);
            of_ranks.max().unwrap_or(0)
        };
        for link in &others {
            add(&mut rates, link);
        }
        let fastest = direct.iter().map(|link| u128::from(link.rate_Bps)).max();
        let hop_bps = most(&rates).max(fastest.unwrap_or(0));
        for link in &direct {
            add(&mut rates, link);
        }
        Self {
            hop_ps: fabric.software_ps() + nearest.min().unwrap_or(0),
            hop_bps,
            rank_bps: most(&rates),
        }
    }

    /// No schedule with this floor ends earlier, if its first rank enters at `start_ps`.
    pub(super) fn floor_ps(&self, floor: &Floor, start_ps: u64) -> u64 {
        let serial = |bytes: u64, rate: u128| match rate {
            0 => 0,
            rate => (u128::from(bytes) * PS_PER_S).div_ceil(rate),
        };
        let hop_ps = u128::from(self.hop_ps);
        let chain = u128::from(floor.hops) * hop_ps + serial(floor.hop_bytes, self.hop_bps);
        let through = match floor.bytes {
            0 => 0,
            bytes => hop_ps + serial(bytes, self.rank_bps),
        };
        let time_ps = u128::from(start_ps) + chain.max(through);
        u64::try_from(time_ps).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fabric::{Params, presets};

    #[test]
    fn the_pace_of_cm384_is_that_of_its_nearest_pair_and_of_all_ports_of_a_die() {
        let fabric = presets::lookup("cm384")
            .unwrap()
            .build(&Params::new())
            .unwrap();
        let pace = |endpoints: &[u32]| Pace::of(&fabric, &fabric.rank_nodes(endpoints).unwrap());
        let floor = |hops, bytes| Floor::new(hops, bytes, 1, 1);
        // Dies of one package are a link apart, those of one node a switch: 0.85 us of software
        // and 0.35 us through the switch (`design/model.md`).
        let (package, node) = (pace(&[0, 1]), pace(&[0, 2]));
        assert!(package.floor_ps(&floor(1, 0), 0) < node.floor_ps(&floor(1, 0), 0));
        assert_eq!(node.floor_ps(&floor(3, 0), 7), 3 * 1_200_000 + 7);
        // 7 planes of 28 GB/s: 196 MB take 1 ms; in a row they add to the hops.
        assert_eq!(node.floor_ps(&floor(1, 196_000_000), 0), 1_001_200_000);
        let row = floor(2, 0).in_a_row(196_000_000, 1, 1);
        assert_eq!(node.floor_ps(&row, 0), 1_002_400_000);
    }
}
