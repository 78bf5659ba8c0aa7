//! Explanations: where the time of a run goes, term by term, along its critical chain.
//!
//! From the last arrival backwards: each operation on the chain was released by the predecessor
//! that was through last. Its time is software cost, serialization (its bytes over the tightest
//! link of its route, alone), reduction (what the reduction unit adds to that), congestion (what
//! sharing adds) and latency (if the next one waits for arrival). The terms add up to the time.
//! What would have to change to be faster follows from the two bounds.

use crate::charge::Charge;
use crate::engine::workload::Workload;
use crate::error::Error;
use crate::fabric::Phase;
use crate::placement::Resource;
use crate::report::{self, ResourceUse};
use crate::simulate::{EngineKind, Simulation, Work};

/// The terms of a time, in picoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Terms {
    /// Start times that the chain waited for.
    pub start_ps: f64,
    /// Software cost of the operations on the chain.
    pub software_ps: f64,
    /// Path latencies.
    pub latency_ps: f64,
    /// Bytes over the tightest link, alone.
    pub serialization_ps: f64,
    /// What the reduction unit adds to an operation alone.
    pub reduction_ps: f64,
    /// What sharing adds.
    pub congestion_ps: f64,
    /// Operations on the chain.
    pub n_ops: usize,
}

/// The terms along the chain that ends with the last arrival.
pub fn terms(simulation: &Simulation) -> Result<Terms, Error> {
    let run = simulation.timeline()?;
    let workload = &simulation.placement().workload;
    let times: Vec<[f64; 3]> = (0..workload.n_ops())
        .map(|op| run.values_ps(workload, op))
        .collect();
    let mut terms = Terms::default();
    let latest =
        (0..times.len()).max_by(|&a, &b| times[a][2].total_cmp(&times[b][2]).then(a.cmp(&b)));
    let Some(mut op) = latest else {
        return Ok(terms);
    };
    let mut waits_for_arrival = true;
    loop {
        let route = workload.op_routes[op] as usize;
        let served = times[op][1] - times[op][0];
        let last_route = workload.routes_in(phase_at(simulation, times[op][1]))[op] as usize;
        let is_link = |resource: &Resource| matches!(resource, Resource::Links(_));
        let links = alone(simulation, op, times[op][0], is_link);
        let all = alone(simulation, op, times[op][0], |_| true);
        terms.n_ops += 1;
        terms.serialization_ps += links.min(served);
        terms.reduction_ps += (all.min(served) - links.min(served)).max(0.0);
        terms.congestion_ps += (served - all).max(0.0);
        if waits_for_arrival {
            terms.latency_ps += workload.latencies_ps[last_route] as f64;
        }
        if let Some((pred, data)) = latest_predecessor(workload, &times, op) {
            if data {
                terms.software_ps += workload.software_ps[route] as f64;
            }
            waits_for_arrival = data;
            op = pred;
        } else {
            terms.software_ps += workload.software_ps[route] as f64;
            terms.start_ps += workload.start_ps(op) as f64;
            return Ok(terms);
        }
    }
}

/// The phase in which something is served at a time: at a change, that which ends then.
fn phase_at(simulation: &Simulation, served_ps: f64) -> usize {
    let before = |phase: &Phase| (phase.at_ps as f64) < served_ps;
    simulation.phases().partition_point(before)
}

/// Time of an operation that is released at `released_ps`, alone on those of its resources that
/// `counts` tells, phase by phase.
fn alone(
    simulation: &Simulation,
    op: usize,
    released_ps: f64,
    counts: impl Fn(&Resource) -> bool,
) -> f64 {
    let placement = simulation.placement();
    let routes = placement.alone();
    let (numerator, denominator) = placement.workload.size(op);
    let mut left = numerator as f64 / denominator as f64;
    let mut elapsed_ps = 0.0;
    for (phase, op_routes) in placement.workload.phases().enumerate() {
        let ends_ps = simulation
            .phases()
            .get(phase)
            .map_or(f64::INFINITY, |next| next.at_ps as f64);
        let lasts_ps = ends_ps - (released_ps + elapsed_ps);
        if lasts_ps <= 0.0 {
            continue;
        }
        let row = routes.routes.row(op_routes[op] as usize).iter();
        let row = row.filter(|i| counts(&placement.resources[i.resource as usize]));
        let rates = row.map(|i| routes.capacities[i.resource as usize] as f64 / i.weight as f64);
        let rate = rates.fold(f64::INFINITY, f64::min);
        let needs_ps = left * 1e12 / rate;
        if needs_ps <= lasts_ps {
            return elapsed_ps + needs_ps;
        }
        left -= rate * lasts_ps / 1e12;
        elapsed_ps += lasts_ps;
    }
    elapsed_ps
}

/// The predecessor that released an operation, and whether it waited for its data; none if the
/// start time did.
fn latest_predecessor(workload: &Workload, times: &[[f64; 3]], op: usize) -> Option<(usize, bool)> {
    let software = workload.software_ps[workload.op_routes[op] as usize] as f64;
    let data = workload
        .depends_on
        .row(op)
        .iter()
        .map(|&pred| (times[pred as usize][2] + software, true, pred as usize));
    let order = workload
        .follows
        .row(op)
        .iter()
        .map(|&pred| (times[pred as usize][1], false, pred as usize));
    let last = data
        .chain(order)
        .max_by(|a, b| a.0.total_cmp(&b.0).then(a.2.cmp(&b.2)))?;
    let start = workload.start_ps(op) as f64 + software;
    (last.0 >= start).then_some((last.2, last.1))
}

/// A short text: what ran, how long it took, why, and how far from optimal it is.
pub fn explain(simulation: &Simulation) -> Result<String, Error> {
    let mut lines = vec![
        headline(simulation),
        format!(
            "time        {:>12}   {}",
            human(simulation.time_ps() as f64),
            simulation.exactness()
        ),
    ];
    for charge in simulation.charges().iter().flatten() {
        lines.extend(charge_lines(charge, simulation.time_ps() as f64));
    }
    if !simulation.charges().is_empty() {
        lines.push(format!(
            "network     {:>12}   meanwhile, by what is left of latencies and by the links",
            human(simulation.network_ps() as f64)
        ));
    }
    if simulation.settings().engine == EngineKind::Fluid {
        lines.extend(term_lines(
            &terms(simulation)?,
            simulation.network_ps() as f64,
        ));
    }
    for phase in simulation.phases() {
        let at = human(phase.at_ps as f64);
        lines.push(format!(
            "changes     {at:>12}   links have other rates from then on"
        ));
    }
    // Bounds alone do not say what each phase carries.
    if (simulation.phases().is_empty() || simulation.settings().engine == EngineKind::Fluid)
        && let Some(heaviest) = report::heaviest(simulation)?
    {
        lines.push(busiest(&heaviest));
    }
    let bound = simulation.bound();
    lines.push(format!(
        "route bound {:>12}   this schedule on these routes, whatever the sharing",
        human(simulation.route_bound_ps() as f64)
    ));
    if matches!(simulation.work(), Work::Jobs(_)) {
        lines.push(format!(
            "bound       {:>12}   any algorithm on any routes, by {}",
            human(bound.time_ps as f64),
            bound.binding
        ));
    }
    if simulation.time_ps() > 0 {
        lines.push(verdict(simulation));
    }
    Ok(lines.join("\n"))
}

/// What a library costs, term by term; the transfer is the part that the network may prolong.
fn charge_lines(charge: &Charge, time_ps: f64) -> Vec<String> {
    let mut lines = vec![format!(
        "{:<11} {}, regime {}",
        charge.library,
        charge.choice,
        charge.regime.name()
    )];
    for term in charge.terms.iter().filter(|term| term.us >= 5e-7) {
        let (ps, name) = (term.us * 1e6, term.name);
        let percent = 100.0 * ps / time_ps;
        let meaning = term.meaning();
        lines.push(format!(
            "  {name:<14}{:>12} {percent:>6.1} %   {meaning}",
            human(ps)
        ));
    }
    lines
}

/// The terms of at least half a picosecond, each with its share of the time and what it means.
fn term_lines(terms: &Terms, time_ps: f64) -> Vec<String> {
    let named = [
        (terms.start_ps, "start", "waiting for a rank to enter"),
        (
            terms.software_ps,
            "software",
            "cost of starting an operation",
        ),
        (
            terms.latency_ps,
            "latency",
            "from the last byte sent to its arrival",
        ),
        (
            terms.serialization_ps,
            "serialization",
            "bytes over the tightest link of their route",
        ),
        (
            terms.reduction_ps,
            "reduction",
            "bytes over a reduction unit slower than the links",
        ),
        (
            terms.congestion_ps,
            "congestion",
            "what sharing links with others adds",
        ),
    ];
    let mut lines: Vec<String> = named
        .into_iter()
        .filter(|(ps, ..)| *ps >= 0.5)
        .map(|(ps, name, meaning)| {
            let percent = 100.0 * ps / time_ps;
            format!("  {name:<14}{:>12} {percent:>6.1} %   {meaning}", human(ps))
        })
        .collect();
    if !lines.is_empty() {
        let plural = if terms.n_ops == 1 { "" } else { "s" };
        lines.push(format!(
            "  along the critical chain of {} transfer{plural}",
            terms.n_ops
        ));
    }
    lines
}

fn busiest(heaviest: &ResourceUse) -> String {
    format!(
        "busiest     {}: {} at {} GB/s, {:.1} % used",
        heaviest.name,
        bytes(heaviest.bytes),
        heaviest.rate_bps as f64 / 1e9,
        100.0 * heaviest.utilisation
    )
}

/// What would have to change to be faster.
fn verdict(simulation: &Simulation) -> String {
    let (time, route, any) = (
        u128::from(simulation.time_ps()),
        u128::from(simulation.route_bound_ps()),
        simulation.bound().time_ps,
    );
    let percent = |bound: u128| 100.0 * bound as f64 / time as f64;
    if any == time {
        "efficiency       100.0 %   nothing is faster on this fabric".to_owned()
    } else if any == 0 {
        format!("at {:.1} % of the route bound", percent(route))
    } else if route == time {
        format!(
            "efficiency  {:>10.1} %   only another schedule or other routes can be faster",
            percent(any)
        )
    } else {
        format!(
            "efficiency  {:>10.1} %   {:.1} % of the route bound",
            percent(any),
            percent(route)
        )
    }
}

fn headline(simulation: &Simulation) -> String {
    let fabric = simulation.fabric().name();
    let routing = simulation.settings().routing;
    match simulation.work() {
        Work::Flows(flows) => format!("{} flows on {fabric}, routing {routing}", flows.len()),
        Work::Jobs(jobs) => {
            let jobs: Vec<String> = jobs
                .iter()
                .map(|job| {
                    let outline = job.outline();
                    let name = outline.collective.name();
                    format!(
                        "{name} by {} on {} ranks",
                        outline.algorithm, outline.n_ranks
                    )
                })
                .collect();
            format!("{} of {fabric}, routing {routing}", jobs.join(" + "))
        }
    }
}

/// Picoseconds in the unit that reads best.
fn human(ps: f64) -> String {
    match ps {
        _ if ps >= 1e12 => format!("{:.4} s", ps / 1e12),
        _ if ps >= 1e9 => format!("{:.4} ms", ps / 1e9),
        _ if ps >= 1e6 => format!("{:.4} us", ps / 1e6),
        _ if ps >= 1e3 => format!("{:.4} ns", ps / 1e3),
        _ => format!("{ps:.0} ps"),
    }
}

fn bytes(count: f64) -> String {
    match count {
        _ if count >= 1e9 => format!("{:.3} GB", count / 1e9),
        _ if count >= 1e6 => format!("{:.3} MB", count / 1e6),
        _ if count >= 1e3 => format!("{:.3} kB", count / 1e3),
        _ => format!("{count:.0} B"),
    }
}
