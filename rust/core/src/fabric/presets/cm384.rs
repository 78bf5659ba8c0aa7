//! Huawei CloudMatrix384: 48 nodes of 8 Ascend 910C packages (16 dies) on the UB plane.
//!
//! Seven independent planes. In each, a node has one L1 chip, which every die and CPU of the node
//! reaches, and which has one link to each of the plane's 16 L2 chips; an L2 chip has one link to
//! each node. So 7 equal paths join dies of a node and 7 x 16 = 112 join dies of different nodes.
//! The two dies of a package also share a direct link. Beside it lie the RDMA plane (one NIC per
//! die) and the VPC plane (one Qingtian DPU per node), used by pinned routes only. Several
//! supernodes are joined by the RDMA plane, which then carries all traffic between them.
//!
//! The CPU-to-CPU full mesh of a node has no published rate and is left out.
//!
//! Sources, by the codes used below:
//! [CM-v2] "Serving LLMs on Huawei CloudMatrix384", arXiv 2506.12708v2, 2025-06-18;
//! [SCL] "`StrataCL`", arXiv 2607.26444, 2026-07-29; [MSM] Ascend/msmodeling,
//! `tensor_cast/device.py` @84fec85, the vendor's model, not a measurement.

use super::family::wires::TIMING;
use super::{Chip, Preset};
use crate::fabric::builder::FabricBuilder;
use crate::fabric::element::{Link, LinkKind, NodeKind};
use crate::fabric::error::FabricError;
use crate::fabric::graph::Fabric;
use crate::fabric::params::{Allowed, ParamSpec, Params};
use crate::ids::NodeId;

/// Nodes of a full supernode: 12 compute racks of 4 [CM-v2 3.3.3].
const NODES: i64 = 48;
/// Most supernodes: with 340 there are 9.6 million links, with 350 more than a fabric may have. The
/// RDMA plane reaches "up to 165K NPUs" [CM-v2 Fig. 2], 429 supernodes.
const SUPERNODES: i64 = 340;
/// Dies per node: 8 packages of 2 [CM-v2 3.3].
const DIES: u32 = 16;
/// Kunpeng CPUs per node [CM-v2 3.3.2].
const CPUS: u32 = 4;
/// UB sub-planes, and so L1 chips per node [CM-v2 3.3.3].
const PLANES: u32 = 7;
/// L2 chips per sub-plane [CM-v2 Fig. 5].
const L2_CHIPS: u32 = 16;

/// One UB port, B/s each way: 224 Gbps, and so each die-L1 and L1-L2 link [CM-v2 3.3.1, Fig. 5].
const UB_PORT_BPS: u64 = 28_000_000_000;
/// Sibling dies of a package, B/s each way: 540 GB/s in both [CM-v2 3.3.1].
const DIE_TO_DIE_BPS: u64 = 270_000_000_000;
/// CPU to one L1 chip, B/s: "approximately 160 GB/s" per socket [CM-v2 3.3.2] over 7 planes,
/// rounded down; equal shares are assumed.
const CPU_PORT_BPS: u64 = 160_000_000_000 / PLANES as u64;
/// RDMA plane, B/s per die: 200 Gbps, 400 per package [CM-v2 3.3.1].
const RDMA_BPS: u64 = 25_000_000_000;
/// VPC plane, B/s per node: 400 Gbps through the Qingtian DPU [CM-v2 3.3.2].
const VPC_BPS: u64 = 50_000_000_000;
/// The CPU that the DPU hangs on: "one" of them [CM-v2]; which one is assumed.
const DPU_CPU: usize = 0;

/// Die to L1, ps: 1.2 us for a 512 B read in a node [CM-v2 Table 1] less one switch [derived].
const DIE_UP_PS: u64 = 850_000;
/// Each switch passed, ps, charged on the link that leaves it: a read between nodes takes 0.7 us
/// longer than within one (1.9 - 1.2 [CM-v2 Table 1]) and passes two more switches each way. The
/// whole difference is charged to the way of the data [derived, effective].
const SWITCH_PS: u64 = 350_000;
/// Sibling dies, ps [SCL, MSM].
const DIE_TO_DIE_PS: u64 = 200_000;
/// CPU to L1 and back, ps: a die reads CPU memory in 1.0 us within a node, 1.7 us between
/// [CM-v2 Table 1]; 850 + 150 ns to a CPU and 650 + 350 ns from one give 1.0 [derived].
const CPU_UP_PS: u64 = 650_000;
const CPU_DOWN_PS: u64 = 150_000;
/// RDMA, ps: 5.5 us from die to die [MSM, tier 0; that it fits RDMA is assumed], the ends as on
/// the UB plane and the rest halved [assumed]. The VPC plane takes the same [assumed].
const NIC_END_PS: u64 = DIE_UP_PS;
const NIC_SWITCH_PS: u64 = 5_500_000 / 2 - NIC_END_PS;

/// A die: half of a package's 752 TFLOPS dense BF16, 128 GB and 3.2 TB/s [CM-v2 3.3.1].
const DIE: Chip = Chip {
    bf16_flops: 376_000_000_000_000,
    memory_bytes: 64_000_000_000,
    memory_Bps: 1_600_000_000_000,
};

/// Reduction of a die, B/s of reduced bytes: a + b -> c moves 3 bytes of HBM per reduced byte
/// [that HBM is the limit is assumed].
const REDUCTION_BPS: u64 = DIE.memory_Bps / 3;

/// The preset.
pub(super) struct Cm384;

impl Preset for Cm384 {
    fn name(&self) -> &'static str {
        "cm384"
    }

    fn title(&self) -> &'static str {
        "Huawei CloudMatrix384: 768 Ascend 910C dies on a two-tier UB fabric of 7 planes"
    }

    fn source(&self) -> &'static str {
        "arXiv 2506.12708v2 (2025-06-18); latencies also arXiv 2607.26444 and Ascend/msmodeling"
    }

    fn assumed(&self) -> &'static str {
        "equal shares of a CPU over the planes; one ideal switch for each of RDMA and VPC; RDMA and \
         VPC latency; HBM as the limit of reductions"
    }

    fn chip(&self, params: &Params) -> Result<Option<Chip>, FabricError> {
        let params = params.resolved(self.name(), self.params())?;
        let dies = if params.text("rank") == "die" { 1 } else { 2 };
        Ok(Some(Chip {
            bf16_flops: DIE.bf16_flops * dies,
            memory_bytes: DIE.memory_bytes * dies,
            memory_Bps: DIE.memory_Bps * dies,
        }))
    }

    fn params(&self) -> &'static [ParamSpec] {
        const PARAMS: &[ParamSpec] = &[
            ParamSpec::int("nodes", "compute nodes of 8 packages", 1, NODES, NODES),
            ParamSpec::int(
                "supernodes",
                "supernodes, joined by the RDMA plane",
                1,
                SUPERNODES,
                1,
            ),
            ParamSpec {
                name: "rank",
                doc: "what an endpoint is: a die, or a package as one NPU",
                allowed: Allowed::OneOf(&["die", "npu"]),
            },
            TIMING,
        ];
        PARAMS
    }

    fn build(&self, params: &Params) -> Result<Fabric, FabricError> {
        let params = params.resolved(self.name(), self.params())?;
        let (nodes, supernodes) = (params.int("nodes") as u32, params.int("supernodes") as u32);
        let (rank, timing) = (params.text("rank"), params.text(TIMING.name));
        let mut title = format!("CloudMatrix384, {nodes} nodes, rank {rank}, timing {timing}");
        if supernodes > 1 {
            title = format!("{supernodes} x {title}");
        }
        let mut wiring = Wiring::new(
            FabricBuilder::new(self.name(), &title),
            rank == "die",
            timing == "nominal",
        );
        wiring.wire(supernodes, nodes);
        wiring.builder.build()
    }
}

/// Levels and link kinds, and what a rank is.
struct Wiring {
    builder: FabricBuilder,
    /// Dies per endpoint: 1, or 2 for a package as one NPU.
    dies_per_rank: u32,
    nominal: bool,
    package: Option<usize>,
    node: usize,
    supernode: usize,
    kinds: Kinds,
    /// Each NIC and DPU, for the switch of its plane.
    interfaces: Vec<Interface>,
    /// Whether RDMA joins supernodes, and so is open to all routes.
    joined: bool,
}

/// A NIC or DPU.
#[derive(Clone, Copy)]
struct Interface {
    id: NodeId,
    kind: LinkKind,
    rate_Bps: u64,
    at: Place,
}

/// A node of the machine.
#[derive(Clone, Copy, PartialEq)]
struct Place {
    supernode: u32,
    /// Counted over all supernodes, of `nodes` each.
    node: u32,
    nodes: u32,
}

struct Kinds {
    rank_up: LinkKind,
    rank_down: LinkKind,
    cpu_up: LinkKind,
    cpu_down: LinkKind,
    l1_up: LinkKind,
    l1_down: LinkKind,
    die_to_die: LinkKind,
    rdma: LinkKind,
    vpc: LinkKind,
}

impl Wiring {
    fn new(mut builder: FabricBuilder, by_die: bool, nominal: bool) -> Self {
        let rank = if by_die { "die" } else { "npu" };
        let kinds = Kinds {
            rank_up: builder.kind(&format!("{rank}_up")),
            rank_down: builder.kind(&format!("{rank}_down")),
            cpu_up: builder.kind("cpu_up"),
            cpu_down: builder.kind("cpu_down"),
            l1_up: builder.kind("l1_up"),
            l1_down: builder.kind("l1_down"),
            die_to_die: builder.kind("die_to_die"),
            rdma: builder.kind("rdma"),
            vpc: builder.kind("vpc"),
        };
        Self {
            package: by_die.then(|| builder.level("package")),
            node: builder.level("node"),
            supernode: builder.level("supernode"),
            builder,
            dies_per_rank: if by_die { 1 } else { 2 },
            nominal,
            kinds,
            interfaces: Vec::new(),
            joined: false,
        }
    }

    /// Supernode by supernode, then the switches of the other planes. The RDMA switch is one, ideal
    /// and non-blocking: its tiers are not published [assumed], and so is the VPC's. Neither is
    /// part of a container.
    fn wire(&mut self, supernodes: u32, nodes: u32) {
        self.joined = supernodes > 1;
        for supernode in 0..supernodes {
            let prefix = if self.joined {
                format!("sn{supernode:03}/")
            } else {
                String::new()
            };
            self.wire_supernode(supernode, nodes, &prefix);
        }
        if self.joined {
            self.join_supernodes();
        } else {
            self.attach_hub("rdma", self.kinds.rdma);
        }
        self.attach_hub("vpc", self.kinds.vpc);
    }

    /// Node by node, then the L2 chips.
    fn wire_supernode(&mut self, supernode: u32, nodes: u32, prefix: &str) {
        let all_l1: Vec<Vec<NodeId>> = (0..nodes)
            .map(|index| {
                let node = supernode * nodes + index;
                let at = Place {
                    supernode,
                    node,
                    nodes,
                };
                self.wire_node(at, &format!("{prefix}node{index:02}/"))
            })
            .collect();
        for plane in 0..PLANES {
            for chip in 0..L2_CHIPS {
                let l2 = self.switch(format!("{prefix}l2.{plane}.{chip}"));
                self.builder.place(l2, self.supernode, supernode);
                for l1 in all_l1.iter().map(|chips| chips[plane as usize]) {
                    let (up, down) = (self.kinds.l1_up, self.kinds.l1_down);
                    self.ub(l1, l2, up, plane, UB_PORT_BPS, SWITCH_PS);
                    self.ub(l2, l1, down, plane, UB_PORT_BPS, SWITCH_PS);
                }
            }
        }
    }

    /// One node: ranks, CPUs, NICs, DPU, L1 chips and what joins them; returns the L1 chips.
    fn wire_node(&mut self, at: Place, prefix: &str) -> Vec<NodeId> {
        let ranks = self.ranks(at, prefix);
        let mut cpus = Vec::new();
        for cpu in 0..CPUS {
            let id = self
                .builder
                .node(format!("{prefix}cpu{cpu}"), NodeKind::Cpu);
            cpus.push(self.inside(id, at));
        }
        let rdma_Bps = RDMA_BPS * u64::from(self.dies_per_rank);
        for (index, rank) in ranks.iter().enumerate() {
            let digits = if self.dies_per_rank == 1 { 2 } else { 1 };
            let name = format!("{prefix}nic{index:0digits$}");
            self.interface(name, *rank, at, self.kinds.rdma, rdma_Bps);
        }
        let dpu = format!("{prefix}dpu");
        self.interface(dpu, cpus[DPU_CPU], at, self.kinds.vpc, VPC_BPS);
        let mut chips = Vec::new();
        for plane in 0..PLANES {
            let l1 = self.switch(format!("{prefix}l1.{plane}"));
            chips.push(self.inside(l1, at));
            let port_Bps = UB_PORT_BPS * u64::from(self.dies_per_rank);
            let (up, down) = (self.kinds.rank_up, self.kinds.rank_down);
            for &rank in &ranks {
                self.ub(rank, l1, up, plane, port_Bps, DIE_UP_PS);
                self.ub(l1, rank, down, plane, port_Bps, SWITCH_PS);
            }
            let (up, down) = (self.kinds.cpu_up, self.kinds.cpu_down);
            for &cpu in &cpus {
                self.ub(cpu, l1, up, plane, CPU_PORT_BPS, CPU_UP_PS);
                self.ub(l1, cpu, down, plane, CPU_PORT_BPS, CPU_DOWN_PS);
            }
        }
        chips
    }

    /// The endpoints of a node; sibling dies joined and packaged.
    fn ranks(&mut self, at: Place, prefix: &str) -> Vec<NodeId> {
        let per_node = DIES / self.dies_per_rank;
        let mut ranks = Vec::new();
        for index in 0..per_node {
            let name = match self.package {
                Some(_) => format!("{prefix}die{index:02}"),
                None => format!("{prefix}npu{index}"),
            };
            let id = self.builder.node(name, NodeKind::Endpoint);
            ranks.push(self.inside(id, at));
            if self.nominal {
                let rate_Bps = REDUCTION_BPS * u64::from(self.dies_per_rank);
                self.builder.reduction_rate(id, rate_Bps);
            }
        }
        if let Some(level) = self.package {
            for (index, pair) in ranks.chunks(2).enumerate() {
                let package = at.node * DIES / 2 + index as u32;
                for die in pair {
                    self.builder.place(*die, level, package);
                }
                let (rate_Bps, ps) = (DIE_TO_DIE_BPS, DIE_TO_DIE_PS);
                self.join(pair[0], pair[1], self.kinds.die_to_die, rate_Bps, ps);
            }
        }
        ranks
    }

    /// A NIC or DPU and its links with its owner.
    fn interface(&mut self, name: String, owner: NodeId, at: Place, kind: LinkKind, rate_Bps: u64) {
        let id = self.builder.node(name, NodeKind::Nic);
        let id = self.inside(id, at);
        self.interfaces.push(Interface {
            id,
            kind,
            rate_Bps,
            at,
        });
        self.aside(owner, id, kind, rate_Bps, NIC_END_PS);
    }

    /// One ideal switch that joins every interface of a kind.
    fn attach_hub(&mut self, name: &str, kind: LinkKind) {
        let hub = self.switch(name.to_owned());
        for nic in self.interfaces.clone() {
            if nic.kind == kind {
                self.aside(nic.id, hub, kind, nic.rate_Bps, NIC_SWITCH_PS);
            }
        }
    }

    /// The RDMA plane between supernodes: an ideal leaf per node and an ideal core, which together
    /// do what one ideal switch does. With a leaf per node the way over RDMA is the longer one
    /// wherever the UB plane leads: four hops against two in a node, six against four between
    /// nodes.
    fn join_supernodes(&mut self) {
        let kind = self.kinds.rdma;
        let interfaces = self.interfaces.iter().copied();
        let nics: Vec<Interface> = interfaces.filter(|nic| nic.kind == kind).collect();
        let core = self.switch("rdma".to_owned());
        for of_node in nics.chunk_by(|a, b| a.at == b.at) {
            let at = of_node[0].at;
            let (supernode, index) = (at.supernode, at.node % at.nodes);
            let leaf = self.switch(format!("sn{supernode:03}/node{index:02}/rdma"));
            let leaf = self.inside(leaf, at);
            for nic in of_node {
                self.aside(nic.id, leaf, kind, nic.rate_Bps, NIC_SWITCH_PS - SWITCH_PS);
            }
            let rate_Bps = of_node.iter().map(|nic| nic.rate_Bps).sum();
            self.aside(leaf, core, kind, rate_Bps, SWITCH_PS);
        }
    }

    /// A pair of links beside the UB plane: those of RDMA are open to all routes where it joins
    /// supernodes, all others to pinned routes only.
    fn aside(&mut self, a: NodeId, b: NodeId, kind: LinkKind, rate_Bps: u64, ps: u64) {
        let latency_ps = self.latency(ps);
        let ordinary = self.joined && kind == self.kinds.rdma;
        for (src, dst) in [(a, b), (b, a)] {
            self.builder.link(Link {
                ordinary,
                ..Link::new(src, dst, kind, rate_Bps, latency_ps)
            });
        }
    }

    fn switch(&mut self, name: String) -> NodeId {
        self.builder.node(name, NodeKind::Switch)
    }

    fn inside(&mut self, id: NodeId, at: Place) -> NodeId {
        self.builder.place(id, self.node, at.node);
        self.builder.place(id, self.supernode, at.supernode);
        id
    }

    fn ub(&mut self, src: NodeId, dst: NodeId, kind: LinkKind, plane: u32, rate_Bps: u64, ps: u64) {
        let latency_ps = self.latency(ps);
        self.builder.link(Link {
            plane: Some(plane),
            ..Link::new(src, dst, kind, rate_Bps, latency_ps)
        });
    }

    fn join(&mut self, a: NodeId, b: NodeId, kind: LinkKind, rate_Bps: u64, ps: u64) {
        let latency_ps = self.latency(ps);
        self.builder
            .link(Link::new(a, b, kind, rate_Bps, latency_ps));
        self.builder
            .link(Link::new(b, a, kind, rate_Bps, latency_ps));
    }

    fn latency(&self, nominal_ps: u64) -> u64 {
        if self.nominal { nominal_ps } else { 0 }
    }
}
