//! The only way to a fabric: every validity rule is here.
//!
//! Nodes, links and containers are collected without complaint and checked together in
//! [`FabricBuilder::build`], so that a preset reads as its wiring and a user's graph gets the same
//! checks. Endpoint ids follow the order in which the endpoints were added.

use super::element::{Link, LinkKind, Node, NodeKind};
use super::error::FabricError;
use super::graph::{Content, Fabric};
use super::hierarchy::{self, ContainerLevel};
use crate::ids::{LinkId, NodeId};

/// Largest rate of one link, in B/s: a bound on typing errors (1 PB/s), below 2^53 so that a rate
/// times a factor is computed from an exact f64.
const MAX_RATE_BPS: u64 = 1_000_000_000_000_000;

/// Largest sum over all links of rates (B/s) and of latencies (ps): sums over any set of links and
/// over any simple path then stay within 63 bits.
const MAX_TOTAL: u64 = i64::MAX as u64;

/// Collects a fabric and checks it.
#[derive(Clone, Debug)]
pub struct FabricBuilder {
    content: Content,
}

impl FabricBuilder {
    /// An empty fabric.
    pub fn new(name: &str, title: &str) -> Self {
        Self {
            content: Content {
                name: name.to_owned(),
                title: title.to_owned(),
                nodes: Vec::new(),
                links: Vec::new(),
                kind_names: Vec::new(),
                software_ps: 0,
                calibration: None,
                reduction_rate_Bps: Vec::new(),
                in_network: Vec::new(),
                levels: Vec::new(),
            },
        }
    }

    /// Adds a level of containers outside those added before; returns its index.
    pub fn level(&mut self, name: &str) -> usize {
        self.content.levels.push(ContainerLevel {
            name: name.to_owned(),
            container_of: vec![None; self.content.nodes.len()],
            n_containers: 0,
        });
        self.content.levels.len() - 1
    }

    /// Adds a node.
    pub fn node(&mut self, name: impl Into<String>, kind: NodeKind) -> NodeId {
        let id = NodeId::from_index(self.content.nodes.len());
        self.content.nodes.push(Node {
            name: name.into(),
            kind,
        });
        self.content.reduction_rate_Bps.push(None);
        self.content.in_network.push(false);
        for level in &mut self.content.levels {
            level.container_of.push(None);
        }
        id
    }

    /// Puts a node into a container of a level; containers are renumbered by their first node.
    ///
    /// # Panics
    /// If the level or the node was not added before.
    pub fn place(&mut self, node: NodeId, level: usize, container: u32) {
        self.content.levels[level].container_of[node.index()] = Some(container);
    }

    /// Limits the rate at which an endpoint reduces.
    ///
    /// # Panics
    /// If the node was not added before.
    pub fn reduction_rate(&mut self, node: NodeId, rate_Bps: u64) {
        self.content.reduction_rate_Bps[node.index()] = Some(rate_Bps);
    }

    /// Lets a switch reduce and multicast.
    ///
    /// # Panics
    /// If the node was not added before.
    pub fn in_network(&mut self, node: NodeId) {
        self.content.in_network[node.index()] = true;
    }

    /// Sets the software cost of each transfer, in ps.
    pub fn software_ps(&mut self, software_ps: u64) {
        self.content.software_ps = software_ps;
    }

    /// The kind of link of that name, added if it is new.
    ///
    /// # Panics
    /// After 65,536 kinds.
    pub fn kind(&mut self, name: &str) -> LinkKind {
        let names = &mut self.content.kind_names;
        let index = names.iter().position(|known| known == name);
        let index = index.unwrap_or_else(|| {
            names.push(name.to_owned());
            names.len() - 1
        });
        LinkKind(u16::try_from(index).expect("a fabric has fewer than 65,536 kinds of links"))
    }

    /// Adds a directed link.
    pub fn link(&mut self, link: Link) -> LinkId {
        let id = LinkId::from_index(self.content.links.len());
        self.content.links.push(link);
        id
    }

    /// Checks every rule and indexes the graph.
    ///
    /// # Errors
    /// The first rule broken, in the order nodes, links, sums, reduction rates, levels.
    pub fn build(mut self) -> Result<Fabric, FabricError> {
        check_nodes(&self.content)?;
        check_links(&self.content)?;
        check_totals(&self.content)?;
        check_reduction(&self.content)?;
        hierarchy::check(&mut self.content)?;
        Ok(Fabric::from_checked(self.content))
    }
}

fn check_nodes(content: &Content) -> Result<(), FabricError> {
    if !content.nodes.iter().any(|n| n.kind == NodeKind::Endpoint) {
        return Err(FabricError::NoEndpoint {
            n_nodes: content.nodes.len(),
        });
    }
    check_names("node", content.nodes.iter().map(|n| n.name.as_str()))?;
    check_names("link kind", content.kind_names.iter().map(String::as_str))?;
    check_names("level", content.levels.iter().map(|l| l.name.as_str()))
}

fn check_names<'a>(
    what: &'static str,
    names: impl Iterator<Item = &'a str>,
) -> Result<(), FabricError> {
    let mut names: Vec<&str> = names.collect();
    let bad = |name: &&&str| {
        name.is_empty() || name.contains("->") || name.chars().any(char::is_whitespace)
    };
    if let Some(name) = names.iter().find(bad) {
        let name = (*name).to_owned();
        return Err(FabricError::BadName { what, name });
    }
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(FabricError::DuplicateName {
            what,
            name: pair[0].to_owned(),
        }),
        None => Ok(()),
    }
}

fn check_links(content: &Content) -> Result<(), FabricError> {
    let n = content.nodes.len();
    for link in &content.links {
        for end in [link.src, link.dst] {
            if n <= end.index() {
                return Err(unknown("node", end.0, n));
            }
        }
        let n_kinds = content.kind_names.len();
        if n_kinds <= usize::from(link.kind.0) {
            return Err(unknown("link kind", u32::from(link.kind.0), n_kinds));
        }
        let name = || link_name(content, link.src, link.dst);
        if link.src == link.dst {
            return Err(FabricError::SelfLink { link: name() });
        }
        let nominal = link.nominal_rate_Bps;
        check_rate("nominal rate", nominal, 1, MAX_RATE_BPS, name)?;
        check_rate("live rate", link.rate_Bps, 0, nominal, name)?;
    }
    let mut ends: Vec<(NodeId, NodeId)> = content.links.iter().map(|l| (l.src, l.dst)).collect();
    ends.sort_unstable();
    match ends.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(FabricError::DuplicateLink {
            link: link_name(content, pair[0].0, pair[0].1),
        }),
        None => Ok(()),
    }
}

fn check_rate(
    what: &'static str,
    value: u64,
    low: u64,
    high: u64,
    name: impl FnOnce() -> String,
) -> Result<(), FabricError> {
    if low <= value && value <= high {
        return Ok(());
    }
    Err(FabricError::RateRange {
        what,
        name: name(),
        value,
        low,
        high,
    })
}

fn check_totals(content: &Content) -> Result<(), FabricError> {
    let sum = |of: fn(&Link) -> u64| content.links.iter().map(|l| u128::from(of(l))).sum();
    let totals: [(&str, u128); 2] = [
        ("nominal rates (B/s)", sum(|link| link.nominal_rate_Bps)),
        ("latencies (ps)", sum(|link| link.latency_ps)),
    ];
    for (what, total) in totals {
        if u128::from(MAX_TOTAL) < total {
            return Err(FabricError::TotalRange {
                what,
                total,
                high: MAX_TOTAL,
            });
        }
    }
    Ok(())
}

fn check_reduction(content: &Content) -> Result<(), FabricError> {
    for (node, rate) in content.nodes.iter().zip(&content.reduction_rate_Bps) {
        let Some(rate) = *rate else { continue };
        let name = || node.name.clone();
        if node.kind != NodeKind::Endpoint {
            return Err(FabricError::NotAnEndpoint { node: name() });
        }
        check_rate("reduction rate", rate, 1, MAX_RATE_BPS, name)?;
    }
    for (node, in_network) in content.nodes.iter().zip(&content.in_network) {
        if *in_network && node.kind != NodeKind::Switch {
            return Err(FabricError::NotASwitch {
                node: node.name.clone(),
            });
        }
    }
    Ok(())
}

fn unknown(what: &'static str, id: u32, n: usize) -> FabricError {
    FabricError::UnknownId { what, id, n }
}

fn link_name(content: &Content, src: NodeId, dst: NodeId) -> String {
    let name = |id: NodeId| &content.nodes[id.index()].name;
    format!("{}->{}", name(src), name(dst))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two endpoints under one switch, then one change that breaks one rule.
    fn check(broken: impl FnOnce(&mut FabricBuilder, &mut Vec<Link>), message: &str) {
        let mut builder = FabricBuilder::new("pair", "two endpoints under one switch");
        let a = builder.node("a", NodeKind::Endpoint);
        let b = builder.node("b", NodeKind::Endpoint);
        let s = builder.node("s", NodeKind::Switch);
        let kind = builder.kind("cable");
        let mut links = vec![Link::new(a, s, kind, 10, 5), Link::new(s, b, kind, 10, 5)];
        broken(&mut builder, &mut links);
        for link in links {
            builder.link(link);
        }
        let error = builder.build().unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }

    #[test]
    fn each_node_rule_is_enforced_and_names_the_culprit() {
        let named = |name: &'static str, message| {
            check(
                |builder, _| {
                    builder.node(name, NodeKind::Switch);
                },
                message,
            );
        };
        named("a", "node name 'a' appears twice");
        named("x y", "'x y' is not allowed");
        named("x->y", "'x->y' is not allowed");
        named("", "'' is not allowed");
        check(
            |builder, _| builder.reduction_rate(NodeId(2), 5),
            "'s' has a reduction rate but is no endpoint",
        );
        check(
            |builder, _| {
                builder.level("pod");
            },
            "level 'pod' does not place 'a'",
        );
    }

    #[test]
    fn each_link_rule_is_enforced_and_names_the_culprit() {
        let first = |change: fn(&mut Link), message| {
            check(|_, links| change(&mut links[0]), message);
        };
        first(
            |l| l.dst = NodeId(9),
            "node 9 does not exist; allowed: 0..3",
        );
        first(|l| l.kind = LinkKind(4), "link kind 4 does not exist");
        first(|l| l.dst = l.src, "link 'a->a' joins a node to itself");
        first(
            |l| l.nominal_rate_Bps = 0,
            "nominal rate of 'a->s' is 0 B/s",
        );
        first(
            |l| l.rate_Bps = 11,
            "live rate of 'a->s' is 11 B/s; allowed: 0..=10",
        );
        first(
            |l| l.latency_ps = u64::MAX,
            "latencies (ps) of all links add up to",
        );
        check(
            |_, links| links.push(links[0].clone()),
            "link 'a->s' appears twice",
        );
    }

    #[test]
    fn a_fabric_without_endpoints_is_refused() {
        let mut builder = FabricBuilder::new("none", "");
        builder.node("s", NodeKind::Switch);
        assert_eq!(builder.build(), Err(FabricError::NoEndpoint { n_nodes: 1 }));
    }
}
