//! The levels of a fabric (package, node, supernode) and the teams they make.
//!
//! A level puts nodes into numbered containers; levels nest, innermost first. Endpoints are placed
//! at every level, which is what makes them a team's groups. Switches and CPUs are placed where
//! they belong, which is what makes a container's border a cut.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::element::NodeKind;
use super::error::FabricError;
use super::graph::{Content, Fabric};
use crate::ids::{NodeId, RankId};
use crate::team::{Level, Team};

/// One level of containers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerLevel {
    /// What a container is: "package", "node", "supernode", or a user's word.
    pub name: String,
    /// The container of each fabric node, if this level places it.
    pub container_of: Vec<Option<u32>>,
    /// Containers are numbered from 0 by their first node.
    pub n_containers: u32,
}

impl ContainerLevel {
    /// The container of a node.
    pub fn container(&self, node: NodeId) -> Option<u32> {
        self.container_of[node.index()]
    }
}

impl Fabric {
    /// The level of that name.
    pub fn level(&self, name: &str) -> Option<&ContainerLevel> {
        self.levels().iter().find(|level| level.name == name)
    }

    /// The team of ranks on these endpoints, in rank order, with every level of the fabric.
    ///
    /// # Errors
    /// If the list is empty, names an endpoint twice, or names one that does not exist.
    pub fn team(&self, endpoints: &[u32]) -> Result<Team, FabricError> {
        let nodes = self.rank_nodes(endpoints)?;
        let levels = self.levels().iter().map(|level| {
            let mut groups = vec![Vec::new(); level.n_containers as usize];
            for (rank, node) in nodes.iter().enumerate() {
                let container = level.container(*node).expect("levels place every endpoint");
                groups[container as usize].push(RankId::from_index(rank));
            }
            Level {
                name: level.name.clone(),
                groups,
            }
        });
        Ok(Team::new(nodes.len() as u32, levels.collect())?)
    }

    /// The same team, one object for all who ask about these endpoints.
    ///
    /// # Errors
    /// As for [`Fabric::team`].
    pub fn shared_team(&self, endpoints: &[u32]) -> Result<Arc<Team>, FabricError> {
        let nodes = self.rank_nodes(endpoints)?;
        let team = self.memo(&nodes, || self.team(endpoints).map(Arc::new));
        (*team).clone()
    }

    /// The node of each rank of a list of endpoints.
    ///
    /// # Errors
    /// As for [`Fabric::team`].
    pub fn rank_nodes(&self, endpoints: &[u32]) -> Result<Vec<NodeId>, FabricError> {
        if endpoints.is_empty() {
            return Err(FabricError::NoRanks);
        }
        let mut first_rank = vec![None; self.n_endpoints() as usize];
        let mut nodes = Vec::with_capacity(endpoints.len());
        for (rank, &endpoint) in endpoints.iter().enumerate() {
            let node = self.endpoint(endpoint).ok_or(FabricError::RankRange {
                rank,
                endpoint,
                n_endpoints: self.n_endpoints(),
            })?;
            if let Some(first) = first_rank[endpoint as usize].replace(rank) {
                return Err(FabricError::DuplicateRank {
                    endpoint,
                    first,
                    second: rank,
                });
            }
            nodes.push(node);
        }
        Ok(nodes)
    }

    /// How many nodes of the same kind come before this one in its container of the level "node":
    /// die 5 of any CM384 node is 5. Nodes outside such containers count among themselves.
    pub fn index_in_node(&self, node: NodeId) -> u32 {
        self.indices_in_node()[node.index()]
    }
}

/// [`Fabric::index_in_node`] of every node.
pub(super) fn indices_in_node(fabric: &Fabric) -> Vec<u32> {
    let level = fabric.level("node");
    let mut counts: FxHashMap<(NodeKind, Option<u32>), u32> = FxHashMap::default();
    let nodes = fabric.nodes().iter().enumerate();
    let indices = nodes.map(|(id, node)| {
        let container = level.and_then(|level| level.container_of[id]);
        let count = counts.entry((node.kind, container)).or_default();
        *count += 1;
        *count - 1
    });
    indices.collect()
}

/// Checks that levels place what they must and nest, and numbers their containers densely.
pub(super) fn check(content: &mut Content) -> Result<(), FabricError> {
    for index in 0..content.levels.len() {
        check_placement(content, index)?;
        if index > 0 {
            check_nesting(content, index - 1)?;
        }
    }
    content.levels.iter_mut().for_each(renumber);
    Ok(())
}

fn check_placement(content: &Content, index: usize) -> Result<(), FabricError> {
    let level = &content.levels[index];
    for (id, node) in content.nodes.iter().enumerate() {
        let inner = index > 0 && content.levels[index - 1].container_of[id].is_some();
        let needed = inner || node.kind == NodeKind::Endpoint;
        if needed && level.container_of[id].is_none() {
            return Err(FabricError::Unplaced {
                level: level.name.clone(),
                node: node.name.clone(),
            });
        }
    }
    Ok(())
}

fn check_nesting(content: &Content, index: usize) -> Result<(), FabricError> {
    let (inner, outer) = (&content.levels[index], &content.levels[index + 1]);
    let mut members: Vec<(u32, usize)> = (0..content.nodes.len())
        .filter_map(|id| inner.container_of[id].map(|container| (container, id)))
        .collect();
    members.sort_unstable();
    let straddles = |pair: &&[(u32, usize)]| {
        pair[0].0 == pair[1].0 && outer.container_of[pair[0].1] != outer.container_of[pair[1].1]
    };
    match members.windows(2).find(straddles) {
        Some(pair) => Err(FabricError::NotNested {
            inner: inner.name.clone(),
            outer: outer.name.clone(),
            a: content.nodes[pair[0].1].name.clone(),
            b: content.nodes[pair[1].1].name.clone(),
        }),
        None => Ok(()),
    }
}

fn renumber(level: &mut ContainerLevel) {
    let mut known: FxHashMap<u32, u32> = FxHashMap::default();
    for container in level.container_of.iter_mut().flatten() {
        let next = known.len() as u32;
        *container = *known.entry(*container).or_insert(next);
    }
    level.n_containers = known.len() as u32;
}

#[cfg(test)]
mod tests {
    use crate::fabric::{Fabric, FabricBuilder, FabricError, NodeKind};
    use crate::ids::RankId;

    /// Four endpoints, two per node; the packages are given.
    fn four(packages: [u32; 4]) -> Result<Fabric, FabricError> {
        let mut builder = FabricBuilder::new("four", "");
        let package = builder.level("package");
        let node = builder.level("node");
        for (index, container) in packages.into_iter().enumerate() {
            let id = builder.node(format!("e{index}"), NodeKind::Endpoint);
            builder.place(id, package, container);
            builder.place(id, node, 70 + index as u32 / 2);
        }
        builder.build()
    }

    #[test]
    fn a_team_restricts_the_containers_to_its_ranks() {
        let team = four([7, 7, 9, 9]).unwrap().team(&[3, 0, 2]).unwrap();
        let groups = &team.level("package").unwrap().groups;
        assert_eq!(groups[..], [vec![RankId(0), RankId(2)], vec![RankId(1)]]);
    }

    #[test]
    fn rank_lists_are_checked_with_value_and_range() {
        let fabric = four([0, 0, 1, 1]).unwrap();
        for (endpoints, message) in [
            (&[][..], "at least one rank"),
            (&[0, 4], "rank 1 is on endpoint 4; allowed: 0..4"),
            (&[2, 1, 2], "ranks 0 and 2 are both on endpoint 2"),
        ] {
            let error = fabric.team(endpoints).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
    }

    #[test]
    fn a_container_may_not_straddle_an_outer_one() {
        let error = four([0, 1, 1, 2]).unwrap_err().to_string();
        assert!(error.contains("'e1' and 'e2' share a container"), "{error}");
    }

    #[test]
    fn an_index_in_a_node_counts_its_own_kind() {
        let fabric = four([0, 0, 1, 1]).unwrap();
        let index = |endpoint| fabric.index_in_node(fabric.endpoint(endpoint).unwrap());
        assert_eq!([0, 1, 2, 3].map(index), [0, 1, 0, 1]);
    }
}
