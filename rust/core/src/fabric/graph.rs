//! The fabric graph: nodes, directed links and their adjacency, immutable once built.
//!
//! Switches forward. Endpoints and CPUs are ends; a NIC passes on the bytes of the nodes that own
//! it and nothing else. A link has a nominal rate, which routing weighs,
//! and a live rate, which carries bytes: they differ after [`Fabric::degrade`].

use std::fmt;
use std::sync::Arc;

use once_cell::race::OnceBox;

use super::bundle::Bundles;
use super::digest;
use super::element::{Link, LinkKind, Node, NodeKind};
use super::error::FabricError;
use super::hierarchy::{self, ContainerLevel};
use super::memo::Memo;
use crate::cost::Calibration;
use crate::csr::Csr;
use crate::ids::{LinkId, NodeId};
use crate::suggest;

/// Everything a fabric consists of, apart from what follows from it.
#[derive(Clone, Debug)]
pub(super) struct Content {
    pub(super) name: String,
    pub(super) title: String,
    pub(super) nodes: Vec<Node>,
    pub(super) links: Vec<Link>,
    pub(super) kind_names: Vec<String>,
    pub(super) software_ps: u64,
    /// Per node; only endpoints have one.
    pub(super) reduction_rate_Bps: Vec<Option<u64>>,
    /// Per node; only switches can reduce and multicast.
    pub(super) in_network: Vec<bool>,
    pub(super) levels: Vec<ContainerLevel>,
    /// What a library costs on it beside the network.
    pub(super) calibration: Option<Arc<Calibration>>,
}

/// A valid machine graph.
pub struct Fabric {
    content: Content,
    endpoints: Vec<NodeId>,
    endpoint_of: Vec<Option<u32>>,
    by_name: Vec<NodeId>,
    out: Csr<LinkId>,
    inward: Csr<LinkId>,
    // Whoever needs one makes it, and the first one made stays: nobody waits for a thread, which in
    // a forked child may not exist.
    digest: OnceBox<String>,
    bundles: OnceBox<Bundles>,
    single_links: OnceBox<Bundles>,
    indices_in_node: OnceBox<Vec<u32>>,
    wires: OnceBox<Arc<Fabric>>,
    memo: Memo,
}

impl Fabric {
    /// Indexes content that the builder has checked.
    pub(super) fn from_checked(content: Content) -> Self {
        let n = content.nodes.len();
        let ids = || (0..n).map(NodeId::from_index);
        let endpoints: Vec<NodeId> = ids()
            .filter(|id| content.nodes[id.index()].kind == NodeKind::Endpoint)
            .collect();
        let mut endpoint_of = vec![None; n];
        for (endpoint, node) in endpoints.iter().enumerate() {
            endpoint_of[node.index()] = Some(endpoint as u32);
        }
        let mut by_name: Vec<NodeId> = ids().collect();
        by_name.sort_unstable_by_key(|id| content.nodes[id.index()].name.as_str());
        Self {
            out: adjacency(n, &content.links, |link| link.src),
            inward: adjacency(n, &content.links, |link| link.dst),
            content,
            endpoints,
            endpoint_of,
            by_name,
            digest: OnceBox::new(),
            bundles: OnceBox::new(),
            single_links: OnceBox::new(),
            indices_in_node: OnceBox::new(),
            wires: OnceBox::new(),
            memo: Memo::default(),
        }
    }

    /// The same fabric with other live rates, one per link, each at most the nominal one.
    pub(super) fn with_live_rates(&self, rates_Bps: &[u64]) -> Self {
        self.with_content(|content| {
            for (link, &rate) in content.links.iter_mut().zip(rates_Bps) {
                link.rate_Bps = rate;
            }
        })
    }

    /// The same fabric after a change that keeps it valid.
    pub(super) fn with_content(&self, change: impl FnOnce(&mut Content)) -> Self {
        let mut content = self.content.clone();
        change(&mut content);
        Self::from_checked(content)
    }

    /// Short name; not part of the digest.
    pub fn name(&self) -> &str {
        &self.content.name
    }

    /// One line on what it is; not part of the digest.
    pub fn title(&self) -> &str {
        &self.content.title
    }

    /// SHA-256 of the content in hexadecimal: equal on every machine, for equal content.
    pub fn digest(&self) -> &str {
        self.digest
            .get_or_init(|| Box::new(digest::of(&self.content)))
    }

    /// All nodes, by id.
    pub fn nodes(&self) -> &[Node] {
        &self.content.nodes
    }

    /// All links, by id.
    pub fn links(&self) -> &[Link] {
        &self.content.links
    }

    /// One node.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.content.nodes[id.index()]
    }

    /// One link.
    pub fn link(&self, id: LinkId) -> &Link {
        &self.content.links[id.index()]
    }

    /// The name of a kind of link.
    pub fn kind_name(&self, kind: LinkKind) -> &str {
        &self.content.kind_names[usize::from(kind.0)]
    }

    /// "SRC->DST".
    pub fn link_name(&self, id: LinkId) -> String {
        let link = self.link(id);
        format!("{}->{}", self.node(link.src).name, self.node(link.dst).name)
    }

    /// How many endpoints there are.
    pub fn n_endpoints(&self) -> u32 {
        self.endpoints.len() as u32
    }

    /// The nodes of the endpoints, in the fabric's natural order.
    pub fn endpoints(&self) -> &[NodeId] {
        &self.endpoints
    }

    /// The node of an endpoint.
    pub fn endpoint(&self, endpoint: u32) -> Option<NodeId> {
        self.endpoints.get(endpoint as usize).copied()
    }

    /// The endpoint at a node.
    pub fn endpoint_of(&self, node: NodeId) -> Option<u32> {
        self.endpoint_of[node.index()]
    }

    /// The node of that name.
    pub fn node_by_name(&self, name: &str) -> Option<NodeId> {
        self.by_name
            .binary_search_by_key(&name, |id| self.node(*id).name.as_str())
            .ok()
            .map(|position| self.by_name[position])
    }

    /// The node of that name, or an error that lists the nearest names.
    pub fn require_node(&self, name: &str) -> Result<NodeId, FabricError> {
        self.node_by_name(name)
            .ok_or_else(|| FabricError::UnknownNode {
                name: name.to_owned(),
                hint: self.node_hint(name),
            })
    }

    /// The nearest node names, or, with none near, the first few.
    pub(super) fn node_hint(&self, name: &str) -> String {
        let names = || self.nodes().iter().map(|node| node.name.as_str());
        let near = suggest::nearest(name, names());
        if near.is_empty() {
            let first: Vec<&str> = names().take(3).collect();
            format!("names look like {}", first.join(", "))
        } else {
            format!("did you mean {}?", near.join(", "))
        }
    }

    /// The link from `src` to `dst`, live or not.
    pub fn link_between(&self, src: NodeId, dst: NodeId) -> Option<LinkId> {
        let ids = self.out_links(src).iter();
        ids.copied().find(|id| self.link(*id).dst == dst)
    }

    /// The links that leave a node, by id.
    pub fn out_links(&self, node: NodeId) -> &[LinkId] {
        self.out.row(node.index())
    }

    /// The links that enter a node, by id.
    pub fn in_links(&self, node: NodeId) -> &[LinkId] {
        self.inward.row(node.index())
    }

    /// The cost in ps that each transfer pays in software before its first byte.
    pub fn software_ps(&self) -> u64 {
        self.content.software_ps
    }

    /// The rate in B/s at which an endpoint can reduce; none is no limit.
    pub fn reduction_rate_Bps(&self, node: NodeId) -> Option<u64> {
        self.content.reduction_rate_Bps[node.index()]
    }

    /// Whether a switch reduces and multicasts.
    pub fn is_in_network(&self, node: NodeId) -> bool {
        self.content.in_network[node.index()]
    }

    /// Whether any switch does.
    pub fn has_in_network(&self) -> bool {
        self.content.in_network.contains(&true)
    }

    /// What a library costs on it beside the network, if it is calibrated.
    pub fn calibration(&self) -> Option<&Arc<Calibration>> {
        self.content.calibration.as_ref()
    }

    /// The network of a calibrated fabric, without what its calibration speaks for; computed once.
    pub fn wires(&self) -> &Arc<Fabric> {
        self.wires
            .get_or_init(|| Box::new(Arc::new(self.bare_wires())))
    }

    /// The nested containers, innermost level first.
    pub fn levels(&self) -> &[ContainerLevel] {
        &self.content.levels
    }

    /// The merged links, with no node distinguished; computed once.
    pub fn bundles(&self) -> &Bundles {
        self.bundles
            .get_or_init(|| Box::new(Bundles::coarsest(self, &[])))
    }

    /// Every link a bundle of its own; computed once.
    pub fn single_links(&self) -> &Bundles {
        self.single_links
            .get_or_init(|| Box::new(Bundles::identity(self)))
    }

    pub(super) fn memo_entries(&self) -> &Memo {
        &self.memo
    }

    pub(super) fn indices_in_node(&self) -> &[u32] {
        let indices = || Box::new(hierarchy::indices_in_node(self));
        self.indices_in_node.get_or_init(indices)
    }
}

impl PartialEq for Fabric {
    fn eq(&self, other: &Self) -> bool {
        self.digest() == other.digest()
    }
}

impl Eq for Fabric {}

impl fmt::Debug for Fabric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fabric")
            .field("name", &self.name())
            .field("n_endpoints", &self.n_endpoints())
            .field("n_nodes", &self.nodes().len())
            .field("n_links", &self.links().len())
            .finish_non_exhaustive()
    }
}

/// Link ids per node, ascending, by counting.
fn adjacency(n_nodes: usize, links: &[Link], end: impl Fn(&Link) -> NodeId) -> Csr<LinkId> {
    let row_of = |link: usize| Some(end(&links[link]).index());
    Csr::grouped(n_nodes, links.len(), row_of, LinkId::from_index)
}
