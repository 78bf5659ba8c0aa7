//! The largest flow between two sets of endpoints over live ordinary links.
//!
//! Dinic, "Algorithm for solution of a problem of maximum flow in networks with power estimation",
//! 1970: breadth-first layers, then a blocking flow by depth-first search that never looks at an
//! exhausted arc again. By max-flow min-cut this is the least cut between the sets. That a NIC passes
//! nothing from switch to switch is not asked: no NIC of a preset has ports on two switches.

use super::graph::Fabric;
use crate::ids::NodeId;

/// B/s that can flow at once from these endpoints to those, all other endpoints and the CPUs
/// standing by.
pub(super) fn max_flow(fabric: &Fabric, from: &[NodeId], to: &[NodeId]) -> u64 {
    let mut residual = Residual::new(fabric, from, to);
    let mut total = 0;
    while residual.layer() {
        loop {
            let pushed = residual.augment();
            if pushed == 0 {
                break;
            }
            total += pushed;
        }
    }
    total
}

#[derive(Clone, Copy)]
struct Arc {
    to: usize,
    left: u64,
}

/// Arcs in pairs, each followed by its reverse; the source and the sink come after the nodes.
struct Residual {
    arcs: Vec<Arc>,
    of: Vec<Vec<usize>>,
    depth: Vec<u32>,
    next: Vec<usize>,
    source: usize,
    sink: usize,
}

const UNSEEN: u32 = u32::MAX;

impl Residual {
    fn new(fabric: &Fabric, from: &[NodeId], to: &[NodeId]) -> Self {
        let n = fabric.nodes().len();
        let mut residual = Self {
            arcs: Vec::new(),
            of: vec![Vec::new(); n + 2],
            depth: vec![UNSEEN; n + 2],
            next: vec![0; n + 2],
            source: n,
            sink: n + 1,
        };
        let (mut starts, mut ends) = (vec![false; n], vec![false; n]);
        for node in from {
            starts[node.index()] = true;
            residual.add(n, node.index(), u64::MAX);
        }
        for node in to {
            ends[node.index()] = true;
            residual.add(node.index(), n + 1, u64::MAX);
        }
        for link in fabric.links().iter().filter(|link| link.is_usable()) {
            let (src, dst) = (link.src.index(), link.dst.index());
            let forwards = |id: NodeId| fabric.node(id).kind.forwards();
            if (starts[src] || forwards(link.src)) && (ends[dst] || forwards(link.dst)) {
                residual.add(src, dst, link.rate_Bps);
            }
        }
        residual
    }

    fn add(&mut self, from: usize, to: usize, rate_Bps: u64) {
        self.of[from].push(self.arcs.len());
        self.arcs.push(Arc { to, left: rate_Bps });
        self.of[to].push(self.arcs.len());
        self.arcs.push(Arc { to: from, left: 0 });
    }

    /// Layers from the source; whether they reach the sink.
    fn layer(&mut self) -> bool {
        self.depth.fill(UNSEEN);
        self.next.fill(0);
        self.depth[self.source] = 0;
        let mut queue = std::collections::VecDeque::from([self.source]);
        while let Some(node) = queue.pop_front() {
            for &arc in &self.of[node] {
                let Arc { to, left } = self.arcs[arc];
                if left > 0 && self.depth[to] == UNSEEN {
                    self.depth[to] = self.depth[node] + 1;
                    queue.push_back(to);
                }
            }
        }
        self.depth[self.sink] != UNSEEN
    }

    /// One path of the blocking flow, found without recursion; what it carries.
    fn augment(&mut self) -> u64 {
        let mut path: Vec<usize> = Vec::new();
        let mut at = self.source;
        while at != self.sink {
            if let Some(&arc) = self.of[at].get(self.next[at]) {
                let Arc { to, left } = self.arcs[arc];
                if left > 0 && self.depth[to] == self.depth[at] + 1 {
                    path.push(arc);
                    at = to;
                } else {
                    self.next[at] += 1;
                }
            } else {
                // A dead end: back, and past the arc that led here.
                let Some(arc) = path.pop() else { return 0 };
                at = self.arcs[arc ^ 1].to;
                self.next[at] += 1;
            }
        }
        let least = path.iter().map(|arc| self.arcs[*arc].left).min();
        let pushed = least.expect("the sink is not the source");
        for arc in path {
            self.arcs[arc].left -= pushed;
            let back = &mut self.arcs[arc ^ 1].left;
            *back = back.saturating_add(pushed);
        }
        pushed
    }
}
