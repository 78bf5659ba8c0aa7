//! Placement: schedules on a fabric become a workload of flows on resources.
//!
//! Each transfer is routed between the endpoints of its ranks; the bundles of links on the route,
//! and the reduction unit of the destination where the transfer reduces, are its resources. Routes
//! that repeat are stored once. `sync` adds joins, operations that load nothing: `Pairwise` lets a
//! rank enter a step when all messages of its previous step have arrived (the rendezvous oracle),
//! `Barrier` when everybody's have (the bulk-synchronous oracle).

mod changes;
mod orbits;
mod tree;

pub use changes::Changed;
pub use orbits::{FabricOrbits, place_orbits};

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::engine::workload::{NO_ROUTE, Workload, WorkloadBuilder, WorkloadError};
use crate::fabric::routing::{Network, Route, Routing, RoutingError};
use crate::fabric::{Bundles, Fabric};
use crate::ids::{BundleId, NodeId, RankId};
use crate::schedule::Schedule;

/// What holds a rank's next step back beside its data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sync {
    /// Nothing: a transfer starts when its data is there and its rank's earlier sends are served.
    #[default]
    None,
    /// Both ends' previous step.
    Pairwise,
    /// Everybody's previous step.
    Barrier,
}

impl Sync {
    /// All values, with their names.
    pub const ALL: [(&'static str, Self); 3] = [
        ("none", Self::None),
        ("pairwise", Self::Pairwise),
        ("barrier", Self::Barrier),
    ];
}

/// Why schedules cannot be placed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PlacementError {
    /// A transfer has no route.
    #[error(transparent)]
    Routing(#[from] RoutingError),
    /// The flows do not make a workload.
    #[error(transparent)]
    Workload(#[from] WorkloadError),
}

/// A schedule, where its ranks live, and when they start.
#[derive(Debug, Clone)]
pub struct Job<'a> {
    /// Who sends what to whom.
    pub schedule: &'a Schedule,
    /// The fabric node of each rank.
    pub nodes: &'a [NodeId],
    /// Start time of each rank, or one for all.
    pub starts_ps: &'a [u64],
}

impl Job<'_> {
    fn start_ps(&self, rank: usize) -> u64 {
        match self.starts_ps {
            [all] => *all,
            each => each.get(rank).copied().unwrap_or(0),
        }
    }
}

/// A flow of its own, for the engine without a collective.
#[derive(Debug, Clone)]
pub struct Flow {
    /// Where it starts.
    pub src: NodeId,
    /// Where it ends.
    pub dst: NodeId,
    /// Its bytes.
    pub size_bytes: u64,
    /// Earliest start.
    pub start_ps: u64,
    /// Flows whose bytes must have arrived before.
    pub depends_on: Vec<u32>,
    /// Flows that must have been served before.
    pub follows: Vec<u32>,
    /// Switches that pin its route; empty where the routing decides.
    pub via: Vec<NodeId>,
}

/// What a resource of the workload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resource {
    /// Links that always carry equal loads.
    Links(BundleId),
    /// The reduction unit of an endpoint.
    Reduction(NodeId),
}

/// A workload and what its operations and resources are.
#[derive(Debug, Clone)]
pub struct Placement {
    /// What the engine runs.
    pub workload: Workload,
    /// What each resource is.
    pub resources: Vec<Resource>,
    /// First resource of each phase after the first, where links change at a time.
    pub phase_starts: Vec<u32>,
    /// Operation of each transfer, job by job.
    pub op_of_transfer: Vec<Vec<u32>>,
    /// Where operations and resources stand for orbits: these, and the routes of single
    /// operations.
    pub orbits: Option<(Arc<FabricOrbits>, Workload)>,
}

impl Placement {
    /// The workload whose routes are those of single operations; it may have no operations.
    pub fn alone(&self) -> &Workload {
        self.orbits
            .as_ref()
            .map_or(&self.workload, |orbits| &orbits.1)
    }

    /// The phase whose links a resource is made of.
    pub fn phase(&self, resource: usize) -> usize {
        let starts = &self.phase_starts;
        starts.partition_point(|&start| start as usize <= resource)
    }

    /// The resources that one of the workload stands for, which all have its load.
    pub fn members(&self, resource: usize, nodes: &[NodeId]) -> Vec<Resource> {
        let resource = self.resources[resource];
        let Some((orbits, _)) = &self.orbits else {
            return vec![resource];
        };
        match resource {
            Resource::Links(bundle) => {
                let bundles = orbits.orbit(bundle).iter();
                bundles.map(|&bundle| Resource::Links(bundle)).collect()
            }
            Resource::Reduction(node) => {
                let rank = nodes.iter().position(|&other| other == node);
                let rank = rank.expect("the reduction units are those of the ranks");
                let ranks = orbits.ranks(RankId::from_index(rank));
                ranks
                    .map(|rank| Resource::Reduction(nodes[rank.index()]))
                    .collect()
            }
        }
    }
}

/// Which bundles a workload's links are merged into where no route is pinned.
pub fn bundles_for<'f>(fabric: &'f Fabric, routing: &dyn Routing) -> &'f Bundles {
    if routing.needs_links() {
        fabric.single_links()
    } else {
        fabric.bundles()
    }
}

/// Turns routes into workload routes, each distinct one once.
struct Router<'a> {
    fabric: &'a Fabric,
    network: Network<'a>,
    routing: &'a dyn Routing,
    builder: WorkloadBuilder,
    resources: Vec<Resource>,
    phase_starts: Vec<u32>,
    /// The route of pairs that no live path joins; none where they are an error.
    gap: Option<u32>,
    resource_of_bundle: FxHashMap<u32, u32>,
    resource_of_reduction: FxHashMap<u32, u32>,
    route_of: FxHashMap<(u32, u32, bool), u32>,
    occurrences: Occurrences,
}

/// How many flows each pair of nodes had.
pub type Occurrences = FxHashMap<(u32, u32), u64>;

impl<'a> Router<'a> {
    fn new(fabric: &'a Fabric, network: &Network<'a>, routing: &'a dyn Routing) -> Self {
        Self {
            fabric,
            network: *network,
            routing,
            builder: WorkloadBuilder::default(),
            resources: Vec::new(),
            phase_starts: Vec::new(),
            gap: None,
            resource_of_bundle: FxHashMap::default(),
            resource_of_reduction: FxHashMap::default(),
            route_of: FxHashMap::default(),
            occurrences: Occurrences::default(),
        }
    }

    /// The workload route of a transfer between two nodes.
    fn route(&mut self, src: NodeId, dst: NodeId, reduces: bool) -> Result<u32, RoutingError> {
        let reduces = reduces && self.fabric.reduction_rate_Bps(dst).is_some();
        if self.routing.per_occurrence() {
            let count = self.occurrences.entry((src.0, dst.0)).or_insert(0);
            let occurrence = *count;
            *count += 1;
            let route = self.routing.route(&self.network, src, dst, occurrence);
            return self.add_or_gap(route, reduces.then_some(dst));
        }
        let key = (src.0, dst.0, reduces);
        if let Some(&route) = self.route_of.get(&key) {
            return Ok(route);
        }
        let route = self.routing.route(&self.network, src, dst, 0);
        let route = self.add_or_gap(route, reduces.then_some(dst))?;
        self.route_of.insert(key, route);
        Ok(route)
    }

    fn add(&mut self, route: &Route, reduction: Option<NodeId>) -> u32 {
        let mut shares: Vec<(u32, u64, u64)> = route
            .shares
            .iter()
            .map(|&(bundle, share)| (self.links(bundle), share.num(), share.den()))
            .collect();
        if let Some(node) = reduction {
            shares.push((self.reduction(node), 1, 1));
        }
        self.builder
            .route(shares, route.latency_ps, self.fabric.software_ps())
    }

    /// What has been placed.
    fn placement(self, op_of_transfer: Vec<Vec<u32>>) -> Result<Placement, PlacementError> {
        Ok(Placement {
            workload: self.builder.build()?,
            resources: self.resources,
            phase_starts: self.phase_starts,
            op_of_transfer,
            orbits: None,
        })
    }

    fn links(&mut self, bundle: BundleId) -> u32 {
        *self.resource_of_bundle.entry(bundle.0).or_insert_with(|| {
            self.resources.push(Resource::Links(bundle));
            self.builder
                .resource(self.network.bundles().bundle(bundle).capacity_Bps)
        })
    }

    fn reduction(&mut self, node: NodeId) -> u32 {
        *self.resource_of_reduction.entry(node.0).or_insert_with(|| {
            self.resources.push(Resource::Reduction(node));
            let rate = self
                .fabric
                .reduction_rate_Bps(node)
                .expect("asked for before");
            self.builder.resource(rate)
        })
    }
}

/// Places jobs on a fabric.
pub fn place(
    fabric: &Fabric,
    network: &Network,
    routing: &dyn Routing,
    sync: Sync,
    jobs: &[Job],
) -> Result<Placement, PlacementError> {
    place_in(
        fabric,
        network,
        routing,
        sync,
        jobs,
        &[],
        Occurrences::default(),
    )
}

/// Places jobs on a fabric whose links change at times that ascend from above 0.
pub fn place_changing<'a>(
    fabric: &'a Fabric,
    network: &Network<'a>,
    routing: &'a dyn Routing,
    sync: Sync,
    jobs: &[Job],
    changes: &[Changed<'a>],
) -> Result<Placement, PlacementError> {
    let before = Occurrences::default();
    place_in(fabric, network, routing, sync, jobs, changes, before)
}

/// Places jobs on a fabric on which there were flows before.
pub fn place_after(
    fabric: &Fabric,
    network: &Network,
    routing: &dyn Routing,
    sync: Sync,
    jobs: &[Job],
    before: Occurrences,
) -> Result<Placement, PlacementError> {
    place_in(fabric, network, routing, sync, jobs, &[], before)
}

fn place_in<'a>(
    fabric: &'a Fabric,
    network: &Network<'a>,
    routing: &'a dyn Routing,
    sync: Sync,
    jobs: &[Job],
    changes: &[Changed<'a>],
    before: Occurrences,
) -> Result<Placement, PlacementError> {
    let mut router = Router::new(fabric, network, routing);
    router.occurrences = before;
    if !changes.is_empty() {
        router.allow_gaps();
    }
    let total = |edges: fn(&Schedule) -> usize| jobs.iter().map(|job| edges(job.schedule)).sum();
    router.builder.reserve(
        total(Schedule::len),
        total(|schedule| schedule.depends_on().n_items()),
        total(|schedule| schedule.follows().n_items()),
    );
    let mut op_of_transfer = Vec::with_capacity(jobs.len());
    for job in jobs {
        op_of_transfer.push(if job.schedule.is_in_network() {
            tree::place_job(&mut router, sync, job)?
        } else {
            place_job(&mut router, sync, job)?
        });
    }
    router.change_jobs(changes, jobs, &op_of_transfer)?;
    router.placement(op_of_transfer)
}

fn place_job(router: &mut Router, sync: Sync, job: &Job) -> Result<Vec<u32>, PlacementError> {
    let schedule = job.schedule;
    let mut ops: Vec<u32> = Vec::with_capacity(schedule.len());
    let mut joins = Joins::new(sync, job.nodes.len());
    for transfer in 0..schedule.len() {
        ops.push(place_transfer(router, &mut joins, job, transfer, &ops)?);
    }
    Ok(ops)
}

/// Places one transfer whose predecessors have been placed as `ops`.
fn place_transfer(
    router: &mut Router,
    joins: &mut Joins,
    job: &Job,
    transfer: usize,
    ops: &[u32],
) -> Result<u32, PlacementError> {
    let schedule = job.schedule;
    let (src, dst) = (
        schedule.src()[transfer].index(),
        schedule.dst()[transfer].index(),
    );
    let route = changes::job_route(router, job, transfer)?;
    let held_by = joins.before(&mut router.builder, schedule.step()[transfer], src, dst);
    let here = |&pred: &u32| ops[pred as usize];
    let placed = router.builder.op(
        route,
        schedule.size_of(transfer),
        job.start_ps(src),
        schedule
            .depends_on()
            .row(transfer)
            .iter()
            .map(here)
            .chain(held_by),
        schedule.follows().row(transfer).iter().map(here),
    );
    joins.after(placed, src, dst);
    Ok(placed)
}

/// A rank's own copy or reduction passes through its reduction unit, if that has a limit.
fn local_route(router: &mut Router, node: NodeId) -> u32 {
    if router.fabric.reduction_rate_Bps(node).is_none() {
        return NO_ROUTE;
    }
    let resource = router.reduction(node);
    let key = (node.0, node.0, true);
    if let Some(&route) = router.route_of.get(&key) {
        return route;
    }
    let route = router
        .builder
        .route([(resource, 1, 1)], 0, router.fabric.software_ps());
    router.route_of.insert(key, route);
    route
}

/// Joins between the steps of one job.
struct Joins {
    sync: Sync,
    step: Option<u32>,
    /// Operations since the last join: per rank for `Pairwise`, under key 0 for `Barrier`.
    pending: BTreeMap<usize, Vec<u32>>,
    /// Step of the pending operations of a rank.
    pending_step: Vec<u32>,
    join_of: Vec<Option<u32>>,
}

impl Joins {
    fn new(sync: Sync, n_ranks: usize) -> Self {
        Self {
            sync,
            step: None,
            pending: BTreeMap::new(),
            pending_step: vec![0; n_ranks],
            join_of: vec![None; n_ranks],
        }
    }

    /// The joins that hold back a transfer of `step` from `src` to `dst`.
    fn before(
        &mut self,
        builder: &mut WorkloadBuilder,
        step: u32,
        src: usize,
        dst: usize,
    ) -> impl Iterator<Item = u32> + use<> {
        let mut held_by = [None, None];
        match self.sync {
            Sync::None => {}
            Sync::Pairwise => {
                held_by = [
                    self.enter(builder, step, src),
                    self.enter(builder, step, dst),
                ];
            }
            Sync::Barrier => held_by[0] = self.enter(builder, step, 0),
        }
        self.step = Some(step);
        held_by.into_iter().flatten()
    }

    /// Lets a rank (or everybody, as rank 0) enter a step: one join over its last step's messages.
    fn enter(&mut self, builder: &mut WorkloadBuilder, step: u32, rank: usize) -> Option<u32> {
        if self.pending_step[rank] != step
            && let Some(ops) = self.pending.remove(&rank)
        {
            let before = self.join_of[rank];
            let join = builder.op(NO_ROUTE, (0, 1), 0, ops.into_iter().chain(before), []);
            self.join_of[rank] = Some(join);
        }
        self.pending_step[rank] = step;
        self.join_of[rank]
    }

    fn after(&mut self, op: u32, src: usize, dst: usize) {
        match self.sync {
            Sync::None => {}
            Sync::Pairwise => {
                self.pending.entry(src).or_default().push(op);
                self.pending.entry(dst).or_default().push(op);
            }
            Sync::Barrier => self.pending.entry(0).or_default().push(op),
        }
    }
}

/// Places flows of their own on a fabric.
pub fn place_flows(
    fabric: &Fabric,
    network: &Network,
    routing: &dyn Routing,
    flows: &[Flow],
) -> Result<Placement, PlacementError> {
    place_changing_flows(fabric, network, routing, flows, &[])
}

/// Places flows of their own on a fabric whose links change at times that ascend from above 0.
pub fn place_changing_flows<'a>(
    fabric: &'a Fabric,
    network: &Network<'a>,
    routing: &'a dyn Routing,
    flows: &[Flow],
    changes: &[Changed<'a>],
) -> Result<Placement, PlacementError> {
    let mut router = Router::new(fabric, network, routing);
    if !changes.is_empty() {
        router.allow_gaps();
    }
    let mut ops = Vec::with_capacity(flows.len());
    for flow in flows {
        let route = changes::flow_route(&mut router, flow)?;
        ops.push(router.builder.op(
            route,
            (u128::from(flow.size_bytes), 1),
            flow.start_ps,
            flow.depends_on.iter().copied(),
            flow.follows.iter().copied(),
        ));
    }
    router.change_flows(changes, flows)?;
    router.placement(vec![ops])
}
