//! Reports: what a finished simulation says per resource, link, rank and job.

use crate::bounds;
use crate::engine::number::Number;
use crate::error::Error;
use crate::placement::Resource;
use crate::simulate::{Simulation, Work};

/// Use of one resource over the whole run.
#[derive(Debug, Clone, PartialEq)]
pub struct ResourceUse {
    /// Index of the resource in the workload.
    pub resource: usize,
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
    /// The same as a share of the run's time.
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

/// Name and number of links of a resource.
pub fn resource_name(simulation: &Simulation, resource: usize) -> (String, u32) {
    let fabric = simulation.fabric();
    match simulation.placement().resources[resource] {
        Resource::Links(bundle) => {
            let links = simulation.bundles().links(bundle);
            let first = fabric.link_name(links[0]);
            let more = links.len() - 1;
            let name = if more == 0 {
                first
            } else {
                format!("{first} (+{more})")
            };
            (name, links.len() as u32)
        }
        Resource::Reduction(node) => (format!("{} reduction", fabric.node(node).name), 0),
    }
}

fn uses(simulation: &Simulation) -> impl Iterator<Item = (usize, f64)> {
    let times = bounds::resource_times(&simulation.placement().workload);
    times.into_iter().map(|time| time.value()).enumerate()
}

fn resource_use(simulation: &Simulation, resource: usize, least_ps: f64) -> ResourceUse {
    let workload = &simulation.placement().workload;
    let rate = workload.capacities[resource] / u128::from(workload.scales[resource]);
    let rate_bps = u64::try_from(rate).unwrap_or(u64::MAX);
    let (name, n_links) = resource_name(simulation, resource);
    let time_ps = simulation.time_ps() as f64;
    ResourceUse {
        resource,
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

/// The most utilised resource, the first of several in workload order.
pub fn heaviest(simulation: &Simulation) -> Option<ResourceUse> {
    let mut best: Option<(usize, f64)> = None;
    for (resource, least_ps) in uses(simulation) {
        if least_ps > best.map_or(0.0, |(_, best)| best) {
            best = Some((resource, least_ps));
        }
    }
    best.map(|(resource, least_ps)| resource_use(simulation, resource, least_ps))
}

/// All resources, most utilised first, ties in workload order.
pub fn bottlenecks(simulation: &Simulation) -> Vec<ResourceUse> {
    let mut all: Vec<(usize, f64)> = uses(simulation).collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    all.into_iter()
        .map(|(resource, time)| resource_use(simulation, resource, time))
        .collect()
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
    for (resource, least_ps) in uses(simulation) {
        let Resource::Links(bundle) = simulation.placement().resources[resource] else {
            continue;
        };
        let of_resource = resource_use(simulation, resource, least_ps);
        let members = simulation.bundles().links(bundle);
        for link in members {
            links[link.index()] = LinkUse {
                bytes: of_resource.bytes / members.len() as f64,
                busy_ps: busy[resource].round() as u64,
                utilisation: of_resource.utilisation,
            };
        }
    }
    Ok(links)
}

/// Algorithm of each job; none for flows of their own.
pub fn algorithms(simulation: &Simulation) -> Vec<String> {
    match simulation.work() {
        Work::Jobs(jobs) => jobs
            .iter()
            .map(|job| job.schedule.algorithm().to_owned())
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
    let finishes = jobs
        .iter()
        .zip(&simulation.placement().op_of_transfer)
        .map(|(job, ops)| {
            let mut finish = vec![0u64; job.endpoints.len()];
            for (transfer, &op) in ops.iter().enumerate() {
                let (src, dst) = (
                    job.schedule.src()[transfer].index(),
                    job.schedule.dst()[transfer].index(),
                );
                finish[src] = finish[src].max(whole(times[op as usize].served_ps));
                finish[dst] = finish[dst].max(whole(times[op as usize].arrived_ps));
            }
            finish
        });
    Ok(finishes.collect())
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
    Ok(Simulation::run(simulation.fabric().clone(), alone, settings, None)?.time_ps())
}
