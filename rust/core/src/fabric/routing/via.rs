//! Via: a route pinned to the nodes it passes.
//!
//! The whole flow takes the links src -> via[0] -> ... -> dst, ordinary or not, each of which must
//! be live; this overrides the direct link of sibling dies too. Only switches forward, and a NIC
//! for the end of the route that it is linked to. Where the list starts or ends with a switch that
//! the end has no link with, the one NIC that joins the two by live links is filled in.

use super::error::RoutingError;
use super::network::Network;
use super::route::Route;
use super::share::Share;
use crate::fabric::element::NodeKind;
use crate::fabric::graph::Fabric;
use crate::ids::{BundleId, LinkId, NodeId};

/// The nodes of a list of names.
///
/// # Errors
/// If a name is unknown; the error lists the nearest ones.
pub fn resolve_via(fabric: &Fabric, names: &[&str]) -> Result<Vec<NodeId>, RoutingError> {
    let nodes = names.iter().map(|name| fabric.require_node(name));
    Ok(nodes.collect::<Result<_, _>>()?)
}

/// The route pinned to these nodes.
///
/// # Errors
/// As for [`pinned_links`], and if a link is merged with others in this network.
pub fn pinned(
    network: &Network<'_>,
    src: NodeId,
    dst: NodeId,
    via: &[NodeId],
) -> Result<Route, RoutingError> {
    if src == dst && via.is_empty() {
        return Ok(Route::EMPTY);
    }
    let (fabric, bundles) = (network.fabric(), network.bundles());
    let links = pinned_links(fabric, src, dst, via)?;
    let mut shares: Vec<(BundleId, Share)> = Vec::with_capacity(links.len());
    for &link in &links {
        let bundle = bundles.bundle_of(link);
        let n_links = bundles.bundle(bundle).n_links;
        if n_links > 1 {
            let link = fabric.link_name(link);
            return Err(RoutingError::MergedLink { link, n_links });
        }
        shares.push((bundle, Share::ONE));
    }
    shares.sort_unstable_by_key(|(bundle, _)| *bundle);
    Ok(Route {
        shares,
        latency_ps: links.iter().map(|id| fabric.link(*id).latency_ps).sum(),
        hops: links.len() as u32,
    })
}

/// The links of the route pinned to these nodes, in order.
///
/// # Errors
/// If a link is missing or has failed, a node does not forward for this route, or one is passed
/// twice.
pub fn pinned_links(
    fabric: &Fabric,
    src: NodeId,
    dst: NodeId,
    via: &[NodeId],
) -> Result<Vec<LinkId>, RoutingError> {
    let nodes = filled(fabric, src, dst, via);
    check_nodes(fabric, &nodes)?;
    let links = nodes
        .windows(2)
        .map(|pair| live_link(fabric, pair[0], pair[1]));
    links.collect()
}

/// Source, via and destination, with the joining NIC filled in at either end where it is missing
/// and unique.
fn filled(fabric: &Fabric, src: NodeId, dst: NodeId, via: &[NodeId]) -> Vec<NodeId> {
    let mut nodes = vec![src];
    if let (Some(&first), Some(&last)) = (via.first(), via.last()) {
        nodes.extend(joining(fabric, src, first));
        nodes.extend_from_slice(via);
        nodes.extend(joining(fabric, last, dst));
    }
    nodes.push(dst);
    nodes
}

/// The one NIC between two nodes that no link joins.
fn joining(fabric: &Fabric, a: NodeId, b: NodeId) -> Option<NodeId> {
    if fabric.link_between(a, b).is_some() {
        return None;
    }
    let live = |id: &LinkId| fabric.link(*id).rate_Bps > 0;
    let middles = fabric
        .out_links(a)
        .iter()
        .filter(|id| live(id))
        .map(|id| fabric.link(*id).dst);
    let mut joins = middles.filter(|middle| {
        let is_nic = fabric.node(*middle).kind == NodeKind::Nic;
        is_nic && fabric.link_between(*middle, b).is_some_and(|id| live(&id))
    });
    let first = joins.next()?;
    joins.next().is_none().then_some(first)
}

fn check_nodes(fabric: &Fabric, nodes: &[NodeId]) -> Result<(), RoutingError> {
    let mut sorted = nodes.to_vec();
    sorted.sort_unstable();
    if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        let node = fabric.node(pair[0]).name.clone();
        return Err(RoutingError::RepeatedNode { node });
    }
    let last = nodes.len() - 1;
    for (position, id) in nodes.iter().enumerate().take(last).skip(1) {
        let node = fabric.node(*id);
        let forwards = match node.kind {
            NodeKind::Switch => true,
            NodeKind::Nic => position == 1 || position + 1 == last,
            NodeKind::Endpoint | NodeKind::Cpu => false,
        };
        if !forwards {
            return Err(RoutingError::NotForwarding {
                node: node.name.clone(),
                kind: node.kind.name(),
            });
        }
    }
    Ok(())
}

fn live_link(fabric: &Fabric, src: NodeId, dst: NodeId) -> Result<LinkId, RoutingError> {
    let Some(link) = fabric.link_between(src, dst) else {
        let out = fabric.out_links(src).iter().take(3);
        let names: Vec<String> = out.map(|id| fabric.link_name(*id)).collect();
        return Err(RoutingError::MissingLink {
            src: fabric.node(src).name.clone(),
            dst: fabric.node(dst).name.clone(),
            hint: format!("links from there look like {}", names.join(", ")),
        });
    };
    if fabric.link(link).rate_Bps == 0 {
        let link = fabric.link_name(link);
        return Err(RoutingError::FailedLink { link });
    }
    Ok(link)
}
