//! What a data sheet says of a fabric: counts, rates per endpoint and in all, bisection, hops.

use super::element::NodeKind;
use super::flow::max_flow;
use super::graph::Fabric;
use super::routing::Network;
use crate::ids::NodeId;

/// Endpoints to which the hops are counted; in the presets the first one sees the largest number.
const HOP_DESTINATIONS: usize = 4;

/// A fabric in numbers, by its live ordinary links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// How many endpoints.
    pub n_endpoints: u32,
    /// How many switches.
    pub n_switches: usize,
    /// How many directed links, those of pinned routes included.
    pub n_links: usize,
    /// What the slowest endpoint can send into switches, or where there are none to other
    /// endpoints, in B/s: neither links inside a package nor network interfaces count.
    pub scale_up_Bps: u64,
    /// The same over all endpoints.
    pub scale_up_total_Bps: u64,
    /// What can flow at once from the first half of the endpoints to the second, in B/s.
    pub bisection_Bps: u64,
    /// Links between the endpoints farthest apart, seen from a few of them; none if one cannot be
    /// reached.
    pub hops: Option<u32>,
}

impl Fabric {
    /// The fabric in numbers.
    pub fn summary(&self) -> Summary {
        let rates: Vec<u64> = self
            .endpoints()
            .iter()
            .map(|endpoint| self.scale_up_Bps(*endpoint))
            .collect();
        let middle = self.endpoints().len() / 2;
        let (first, second) = self.endpoints().split_at(middle);
        let switches = self.nodes().iter().filter(|n| n.kind == NodeKind::Switch);
        Summary {
            n_endpoints: self.n_endpoints(),
            n_switches: switches.count(),
            n_links: self.links().len(),
            scale_up_Bps: rates.iter().copied().min().unwrap_or(0),
            scale_up_total_Bps: rates.iter().sum(),
            bisection_Bps: max_flow(self, first, second),
            hops: self.most_hops(),
        }
    }

    fn scale_up_Bps(&self, endpoint: NodeId) -> u64 {
        let to = |kind| {
            let links = self.out_links(endpoint).iter().map(|id| self.link(*id));
            let chosen = links.filter(|l| l.is_usable() && self.node(l.dst).kind == kind);
            chosen.map(|link| link.rate_Bps).sum::<u64>()
        };
        match to(NodeKind::Switch) {
            0 => to(NodeKind::Endpoint),
            rate => rate,
        }
    }

    fn most_hops(&self) -> Option<u32> {
        let network = Network::of_bundles(self);
        let n = self.endpoints().len();
        let mut most = 0;
        for index in 0..HOP_DESTINATIONS.min(n) {
            let dst = self.endpoints()[index * (n - 1) / (HOP_DESTINATIONS - 1).max(1) % n];
            let hops = network.hops_to(dst).ok()?;
            for src in self.endpoints() {
                most = most.max(hops[network.bundles().class(*src).index()]?);
            }
        }
        Some(most)
    }
}
