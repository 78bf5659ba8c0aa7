//! Trees: reductions and multicasts inside switches.
//!
//! All transfers of a step that bring the same chunks to one rank, which adds them up, are one
//! reduction; all that take the same chunks from one rank are one multicast. Such a tree is one
//! operation. A switch that reduces passes on one stream for all that enter it, and one that
//! multicasts takes one for all that leave it, so each link carries the largest share that one of
//! the tree's routes puts on it, instead of their sum. The root's own part also goes up to its
//! first switches, or comes down from them, as with NVLS (`multimem.ld_reduce` reads and
//! `multimem.st` writes all members): an all-reduce of S loads each port by S (1 + 1/n), each way.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use super::changes::job_route;
use super::{Job, Joins, PlacementError, Router, Sync, place_transfer};
use crate::fabric::NodeKind;
use crate::fabric::routing::{Route, RoutingError, Share};
use crate::ids::{BundleId, ClassId, NodeId};
use crate::schedule::{ChunkRange, Op};

/// A reduction into a rank, or a multicast from it, by switches; or one transfer between ranks.
pub(super) struct Tree {
    by_switches: bool,
    reduces: bool,
    root: usize,
    pub(super) transfers: Vec<usize>,
}

/// Places a job some of whose reductions and multicasts are done by switches.
pub(super) fn place_job(
    router: &mut Router,
    sync: Sync,
    job: &Job,
) -> Result<Vec<u32>, PlacementError> {
    let schedule = job.schedule;
    let mut ops = vec![0; schedule.len()];
    let mut joins = Joins::new(sync, job.nodes.len());
    for tree in trees(job) {
        if !tree.by_switches {
            let transfer = tree.transfers[0];
            ops[transfer] = place_transfer(router, &mut joins, job, transfer, &ops)?;
            continue;
        }
        let ends = |transfer: usize| {
            let (src, dst) = (schedule.src()[transfer], schedule.dst()[transfer]);
            (src.index(), dst.index())
        };
        let route = route(router, job, &tree)?;
        let mut data: Vec<u32> = Vec::new();
        let mut order: Vec<u32> = Vec::new();
        let mut start_ps = 0;
        for &transfer in &tree.transfers {
            let (src, dst) = ends(transfer);
            start_ps = start_ps.max(job.start_ps(src));
            let step = schedule.step()[transfer];
            data.extend(joins.before(&mut router.builder, step, src, dst));
            let placed = |pred: &u32| ops[*pred as usize];
            data.extend(schedule.depends_on().row(transfer).iter().map(placed));
            order.extend(schedule.follows().row(transfer).iter().map(placed));
        }
        for edges in [&mut data, &mut order] {
            edges.sort_unstable();
            edges.dedup();
        }
        let size = schedule.size_of(tree.transfers[0]);
        let op = router.builder.op(route, size, start_ps, data, order);
        for &transfer in &tree.transfers {
            let (src, dst) = ends(transfer);
            joins.after(op, src, dst);
            ops[transfer] = op;
        }
    }
    Ok(ops)
}

/// The workload route of a tree.
pub(super) fn route(router: &mut Router, job: &Job, tree: &Tree) -> Result<u32, RoutingError> {
    if !tree.by_switches {
        return job_route(router, job, tree.transfers[0]);
    }
    let (src, dst) = (job.schedule.src(), job.schedule.dst());
    let ends = if tree.reduces { src } else { dst };
    let others = tree.transfers.iter().map(|&t| job.nodes[ends[t].index()]);
    let others: Vec<NodeId> = others.collect();
    let route = router.tree(job.nodes[tree.root], &others, tree.reduces);
    router.add_or_gap(route, None)
}

/// The trees of a schedule, in the order of their first transfers.
pub(super) fn trees(job: &Job) -> Vec<Tree> {
    let schedule = job.schedule;
    let mut tree_of: FxHashMap<(u32, bool, usize, ChunkRange), usize> = FxHashMap::default();
    let mut trees: Vec<Tree> = Vec::new();
    for transfer in 0..schedule.len() {
        let reduces = schedule.op()[transfer] == Op::Reduce;
        if !schedule.is_transfer_in_network(transfer) {
            trees.push(Tree {
                by_switches: false,
                reduces,
                root: schedule.dst()[transfer].index(),
                transfers: vec![transfer],
            });
            continue;
        }
        let (src, dst) = (schedule.src()[transfer], schedule.dst()[transfer]);
        let root = if reduces { dst } else { src }.index();
        let key = (
            schedule.step()[transfer],
            reduces,
            root,
            schedule.chunks()[transfer],
        );
        let index = *tree_of.entry(key).or_insert_with(|| {
            trees.push(Tree {
                by_switches: true,
                reduces,
                root,
                transfers: Vec::new(),
            });
            trees.len() - 1
        });
        trees[index].transfers.push(transfer);
    }
    trees
}

impl Router<'_> {
    /// The links of a tree, each with the largest of its shares.
    fn tree(&self, root: NodeId, others: &[NodeId], reduces: bool) -> Result<Route, RoutingError> {
        if self.routing.needs_links() {
            return Err(RoutingError::TreeRouting);
        }
        let mut most: BTreeMap<BundleId, Share> = BTreeMap::new();
        let mut latency_ps = 0;
        let mut hops = 0;
        for &other in others {
            let (src, dst) = if reduces {
                (other, root)
            } else {
                (root, other)
            };
            let route = self.routing.route(&self.network, src, dst, 0)?;
            latency_ps = latency_ps.max(route.latency_ps);
            hops = hops.max(route.hops);
            for &(bundle, share) in &route.shares {
                self.check_switch(bundle)?;
                let slot = most.entry(bundle).or_insert(share);
                *slot = (*slot).max(share);
            }
        }
        let root_class = self.network.bundles().class(root);
        for (bundle, share) in self.own_part(root, root_class, others[0], reduces)? {
            let slot = most.entry(bundle).or_insert(share);
            *slot = (*slot).max(share);
        }
        Ok(Route {
            shares: most.into_iter().collect(),
            latency_ps,
            hops,
        })
    }

    /// The links between the root and its first switches, on the way that its own part takes: up
    /// for a reduction, down for a multicast.
    fn own_part(
        &self,
        root: NodeId,
        root_class: ClassId,
        other: NodeId,
        reduces: bool,
    ) -> Result<Vec<(BundleId, Share)>, RoutingError> {
        let (src, dst) = if reduces {
            (root, other)
        } else {
            (other, root)
        };
        let mut shares = self.routing.route(&self.network, src, dst, 0)?.shares;
        shares.retain(|(bundle, _)| {
            let bundle = self.network.bundles().bundle(*bundle);
            root_class == if reduces { bundle.src } else { bundle.dst }
        });
        Ok(shares)
    }

    /// Refuses a bundle that leaves switches without the capability.
    fn check_switch(&self, bundle: BundleId) -> Result<(), RoutingError> {
        let bundles = self.network.bundles();
        let members = bundles.members(bundles.bundle(bundle).src);
        let unable = members.iter().find(|node| {
            self.fabric.node(**node).kind == NodeKind::Switch && !self.fabric.is_in_network(**node)
        });
        match unable {
            None => Ok(()),
            Some(node) => Err(RoutingError::NotInNetwork {
                switch: self.fabric.node(*node).name.clone(),
            }),
        }
    }
}
