//! What a fabric is made of: nodes and directed links.
//!
//! A node forwards or it does not: switches do, and NICs for their owners. A link has the rate it
//! was built for, which routing weighs, and the rate it has now, which carries bytes.

use crate::ids::NodeId;

/// What a node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NodeKind {
    /// A communication endpoint: a rank may live here.
    Endpoint,
    /// A host processor: sends and receives, but no rank lives here.
    Cpu,
    /// A network interface: forwards between its owners and switches, never between switches.
    Nic,
    /// Forwards for everybody.
    Switch,
}

impl NodeKind {
    /// Every kind, in order.
    pub const ALL: [Self; 4] = [Self::Endpoint, Self::Cpu, Self::Nic, Self::Switch];

    /// The kind in a word, as frames and files spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Endpoint => "endpoint",
            Self::Cpu => "cpu",
            Self::Nic => "nic",
            Self::Switch => "switch",
        }
    }

    /// Whether paths pass through.
    pub const fn forwards(self) -> bool {
        matches!(self, Self::Nic | Self::Switch)
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// A node of a fabric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Unique, without whitespace and "->".
    pub name: String,
    /// What it does.
    pub kind: NodeKind,
}

/// What a link is, as an index into the kind names of its fabric ([`Fabric::kind_name`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkKind(pub u16);

/// A directed link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Where bytes enter.
    pub src: NodeId,
    /// Where they leave.
    pub dst: NodeId,
    /// What the link is.
    pub kind: LinkKind,
    /// The plane it belongs to, where the fabric has planes.
    pub plane: Option<u32>,
    /// The published rate, in B/s: routing divides by it.
    pub nominal_rate_Bps: u64,
    /// The rate now, in B/s: 0 is a failed link.
    pub rate_Bps: u64,
    /// From the last byte served to its arrival at `dst`, in ps.
    pub latency_ps: u64,
    /// False for links that only pinned routes use (the RDMA and VPC planes of CM384).
    pub ordinary: bool,
    /// How much of its share of traffic routing gives it, in millionths; 0 is a link that only pinned
    /// routes use.
    pub weight_ppm: u32,
}

/// The weight of a link that gets the whole share of its nominal rate.
pub const WHOLE_PPM: u32 = 1_000_000;

impl Link {
    /// A healthy ordinary link outside any plane.
    pub fn new(src: NodeId, dst: NodeId, kind: LinkKind, rate_Bps: u64, latency_ps: u64) -> Self {
        Self {
            src,
            dst,
            kind,
            plane: None,
            nominal_rate_Bps: rate_Bps,
            rate_Bps,
            latency_ps,
            ordinary: true,
            weight_ppm: WHOLE_PPM,
        }
    }

    /// Whether routes may use it: ordinary, not failed and of some weight.
    pub fn is_usable(&self) -> bool {
        self.ordinary && self.rate_Bps > 0 && self.weight_ppm > 0
    }
}
