//! Selectors: which links a user's pattern means.
//!
//! A pattern with "->" is matched against link names, side by side (no name holds "->", so this
//! is the same as matching the whole). Any other is matched against node names and means every
//! link that touches such a node. A name that exists is always meant literally.

use super::error::FabricError;
use super::glob;
use super::graph::Fabric;
use crate::ids::{LinkId, NodeId};

impl Fabric {
    /// The links a selector means, by id.
    ///
    /// # Errors
    /// If it matches nothing; the error lists the nearest names.
    pub fn select(&self, selector: &str) -> Result<Vec<LinkId>, FabricError> {
        let links = (0..self.links().len()).map(LinkId::from_index);
        let Some((from, to)) = selector.split_once("->") else {
            let nodes = self.select_nodes(selector)?;
            let touches = |id: &LinkId| {
                let link = self.link(*id);
                nodes[link.src.index()] || nodes[link.dst.index()]
            };
            return Ok(links.filter(touches).collect());
        };
        let sides = (self.matching(from), self.matching(to));
        for (pattern, side) in [(from, &sides.0), (to, &sides.1)] {
            if !side.contains(&true) {
                return Err(unknown(selector, "link", self.node_hint(pattern)));
            }
        }
        let joins = |id: &LinkId| {
            let link = self.link(*id);
            sides.0[link.src.index()] && sides.1[link.dst.index()]
        };
        let selected: Vec<LinkId> = links.filter(joins).collect();
        if selected.is_empty() {
            return Err(unknown(selector, "link", self.neighbor_hint(&sides.0)));
        }
        Ok(selected)
    }

    /// Whether each node matches a pattern over node names.
    fn select_nodes(&self, pattern: &str) -> Result<Vec<bool>, FabricError> {
        let nodes = self.matching(pattern);
        if nodes.contains(&true) {
            return Ok(nodes);
        }
        Err(unknown(pattern, "node", self.node_hint(pattern)))
    }

    fn matching(&self, pattern: &str) -> Vec<bool> {
        if let Some(literal) = self.node_by_name(pattern) {
            let mut nodes = vec![false; self.nodes().len()];
            nodes[literal.index()] = true;
            return nodes;
        }
        let names = self.nodes().iter().map(|node| &node.name);
        names.map(|name| glob::matches(pattern, name)).collect()
    }

    /// A few links that do leave the first of these nodes.
    fn neighbor_hint(&self, from: &[bool]) -> String {
        let first = from.iter().position(|matched| *matched);
        let out = first.map_or(&[][..], |index| self.out_links(NodeId::from_index(index)));
        let names: Vec<String> = out.iter().take(3).map(|id| self.link_name(*id)).collect();
        format!("links from there look like {}", names.join(", "))
    }
}

fn unknown(selector: &str, what: &'static str, hint: String) -> FabricError {
    FabricError::UnknownSelector {
        selector: selector.to_owned(),
        what,
        hint,
    }
}
