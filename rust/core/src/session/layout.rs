//! Where flows and collectives run on a fabric as it is at one time.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::engine::online::{Course, Graph, Path, Tail, Wires};
use crate::error::Error;
use crate::fabric::routing::{Network, Route, Routing, pinned};
use crate::fabric::{Bundles, Fabric};
use crate::ids::NodeId;
use crate::placement::{Job, Occurrences, Resource, Sync, place_after};
use crate::schedule::Schedule;

/// Paths kept to be used again; at some 250 bytes each, 16 MB.
const PATHS_MAX: usize = 1 << 16;

/// What runs, apart from the links that it takes.
#[derive(Debug, Clone)]
pub(super) enum Work {
    /// One flow.
    Flow {
        src: NodeId,
        dst: NodeId,
        /// Which flow of its pair it is.
        occurrence: u64,
        /// What it passes, where that is pinned.
        via: Vec<NodeId>,
    },
    /// A collective.
    Collective(Arc<Collective>),
}

/// A schedule, where its ranks live, and when they start.
#[derive(Debug)]
pub(super) struct Collective {
    pub(super) schedule: Arc<Schedule>,
    pub(super) nodes: Vec<NodeId>,
    pub(super) starts_ps: Vec<u64>,
    /// How many flows of each of its pairs there were before.
    pub(super) before: Occurrences,
    /// What its library adds.
    pub(super) tail: Tail,
}

/// A fabric at one time, and what is known of the ways through it.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) fabric: Arc<Fabric>,
    routing: Arc<dyn Routing>,
    /// Whether every link is a resource of its own, as pinned routes need.
    pub(super) has_single_links: bool,
    pub(super) wires: Wires,
    resource_of: FxHashMap<Resource, u32>,
    path_of: FxHashMap<(NodeId, NodeId), Arc<Path>>,
    /// What collectives run on where the fabric is calibrated, once one does.
    bare: Option<Bare>,
}

/// A calibrated fabric without what its calibration speaks for, on the same resources.
#[derive(Debug, Clone)]
struct Bare {
    fabric: Arc<Fabric>,
    bundles: Arc<Bundles>,
}

impl Layout {
    pub(super) fn new(
        fabric: Arc<Fabric>,
        routing: Arc<dyn Routing>,
        has_single_links: bool,
    ) -> Self {
        Self {
            has_single_links: has_single_links || routing.needs_links(),
            fabric,
            routing,
            wires: Wires::default(),
            resource_of: FxHashMap::default(),
            path_of: FxHashMap::default(),
            bare: None,
        }
    }

    /// A copy for a session that goes its own way.
    pub(super) fn fork(&self) -> Self {
        let routing = self.routing.fork();
        Self {
            fabric: self.fabric.clone(),
            routing: routing.map_or_else(|| self.routing.clone(), Into::into),
            has_single_links: self.has_single_links,
            wires: self.wires.clone(),
            resource_of: self.resource_of.clone(),
            path_of: self.path_of.clone(),
            bare: self.bare.clone(),
        }
    }

    /// Whether a pair's flows take different ways.
    pub(super) fn counts_occurrences(&self) -> bool {
        self.routing.per_occurrence()
    }

    /// Where something runs.
    pub(super) fn course(&mut self, work: &Work) -> Result<Course, Error> {
        match work {
            Work::Flow {
                src,
                dst,
                occurrence,
                via,
            } => Ok(Course::Flow(self.path(*src, *dst, *occurrence, via)?)),
            Work::Collective(collective) => Ok(Course::Graph(Arc::new(self.graph(collective)?))),
        }
    }

    fn path(
        &mut self,
        src: NodeId,
        dst: NodeId,
        occurrence: u64,
        via: &[NodeId],
    ) -> Result<Arc<Path>, Error> {
        let is_kept = via.is_empty() && !self.routing.per_occurrence();
        if is_kept && let Some(path) = self.path_of.get(&(src, dst)) {
            return Ok(path.clone());
        }
        let fabric = self.fabric.clone();
        let network = Network::with_bundles(&fabric, self.bundles(&fabric));
        let route = if via.is_empty() {
            self.routing.route(&network, src, dst, occurrence)?
        } else {
            pinned(&network, src, dst, via)?
        };
        let path = Arc::new(self.path_on(network.bundles(), &route)?);
        if is_kept {
            if self.path_of.len() >= PATHS_MAX {
                self.path_of.clear();
            }
            self.path_of.insert((src, dst), path.clone());
        }
        Ok(path)
    }

    fn bundles<'f>(&self, fabric: &'f Fabric) -> &'f Bundles {
        if self.has_single_links {
            fabric.single_links()
        } else {
            fabric.bundles()
        }
    }

    fn path_on(&mut self, bundles: &Bundles, route: &Route) -> Result<Path, Error> {
        let mut shares = Vec::with_capacity(route.shares.len());
        for &(bundle, share) in &route.shares {
            let rate_bps = bundles.bundle(bundle).capacity_Bps;
            let resource = self.resource(Resource::Links(bundle), rate_bps);
            shares.push((resource, share.num(), share.den()));
        }
        Ok(self.wires.path(shares, route.latency_ps)?)
    }

    fn resource(&mut self, resource: Resource, rate_bps: u64) -> u32 {
        let wires = &mut self.wires;
        let known = self.resource_of.entry(resource);
        *known.or_insert_with(|| wires.resource(rate_bps))
    }

    /// The operations of a collective, as a batch run has them.
    fn graph(&mut self, collective: &Collective) -> Result<Graph, Error> {
        let bare = self.bare();
        let whole = self.fabric.clone();
        let (fabric, bundles) = match &bare {
            Some(bare) => (&bare.fabric, &*bare.bundles),
            None => (&whole, self.bundles(&whole)),
        };
        let network = Network::with_bundles(fabric, bundles);
        let job = Job {
            schedule: &collective.schedule,
            nodes: &collective.nodes,
            starts_ps: &collective.starts_ps,
        };
        let before = collective.before.clone();
        let placed = place_after(fabric, &network, &*self.routing, Sync::None, &[job], before)?;
        let workload = placed.workload;
        let mut resources = Vec::with_capacity(placed.resources.len());
        for (index, &resource) in placed.resources.iter().enumerate() {
            let rate_bps = workload.capacities[index] / u128::from(workload.scales[index]);
            let rate_bps = u64::try_from(rate_bps).expect("rates have 64 bits");
            resources.push(self.resource(resource, rate_bps));
        }
        let mut paths = Vec::with_capacity(workload.latencies_ps.len());
        for (row, &latency_ps) in workload.routes.rows().zip(&workload.latencies_ps) {
            let shares = row.iter().map(|incidence| {
                let scale = workload.scales[incidence.resource as usize];
                let common = num_integer::gcd(incidence.weight, scale);
                let resource = resources[incidence.resource as usize];
                (resource, incidence.weight / common, scale / common)
            });
            paths.push(Arc::new(self.wires.path(shares.collect(), latency_ps)?));
        }
        Ok(Graph::new(workload, paths, collective.tail))
    }

    fn bare(&mut self) -> Option<Bare> {
        self.fabric.calibration()?;
        let bare = self.bare.take().unwrap_or_else(|| Bare {
            fabric: self.fabric.wires().clone(),
            bundles: Arc::new(self.bundles(&self.fabric).on_wires(&self.fabric)),
        });
        self.bare = Some(bare.clone());
        Some(bare)
    }
}
