//! Selectors: which links a user's pattern means.
//!
//! A pattern with "->" is matched against link names, side by side (no name holds "->", so this
//! is the same as matching the whole). Any other is matched against node names and means every
//! link that touches such a node. A name that exists is always meant literally. "plane:3" means all
//! links of a plane, "kind:ub" all of a kind, and "node:3", or another level, all that touch a node of
//! that container.

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
            if let Some(("plane", number)) = self.numbered(selector) {
                return self.select_plane(selector, number);
            }
            if let Some(name) = selector.strip_prefix("kind:")
                && self.node_by_name(selector).is_none()
            {
                return self.select_kind(selector, name);
            }
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

    /// The parts of "WORD:NUMBER", unless a node has that name.
    fn numbered<'a>(&self, selector: &'a str) -> Option<(&'a str, u32)> {
        let (word, number) = selector.split_once(':')?;
        let number = number.parse().ok()?;
        self.node_by_name(selector)
            .is_none()
            .then_some((word, number))
    }

    fn select_kind(&self, selector: &str, name: &str) -> Result<Vec<LinkId>, FabricError> {
        let links = (0..self.links().len()).map(LinkId::from_index);
        let is_it = |id: &LinkId| self.kind_name(self.link(*id).kind) == name;
        let chosen: Vec<LinkId> = links.filter(is_it).collect();
        if chosen.is_empty() {
            let kinds = self.links().iter().map(|link| self.kind_name(link.kind));
            let mut kinds: Vec<&str> = kinds.collect();
            kinds.sort_unstable();
            kinds.dedup();
            let hint = format!("kinds: {}", kinds.join(", "));
            return Err(unknown(selector, "link", hint));
        }
        Ok(chosen)
    }

    fn select_plane(&self, selector: &str, plane: u32) -> Result<Vec<LinkId>, FabricError> {
        let links = (0..self.links().len()).map(LinkId::from_index);
        let chosen: Vec<LinkId> = links
            .filter(|id| self.link(*id).plane == Some(plane))
            .collect();
        if chosen.is_empty() {
            let mut planes: Vec<u32> = self.links().iter().filter_map(|link| link.plane).collect();
            planes.sort_unstable();
            planes.dedup();
            let planes: Vec<String> = planes.iter().map(u32::to_string).collect();
            let hint = format!("planes: {}", planes.join(", "));
            return Err(unknown(selector, "link", hint));
        }
        Ok(chosen)
    }

    /// Whether each node matches a pattern over node names, or is in a container.
    fn select_nodes(&self, pattern: &str) -> Result<Vec<bool>, FabricError> {
        if let Some((level, number)) = self.numbered(pattern)
            && let Some(level) = self.level(level)
        {
            if level.n_containers <= number {
                let hint = format!("{}: 0 to {}", level.name, level.n_containers - 1);
                return Err(unknown(pattern, "node", hint));
            }
            let inside = level.container_of.iter();
            return Ok(inside.map(|container| *container == Some(number)).collect());
        }
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
