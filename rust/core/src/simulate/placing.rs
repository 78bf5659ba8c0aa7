//! Work on the fabric of each phase: which flows on which resources.

use std::sync::Arc;

use super::{PlacedJob, Settings, Work};
use crate::error::Error;
use crate::fabric::routing::{Network, Routing};
use crate::fabric::{Bundles, Fabric, Phase};
use crate::ids::NodeId;
use crate::placement::{self, Changed, Job, Placement};

/// Per phase the bundles that were merged for this run alone.
pub(super) type OwnBundles = Vec<Option<Bundles>>;

/// A calibrated fabric, and the wires that its jobs run on. Flows are no collective of a library:
/// they see the links as they are.
pub(super) fn on_wires(fabric: Arc<Fabric>, work: &Work) -> (Option<Arc<Fabric>>, Arc<Fabric>) {
    match (fabric.calibration(), work) {
        (Some(_), Work::Jobs(_)) => {
            let wires = fabric.wires().clone();
            (Some(fabric), wires)
        }
        _ => (None, fabric),
    }
}

pub(super) fn rank_nodes(fabric: &Fabric, jobs: &[PlacedJob]) -> Result<Vec<Vec<NodeId>>, Error> {
    jobs.iter()
        .map(|job| Ok(fabric.rank_nodes(&job.endpoints)?))
        .collect()
}

/// Places work on a fabric and on what becomes of it.
pub(super) fn place(
    fabric: &Fabric,
    work: &Work,
    settings: &Settings,
    phases: &[Phase],
) -> Result<(Placement, OwnBundles), Error> {
    let pinned = pinned_nodes(work);
    // Every phase has a routing of its own: some remember what they have placed.
    let routing = settings.routing()?;
    let later = phases.iter().map(|_| settings.routing());
    let later: Vec<Box<dyn Routing>> = later.collect::<Result<_, _>>()?;
    let mut own: OwnBundles = (0..=phases.len()).map(|_| None).collect();
    let (first, rest) = own.split_at_mut(1);
    let changes = phases.iter().zip(rest).zip(&later);
    let changes: Vec<Changed> = changes
        .map(|((phase, own), routing)| Changed {
            at_ps: phase.at_ps,
            fabric: &phase.fabric,
            network: merged(&phase.fabric, &**routing, &pinned, work, own),
            routing: &**routing,
        })
        .collect();
    let network = merged(fabric, &*routing, &pinned, work, &mut first[0]);
    let placement = match work {
        Work::Jobs(jobs) => {
            let nodes = rank_nodes(fabric, jobs)?;
            let mut placed = Vec::with_capacity(jobs.len());
            for (job, nodes) in jobs.iter().zip(&nodes) {
                placed.push(Job {
                    schedule: job.schedule()?,
                    nodes,
                    starts_ps: &job.starts_ps,
                });
            }
            let sync = settings.sync;
            placement::place_changing(fabric, &network, &*routing, sync, &placed, &changes)?
        }
        Work::Flows(flows) => {
            placement::place_changing_flows(fabric, &network, &*routing, flows, &changes)?
        }
    };
    Ok((placement, own))
}

/// A fabric with its links merged as the routing and pinned routes allow.
fn merged<'a>(
    fabric: &'a Fabric,
    routing: &dyn Routing,
    pinned: &[NodeId],
    work: &Work,
    own: &'a mut Option<Bundles>,
) -> Network<'a> {
    let bundles = match shared(fabric, routing, work) {
        Some(bundles) => bundles,
        None => own.insert(Bundles::coarsest(fabric, pinned)),
    };
    Network::with_bundles(fabric, bundles)
}

/// The bundles of the fabric itself that work runs on; none where links of pinned routes must not be
/// merged but others may.
pub(super) fn shared<'f>(
    fabric: &'f Fabric,
    routing: &dyn Routing,
    work: &Work,
) -> Option<&'f Bundles> {
    match work {
        Work::Flows(flows) if flows.iter().any(|flow| !flow.via.is_empty()) => {
            let all = flows.iter().all(|flow| !flow.via.is_empty());
            (all || routing.needs_links()).then(|| fabric.single_links())
        }
        _ => Some(placement::bundles_for(fabric, routing)),
    }
}

/// The nodes that pinned routes pass, each once.
fn pinned_nodes(work: &Work) -> Vec<NodeId> {
    let Work::Flows(flows) = work else {
        return Vec::new();
    };
    let mut pinned: Vec<NodeId> = flows.iter().flat_map(|f| f.via.iter().copied()).collect();
    pinned.sort_unstable();
    pinned.dedup();
    pinned
}

/// Names the first transfer of an operation that no live path serves.
pub(super) fn cut_off(
    fabric: &Fabric,
    work: &Work,
    placement: &Placement,
    op: u32,
    since_ps: u64,
) -> Error {
    let mut found = placement.op_of_transfer.iter().enumerate();
    let (job, transfer) = found
        .find_map(|(job, ops)| Some((job, ops.iter().position(|&other| other == op)?)))
        .expect("joins need no path");
    let ends = match work {
        Work::Flows(flows) => [flows[transfer].src, flows[transfer].dst],
        Work::Jobs(jobs) => {
            let schedule = jobs[job].schedule().expect("it was placed");
            let rank = [schedule.src()[transfer], schedule.dst()[transfer]];
            rank.map(|rank| {
                let endpoint = jobs[job].endpoints[rank.index()];
                fabric.endpoint(endpoint).expect("it was placed")
            })
        }
    };
    let [src, dst] = ends.map(|node| fabric.node(node).name.clone());
    Error::CutOff {
        transfer,
        src,
        dst,
        since_ps,
    }
}
