//! Placement of a symmetric schedule: one operation per orbit, one resource per orbit of resources.
//!
//! Let a group turn ranks, and let automorphisms of the fabric extend its turns. They permute
//! transfers and bundles, and a transfer's image takes the images of its bundles. So all
//! transfers of an orbit O put on each bundle of an orbit B the same load together: |O| / |B| times
//! what one of them puts on all of B. Equal loads and capacities give equal rates (the argument of
//! `engine/symmetry/quotient.rs`), so one operation of that weight on one resource of B's
//! capacity has the times of all.

use std::cell::OnceCell;
use std::sync::{Arc, Mutex};

use rustc_hash::FxHashMap;

use super::{Placement, PlacementError, Resource};
use crate::csr::Csr;
use crate::engine::workload::{NO_ROUTE, WorkloadBuilder};
use crate::fabric::routing::{Network, Routing, Share};
use crate::fabric::{Automorphism, AutomorphismSearch, Bundles, Fabric};
use crate::ids::{BundleId, NodeId, RankId};
use crate::schedule::symmetry::{Axis, Group, Symmetry};
use crate::schedule::{Op, Schedule};

/// A group of turns of ranks that a fabric does not tell apart, and the orbits of its bundles.
#[derive(Debug)]
pub struct FabricOrbits {
    group: Arc<Group>,
    orbit_of: Vec<u32>,
    bundles: Csr<BundleId>,
}

/// What is known of the symmetries of a fabric and a list of ranks.
#[derive(Debug, Default)]
struct Known {
    /// The automorphisms that extend the turns of an axis, if there are.
    axes: FxHashMap<Axis, Option<Arc<Vec<Automorphism>>>>,
    orbits: Vec<Arc<FabricOrbits>>,
}

impl FabricOrbits {
    /// The largest group of a schedule's symmetries that are symmetries of the fabric too, with
    /// rank r at `nodes[r]` on a grid of these sizes. What was found out is kept with the fabric.
    pub fn find(
        fabric: &Fabric,
        bundles: &Bundles,
        nodes: &[NodeId],
        grid: &[u32],
        symmetry: &Symmetry,
    ) -> Option<Arc<Self>> {
        if symmetry.ranks.is_empty() {
            return None;
        }
        let kept = fabric.memo(nodes, || Mutex::new(Known::default()));
        let n_ranks = nodes.len() as u32;
        // Never waits, as the memo does not.
        let mut own = Known::default();
        let mut guard = kept.try_lock().ok();
        let known = guard.as_deref_mut().unwrap_or(&mut own);
        let axes = &mut known.axes;
        let search = OnceCell::new();
        let group = symmetry.group(n_ranks, grid, |axis| {
            let found = axes.entry(axis).or_insert_with(|| {
                let group = Group::new(n_ranks, vec![axis]);
                let search = search.get_or_init(|| AutomorphismSearch::new(fabric, bundles));
                extensions(search.as_ref()?, nodes, &group).map(Arc::new)
            });
            found.is_some()
        })?;
        let is_it = |orbits: &&Arc<Self>| orbits.group.axes() == group.axes();
        if let Some(orbits) = known.orbits.iter().find(is_it) {
            return Some(orbits.clone());
        }
        let of_axes = group.axes().iter();
        let automorphisms: Vec<&Automorphism> = of_axes
            .filter_map(|axis| known.axes[axis].as_deref())
            .flatten()
            .collect();
        let orbits = Arc::new(Self::new(group, bundles, &automorphisms));
        known.orbits.push(orbits.clone());
        Some(orbits)
    }

    fn new(group: Group, bundles: &Bundles, automorphisms: &[&Automorphism]) -> Self {
        let n_bundles = bundles.bundles().len();
        let mut root: Vec<u32> = (0..n_bundles as u32).collect();
        for automorphism in automorphisms {
            for bundle in 0..n_bundles {
                let image = automorphism.bundle(BundleId::from_index(bundle)).0;
                let (a, b) = (find(&mut root, bundle as u32), find(&mut root, image));
                // The smaller id stays root, so that an orbit's root is its first bundle.
                root[a.max(b) as usize] = a.min(b);
            }
        }
        let mut orbit_of: Vec<u32> = vec![0; n_bundles];
        let mut n_orbits = 0;
        for bundle in 0..n_bundles {
            let first = find(&mut root, bundle as u32) as usize;
            if first == bundle {
                orbit_of[bundle] = n_orbits;
                n_orbits += 1;
            } else {
                orbit_of[bundle] = orbit_of[first];
            }
        }
        let row_of = |bundle: usize| Some(orbit_of[bundle] as usize);
        let members = Csr::grouped(n_orbits as usize, n_bundles, row_of, BundleId::from_index);
        Self {
            group: Arc::new(group),
            orbit_of,
            bundles: members,
        }
    }

    /// The group.
    pub fn group(&self) -> &Arc<Group> {
        &self.group
    }

    /// The bundles of the orbit of one, ascending.
    pub fn orbit(&self, bundle: BundleId) -> &[BundleId] {
        self.bundles.row(self.orbit_of[bundle.index()] as usize)
    }

    /// The ranks of the orbit of one, ascending.
    pub fn ranks(&self, rank: RankId) -> impl Iterator<Item = RankId> {
        let row = self.group.home(rank).row;
        let ranks = (0..self.group.n_ranks()).map(RankId);
        ranks.filter(move |&other| self.group.home(other).row == row)
    }
}

/// The root of an element of a forest, with the path halved on the way.
fn find(root: &mut [u32], mut element: u32) -> u32 {
    while root[element as usize] != element {
        root[element as usize] = root[root[element as usize] as usize];
        element = root[element as usize];
    }
    element
}

/// Automorphisms that move the ranks' nodes as the generators of a group move the ranks.
fn extensions(
    search: &AutomorphismSearch,
    nodes: &[NodeId],
    group: &Group,
) -> Option<Vec<Automorphism>> {
    let of_generator = group.generators().map(|element| {
        let ranks = (0..nodes.len()).map(RankId::from_index);
        let images: Vec<NodeId> = ranks
            .map(|rank| nodes[group.turned(rank, element).index()])
            .collect();
        search.extending(nodes, &images)
    });
    of_generator.collect()
}

/// Places the representatives of a symmetric schedule, all ranks starting at `start_ps`. `None`
/// if a weight does not fit in 64 bits.
pub fn place_orbits(
    network: &Network,
    routing: &dyn Routing,
    representatives: &Schedule,
    orbits: &Arc<FabricOrbits>,
    nodes: &[NodeId],
    start_ps: u64,
) -> Result<Option<Placement>, PlacementError> {
    let mut router = OrbitRouter {
        network,
        routing,
        orbits,
        nodes,
        whole: WorkloadBuilder::default(),
        alone: WorkloadBuilder::default(),
        resources: Vec::new(),
        resource_of: FxHashMap::default(),
        route_of: FxHashMap::default(),
        alike: FxHashMap::default(),
        loads: Vec::new(),
    };
    let edges = (representatives.depends_on(), representatives.follows());
    let n_ops = representatives.len();
    router
        .whole
        .reserve(n_ops, edges.0.n_items(), edges.1.n_items());
    for transfer in 0..n_ops {
        let (src, dst) = (
            representatives.src()[transfer],
            representatives.dst()[transfer],
        );
        let Some(route) = router.route(src, dst, representatives.op()[transfer])? else {
            return Ok(None);
        };
        router.whole.op(
            route,
            representatives.size_of(transfer),
            start_ps,
            edges.0.row(transfer).iter().copied(),
            edges.1.row(transfer).iter().copied(),
        );
    }
    Ok(Some(Placement {
        phase_starts: Vec::new(),
        workload: router.whole.build()?,
        resources: router.resources,
        op_of_transfer: vec![(0..n_ops as u32).collect()],
        orbits: Some((orbits.clone(), router.alone.build()?)),
    }))
}

/// Resource, numerator and denominator of each load of a whole orbit and of one operation alone; and
/// the latency.
type Loads = ([Vec<(u32, u64, u64)>; 2], u64);

struct OrbitRouter<'a> {
    network: &'a Network<'a>,
    routing: &'a dyn Routing,
    orbits: &'a FabricOrbits,
    nodes: &'a [NodeId],
    /// With the loads of whole orbits.
    whole: WorkloadBuilder,
    /// With the loads of single operations.
    alone: WorkloadBuilder,
    resources: Vec<Resource>,
    resource_of: FxHashMap<Resource, u32>,
    route_of: FxHashMap<(RankId, RankId, Op), u32>,
    /// Routes that load the orbits alike are one.
    alike: FxHashMap<Loads, u32>,
    /// Of one route: orbit, sum and maximum of the shares on its bundles.
    loads: Vec<(u32, Share, Share)>,
}

impl OrbitRouter<'_> {
    /// The route of the transfer's image that ends at a representative: all images load each orbit
    /// alike, and routes to few ends share what was found on the way.
    fn route(&mut self, src: RankId, dst: RankId, op: Op) -> Result<Option<u32>, PlacementError> {
        let group = &self.orbits.group;
        let home = group.home(dst);
        let src = group.turned_back(src, home.element);
        let dst = group.representatives()[home.row as usize];
        if let Some(&route) = self.route_of.get(&(src, dst, op)) {
            return Ok(Some(route));
        }
        let fabric = self.network.fabric();
        let (from, to) = (self.nodes[src.index()], self.nodes[dst.index()]);
        let reduces = op != Op::Copy && fabric.reduction_rate_Bps(to).is_some();
        if op == Op::Local && !reduces {
            return Ok(Some(NO_ROUTE));
        }
        let mut whole = Vec::new();
        let mut alone = Vec::new();
        let mut latency_ps = 0;
        if op != Op::Local {
            let route = self.routing.route(self.network, from, to, 0)?;
            latency_ps = route.latency_ps;
            if self.load(&route.shares).is_none() {
                return Ok(None);
            }
            for index in 0..self.loads.len() {
                let (orbit, sum, most) = self.loads[index];
                let members = self.orbits.bundles.row(orbit as usize);
                let resource = Resource::Links(members[0]);
                let rate = self.network.bundles().bundle(members[0]).capacity_Bps;
                let times = Share::new(self.orbits.group.order().into(), members.len() as u64);
                let Some(load) = sum.times(times) else {
                    return Ok(None);
                };
                let resource = self.resource(resource, rate);
                whole.push((resource, load.num(), load.den()));
                alone.push((resource, most.num(), most.den()));
            }
        }
        if reduces {
            // An orbit of transfers ends once at each rank of an orbit of ranks.
            let rate = fabric.reduction_rate_Bps(to).expect("asked for before");
            let resource = self.resource(Resource::Reduction(to), rate);
            whole.push((resource, 1, 1));
            alone.push((resource, 1, 1));
        }
        for loads in [&mut whole, &mut alone] {
            loads.sort_unstable();
        }
        let loads = ([whole, alone], latency_ps);
        let route = if let Some(&route) = self.alike.get(&loads) {
            route
        } else {
            let [whole, alone] = loads.0.each_ref().map(|loads| loads.iter().copied());
            let route = self.whole.route(whole, latency_ps, fabric.software_ps());
            self.alone.route(alone, latency_ps, fabric.software_ps());
            self.alike.insert(loads, route);
            route
        };
        self.route_of.insert((src, dst, op), route);
        Ok(Some(route))
    }

    /// Adds the shares up by orbit; `None` if a sum does not fit.
    fn load(&mut self, shares: &[(BundleId, Share)]) -> Option<()> {
        self.loads.clear();
        for &(bundle, share) in shares {
            let orbit = self.orbits.orbit_of[bundle.index()];
            match self.loads.iter_mut().find(|load| load.0 == orbit) {
                Some((_, sum, most)) => {
                    *sum = sum.plus(share)?;
                    if most.is_less(share) {
                        *most = share;
                    }
                }
                None => self.loads.push((orbit, share, share)),
            }
        }
        Some(())
    }

    fn resource(&mut self, resource: Resource, rate_bps: u64) -> u32 {
        *self.resource_of.entry(resource).or_insert_with(|| {
            self.resources.push(resource);
            self.alone.resource(rate_bps);
            self.whole.resource(rate_bps)
        })
    }
}
