//! Reports: what a finished simulation says per resource, link, rank and job.

use crate::bounds;
use crate::engine::number::Number;
use crate::error::Error;
use crate::ids::{NodeId, RankId};
use crate::placement::Resource;
use crate::simulate::{Simulation, Source, Work};

/// Use of one resource over the whole run.
#[derive(Debug, Clone, PartialEq)]
pub struct ResourceUse {
    /// Name of its first link, "(+k)" where k more carry the same load, or of the reduction unit.
    pub name: String,
    /// How many links.
    pub n_links: u32,
    /// Capacity in bytes per second.
    pub rate_bps: u64,
    /// Bytes it carried.
    pub bytes: f64,
    /// Time it needs for these bytes at full rate, in picoseconds.
    pub least_ps: f64,
    /// The same as a share of the time during which the resource is there: the run's, or that of the
    /// phase between two changes of links.
    pub utilisation: f64,
}

/// Use of one link.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinkUse {
    /// Bytes it carried.
    pub bytes: f64,
    /// Time during which some flow crossed it, in whole picoseconds.
    pub busy_ps: u64,
    /// Bytes over what it could carry in the run's time.
    pub utilisation: f64,
}

/// Name and number of links of a resource of one phase; where links change at a time, the name says
/// from when on it is meant.
pub fn resource_name(simulation: &Simulation, phase: usize, resource: Resource) -> (String, u32) {
    let fabric = simulation.fabric();
    let since = match phase.checked_sub(1) {
        None => String::new(),
        Some(change) => format!(" from {} ps", simulation.phases()[change].at_ps),
    };
    match resource {
        Resource::Links(bundle) => {
            let links = simulation.bundles(phase).links(bundle);
            let first = fabric.link_name(links[0]);
            let more = links.len() - 1;
            let name = if more == 0 {
                first
            } else {
                format!("{first} (+{more})")
            };
            (name + &since, links.len() as u32)
        }
        Resource::Reduction(node) => (format!("{} reduction{since}", fabric.node(node).name), 0),
    }
}

/// Each resource and the time that it needs for what it carries. Where links change at a time, that
/// follows from the run alone; a lower bound knows nothing of it.
fn uses(simulation: &Simulation) -> Result<Vec<f64>, Error> {
    if let Some(planned) = simulation.planned() {
        return Ok(planned.plan().loads().at(planned.size_bytes()).collect());
    }
    if !simulation.phases().is_empty() {
        return simulation.served_ps();
    }
    let times = bounds::resource_times(&simulation.placement().workload);
    Ok(times.into_iter().map(|time| time.value()).collect())
}

/// The use of a resource of the workload, under the name of one that it stands for.
fn resource_use(
    simulation: &Simulation,
    resource: usize,
    member: Resource,
    least_ps: f64,
) -> ResourceUse {
    let workload = &simulation.placement().workload;
    let rate = workload.capacities[resource] / u128::from(workload.scales[resource]);
    let rate_bps = u64::try_from(rate).unwrap_or(u64::MAX);
    let phase = simulation.placement().phase(resource);
    let (name, n_links) = resource_name(simulation, phase, member);
    let time_ps = if simulation.phases().is_empty() {
        simulation.time_ps() as f64
    } else {
        simulation.lasts_ps(phase) as f64
    };
    ResourceUse {
        name,
        n_links,
        rate_bps,
        bytes: least_ps * rate_bps as f64 / 1e12,
        least_ps,
        utilisation: if time_ps > 0.0 {
            least_ps / time_ps
        } else {
            0.0
        },
    }
}

/// The most utilised resource, of several the first link, or the first reduction unit.
pub fn heaviest(simulation: &Simulation) -> Result<Option<ResourceUse>, Error> {
    let resources = &simulation.placement().resources;
    let uses = uses(simulation)?;
    let best = match simulation.planned() {
        Some(planned) => planned.plan().loads().heaviest(),
        None => (0..uses.len()).max_by(|&a, &b| {
            let later = resources[b].cmp(&resources[a]);
            uses[a].total_cmp(&uses[b]).then(later)
        }),
    };
    // An orbit's own resource is the first of its members.
    let best = best.filter(|&resource| uses[resource] > 0.0);
    Ok(
        best.map(|resource| {
            resource_use(simulation, resource, resources[resource], uses[resource])
        }),
    )
}

/// All resources, most utilised first, ties in the order of links and reduction units.
pub fn bottlenecks(simulation: &Simulation) -> Result<Vec<ResourceUse>, Error> {
    let nodes = nodes(simulation);
    let mut all: Vec<(f64, Resource, usize)> = Vec::new();
    for (resource, least_ps) in uses(simulation)?.into_iter().enumerate() {
        let members = simulation.placement().members(resource, &nodes);
        all.extend(
            members
                .into_iter()
                .map(|member| (least_ps, member, resource)),
        );
    }
    all.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let each = all.into_iter();
    Ok(each
        .map(|(least_ps, member, resource)| resource_use(simulation, resource, member, least_ps))
        .collect())
}

/// The nodes of the ranks of a planned collective, which is the only job of its run.
fn nodes(simulation: &Simulation) -> Vec<NodeId> {
    match simulation.work() {
        Work::Jobs(jobs) if jobs.len() == 1 => {
            let nodes = simulation.fabric().rank_nodes(&jobs[0].endpoints);
            nodes.expect("the run has found them")
        }
        _ => Vec::new(),
    }
}

/// Use of every link of the fabric.
pub fn links(simulation: &Simulation) -> Result<Vec<LinkUse>, Error> {
    let busy = simulation.busy_ps()?;
    let idle = LinkUse {
        bytes: 0.0,
        busy_ps: 0,
        utilisation: 0.0,
    };
    let mut links = vec![idle; simulation.fabric().links().len()];
    let nodes = nodes(simulation);
    for (resource, least_ps) in uses(simulation)?.into_iter().enumerate() {
        let own = simulation.placement().resources[resource];
        let of_resource = resource_use(simulation, resource, own, least_ps);
        let phase = simulation.placement().phase(resource);
        for member in simulation.placement().members(resource, &nodes) {
            let Resource::Links(bundle) = member else {
                continue;
            };
            let members = simulation.bundles(phase).links(bundle);
            for link in members {
                let used = &mut links[link.index()];
                used.bytes += of_resource.bytes / members.len() as f64;
                used.busy_ps += busy[resource].round() as u64;
                used.utilisation = of_resource.utilisation;
            }
        }
    }
    if !simulation.phases().is_empty() {
        for (index, used) in links.iter_mut().enumerate() {
            used.utilisation = used.bytes / carries_bytes(simulation, index);
        }
    }
    Ok(links)
}

/// What a link could carry in the run's time while links change; at least a little, as a link that is
/// never up carries nothing.
fn carries_bytes(simulation: &Simulation, link: usize) -> f64 {
    let phases = 0..=simulation.phases().len();
    let bytes = phases.map(|phase| {
        let rate_bps = simulation.fabric_in(phase).links()[link].rate_Bps;
        rate_bps as f64 * simulation.lasts_ps(phase) as f64 / 1e12
    });
    bytes.sum::<f64>().max(f64::MIN_POSITIVE)
}

/// Algorithm of each job; none for flows of their own.
pub fn algorithms(simulation: &Simulation) -> Vec<String> {
    match simulation.work() {
        Work::Jobs(jobs) => jobs
            .iter()
            .map(|job| job.outline().algorithm.to_owned())
            .collect(),
        Work::Flows(_) => Vec::new(),
    }
}

/// Finish of each rank of each job: its last arrival or last served send, whichever is later.
pub fn rank_finishes(simulation: &Simulation) -> Result<Vec<Vec<u64>>, Error> {
    let Work::Jobs(jobs) = simulation.work() else {
        return Ok(Vec::new());
    };
    let times = simulation.op_times()?;
    let whole = |ps: i128| u64::try_from(ps).unwrap_or(u64::MAX);
    let mut finishes = Vec::with_capacity(jobs.len());
    for (job, ops) in jobs.iter().zip(&simulation.placement().op_of_transfer) {
        let plan = match &job.source {
            Source::Written(_) => None,
            Source::Planned(planned) => Some(planned.plan().orbits()),
        };
        // The ranks of an orbit finish together, as its representative does.
        let schedule = match plan {
            None => &**job.schedule()?,
            Some(orbits) => orbits.representatives(),
        };
        let row = |rank: RankId| match plan {
            None => rank.index(),
            Some(orbits) => orbits.group().home(rank).row as usize,
        };
        let mut finish = vec![0u64; job.endpoints.len()];
        for (transfer, &op) in ops.iter().enumerate() {
            let (src, dst) = (row(schedule.src()[transfer]), row(schedule.dst()[transfer]));
            finish[src] = finish[src].max(whole(times[op as usize].served_ps));
            finish[dst] = finish[dst].max(whole(times[op as usize].arrived_ps));
        }
        let ranks = (0..finish.len()).map(RankId::from_index);
        // A library's cost is that of each of its ranks.
        let job = finishes.len();
        let network_ps = simulation.network_finish_ps(job)?;
        let charge_ps = simulation.job_finish_ps(job)? - network_ps;
        finishes.push(ranks.map(|rank| finish[row(rank)] + charge_ps).collect());
    }
    Ok(finishes)
}

/// Finish of one job run alone on the fabric.
pub fn alone_ps(simulation: &Simulation, job: usize) -> Result<u64, Error> {
    let Work::Jobs(jobs) = simulation.work() else {
        return Ok(simulation.time_ps());
    };
    if jobs.len() == 1 {
        return Ok(simulation.time_ps());
    }
    let alone = Work::Jobs(vec![jobs[job].clone()]);
    let settings = simulation.settings().clone();
    let fabric = simulation.asked_fabric().clone();
    let phases = simulation.phases().to_vec();
    if phases.is_empty() {
        return Ok(Simulation::run(fabric, alone, settings, None)?.time_ps());
    }
    Ok(Simulation::run_changing(fabric, alone, settings, phases, None)?.time_ps())
}
