//! A fabric as routes see it: classes of nodes, bundles of links, hops to a destination.

use super::error::RoutingError;
use super::hops::{self, Toward};
use crate::fabric::bundle::Bundles;
use crate::fabric::graph::Fabric;
use crate::ids::{ClassId, NodeId};

/// A fabric and one way to merge its links. What it learns is kept with the bundles.
#[derive(Clone, Copy, Debug)]
pub struct Network<'a> {
    fabric: &'a Fabric,
    bundles: &'a Bundles,
}

/// The ends of a route and the way between them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends<'a> {
    pub(super) from: ClassId,
    pub(super) to: ClassId,
    pub(super) toward: &'a Toward,
    pub(super) n_hops: u32,
}

impl<'a> Network<'a> {
    /// With links merged as far as is lossless for sprayed routes.
    pub fn of_bundles(fabric: &'a Fabric) -> Self {
        Self::with_bundles(fabric, fabric.bundles())
    }

    /// With every link by itself.
    pub fn of_links(fabric: &'a Fabric) -> Self {
        Self::with_bundles(fabric, fabric.single_links())
    }

    /// With bundles of this very fabric.
    pub fn with_bundles(fabric: &'a Fabric, bundles: &'a Bundles) -> Self {
        Self { fabric, bundles }
    }

    /// The fabric.
    pub fn fabric(&self) -> &'a Fabric {
        self.fabric
    }

    /// The bundles.
    pub fn bundles(&self) -> &'a Bundles {
        self.bundles
    }

    /// Hops from each class to a node over live ordinary links; none where no path leads there.
    ///
    /// # Errors
    /// If the node is merged with others.
    pub fn hops_to(&self, dst: NodeId) -> Result<Vec<Option<u32>>, RoutingError> {
        let toward = hops::toward(self.bundles, self.alone(dst)?);
        let classes = (0..self.bundles.n_classes()).map(ClassId::from_index);
        Ok(classes.map(|class| toward.hops(class)).collect())
    }

    /// The class of a route's end, which is alone in it.
    pub(super) fn alone(&self, node: NodeId) -> Result<ClassId, RoutingError> {
        let class = self.bundles.class(node);
        match self.bundles.members(class).len() - 1 {
            0 => Ok(class),
            n_merged => Err(RoutingError::MergedEnd {
                node: self.fabric.node(node).name.clone(),
                n_merged,
            }),
        }
    }

    /// A route's ends as classes, the way to its destination and the hops it takes.
    pub(super) fn ends(&self, src: NodeId, dst: NodeId) -> Result<Ends<'a>, RoutingError> {
        let (from, to) = (self.alone(src)?, self.alone(dst)?);
        let toward = hops::toward(self.bundles, to);
        let n_hops = toward.hops(from).ok_or_else(|| {
            let (src, dst) = self.names(src, dst);
            RoutingError::Unreachable { src, dst }
        })?;
        Ok(Ends {
            from,
            to,
            toward,
            n_hops,
        })
    }

    pub(super) fn names(&self, src: NodeId, dst: NodeId) -> (String, String) {
        let name = |node| self.fabric.node(node).name.clone();
        (name(src), name(dst))
    }

    pub(super) fn overflow(&self, src: NodeId, dst: NodeId) -> RoutingError {
        let (src, dst) = self.names(src, dst);
        RoutingError::ShareOverflow { src, dst }
    }
}
