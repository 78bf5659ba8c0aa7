//! Links that change while operations run: the same operations, on the routes of each phase.
//!
//! Every phase has a fabric of its own, and resources of its own: equal links may be merged in one
//! and not in the other. The routing looks at each phase afresh and passes the transfers in schedule
//! order, as if the run began with it. A transfer whose ends no live path joins gets a route that
//! never serves; it matters only if the transfer is under way or released in that phase.

use super::{Flow, Job, PlacementError, Router, local_route, tree};
use crate::engine::workload::{NEVER_PS, NO_ROUTE};
use crate::fabric::Fabric;
use crate::fabric::routing::{Network, Route, Routing, RoutingError, pinned};
use crate::schedule::Op;

/// A fabric from some time on.
#[derive(Debug, Clone, Copy)]
pub struct Changed<'a> {
    /// From when on.
    pub at_ps: u64,
    /// With other live rates than before.
    pub fabric: &'a Fabric,
    /// The same with its links merged.
    pub network: Network<'a>,
    /// Knows nothing of the phases before.
    pub routing: &'a dyn Routing,
}

impl<'a> Router<'a> {
    /// Lets pairs without a live path have a route that never serves.
    pub(super) fn allow_gaps(&mut self) {
        let software_ps = self.fabric.software_ps();
        self.gap = Some(self.builder.route([], NEVER_PS, software_ps));
    }

    /// The workload route of what the routing found, or of nothing where that is allowed.
    pub(super) fn add_or_gap(
        &mut self,
        route: Result<Route, RoutingError>,
        reduction: Option<crate::ids::NodeId>,
    ) -> Result<u32, RoutingError> {
        match (route, self.gap) {
            (
                Err(RoutingError::Unreachable { .. } | RoutingError::FailedLink { .. }),
                Some(gap),
            ) => Ok(gap),
            (route, _) => Ok(self.add(&route?, reduction)),
        }
    }

    /// Goes on with the fabric of another phase.
    fn enter(&mut self, changed: &Changed<'a>) {
        self.fabric = changed.fabric;
        self.network = changed.network;
        self.routing = changed.routing;
        self.phase_starts.push(self.resources.len() as u32);
        self.resource_of_bundle.clear();
        self.resource_of_reduction.clear();
        self.route_of.clear();
        self.occurrences.clear();
    }

    /// Gives the operations of jobs the routes of later phases.
    pub(super) fn change_jobs(
        &mut self,
        changes: &[Changed<'a>],
        jobs: &[Job],
        ops: &[Vec<u32>],
    ) -> Result<(), PlacementError> {
        for changed in changes {
            self.enter(changed);
            let mut routes = vec![NO_ROUTE; self.builder.n_ops() as usize];
            for (job, ops) in jobs.iter().zip(ops) {
                if job.schedule.is_in_network() {
                    for tree in tree::trees(job) {
                        let route = tree::route(self, job, &tree)?;
                        routes[ops[tree.transfers[0]] as usize] = route;
                    }
                } else {
                    for (transfer, &op) in ops.iter().enumerate() {
                        routes[op as usize] = job_route(self, job, transfer)?;
                    }
                }
            }
            self.builder.change(changed.at_ps, routes);
        }
        Ok(())
    }

    /// Gives flows of their own the routes of later phases.
    pub(super) fn change_flows(
        &mut self,
        changes: &[Changed<'a>],
        flows: &[Flow],
    ) -> Result<(), PlacementError> {
        for changed in changes {
            self.enter(changed);
            let routes = flows.iter().map(|flow| flow_route(self, flow));
            let routes = routes.collect::<Result<_, _>>()?;
            self.builder.change(changed.at_ps, routes);
        }
        Ok(())
    }
}

/// The workload route of one transfer.
pub(super) fn job_route(
    router: &mut Router,
    job: &Job,
    transfer: usize,
) -> Result<u32, RoutingError> {
    let schedule = job.schedule;
    let src = job.nodes[schedule.src()[transfer].index()];
    let dst = job.nodes[schedule.dst()[transfer].index()];
    match schedule.op()[transfer] {
        Op::Local => Ok(local_route(router, dst)),
        op => router.route(src, dst, op == Op::Reduce),
    }
}

/// The workload route of one flow.
pub(super) fn flow_route(router: &mut Router, flow: &Flow) -> Result<u32, RoutingError> {
    if flow.src == flow.dst {
        return Ok(NO_ROUTE);
    }
    if flow.via.is_empty() {
        return router.route(flow.src, flow.dst, false);
    }
    let route = pinned(&router.network, flow.src, flow.dst, &flow.via);
    router.add_or_gap(route, None)
}
