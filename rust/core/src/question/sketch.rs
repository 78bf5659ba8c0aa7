//! Sketches: what little of a schedule already shows that it is slow.
//!
//! A schedule contains the hops of its algorithm's floor, one waiting for the other, and all that
//! some of its ranks send and receive. Routed over the fabric, these few flows bound its time from
//! below, as the bound of its routes does with all of them.

use std::collections::BTreeMap;

use super::Question;
use crate::algorithms::{self, Algorithm, Floor};
use crate::bounds;
use crate::collective::Problem;
use crate::error::Error;
use crate::fabric::routing::Network;
use crate::ids::{NodeId, RankId};
use crate::placement::{self, Flow};
use crate::schedule::{ChunkSizes, Program};

/// A lower bound on the time of `algorithm`, as soon as it exceeds `until_ps`; 0 where nothing can
/// be said without the schedule.
///
/// Only for chunks of equal sizes.
pub(super) fn at_least_ps(
    question: &Question,
    algorithm: &dyn Algorithm,
    problem: &Problem,
    until_ps: u64,
) -> Result<u64, Error> {
    let routing = question.settings.routing()?;
    if routing.per_occurrence() || !algorithm.in_network(problem).is_empty() {
        return Ok(0);
    }
    let fabric = &**question.wires();
    let nodes = fabric.rank_nodes(&question.endpoints)?;
    let start_ps = question.starts_ps.iter().copied().min().unwrap_or(0);
    let floor = algorithm.floor(problem);
    let network = Network::with_bundles(fabric, placement::bundles_for(fabric, &*routing));
    let load = |ranks: &[RankId]| loads(algorithm, problem, ranks, &nodes, start_ps);
    let all = || -> Vec<Flow> { load(&problem.team.ranks().collect::<Vec<_>>()) };
    // One by one: the hops are among what the ranks send.
    let sketches: [&dyn Fn() -> Vec<Flow>; 3] = [
        &|| chain(&floor, &nodes, start_ps),
        &|| load(&busy(problem, &floor)),
        &all,
    ];
    // What all ranks send is refused before it is written down, as the schedule itself is.
    let n_transfers = algorithm.n_transfers(problem);
    let fits = question.settings.check_memory(n_transfers).is_ok();
    let mut at_least_ps = 0;
    for sketch in &sketches[..if fits { 3 } else { 2 }] {
        let flows = sketch();
        let workload = placement::place_flows(fabric, &network, &*routing, &flows)?.workload;
        let bound_ps = bounds::route_bound_ps(&workload, &workload);
        at_least_ps = u64::try_from(bound_ps).unwrap_or(u64::MAX).max(at_least_ps);
        if at_least_ps > until_ps {
            break;
        }
    }
    Ok(at_least_ps)
}

fn flow(nodes: &[NodeId], (src, dst): (RankId, RankId), size_bytes: u64, start_ps: u64) -> Flow {
    Flow {
        src: nodes[src.index()],
        dst: nodes[dst.index()],
        size_bytes,
        start_ps,
        depends_on: Vec::new(),
        follows: Vec::new(),
        via: Vec::new(),
    }
}

/// The hops of the floor.
fn chain(floor: &Floor, nodes: &[NodeId], start_ps: u64) -> Vec<Flow> {
    let size_bytes = floor.hop_bytes / u64::from(floor.hops.max(1));
    let hops = floor.path.windows(2).enumerate().map(|(hop, ends)| Flow {
        depends_on: hop
            .checked_sub(1)
            .map(|last| last as u32)
            .into_iter()
            .collect(),
        ..flow(nodes, (ends[0], ends[1]), size_bytes, start_ps)
    });
    hops.collect()
}

/// Ranks that may have the most to do.
fn busy(problem: &Problem, floor: &Floor) -> Vec<RankId> {
    // In a tree those in the middle of a path; elsewhere odd ranks may have farther neighbors than
    // even ones.
    let middle = floor.path.len() / 2;
    let on_path = floor.path.get(middle.saturating_sub(1)..=middle);
    let mut some = on_path.unwrap_or_default().to_vec();
    let last = problem.n_ranks() - 1;
    some.extend([problem.root, RankId(last / 2), RankId(last)]);
    some.sort_unstable();
    some.dedup();
    some
}

/// What the programs of some ranks send, as one flow per pair.
fn loads(
    algorithm: &dyn Algorithm,
    problem: &Problem,
    some: &[RankId],
    nodes: &[NodeId],
    start_ps: u64,
) -> Vec<Flow> {
    let mut program = Program::default();
    for &rank in some {
        program.begin(rank);
        algorithm.rank_program(problem, rank, &mut program);
    }
    let mut n_chunks: BTreeMap<(RankId, RankId), u32> = BTreeMap::new();
    for send in program.sends().iter().filter(|send| send.src != send.dst) {
        let count = n_chunks.entry((send.src, send.dst)).or_insert(0);
        *count = count.saturating_add(send.chunks.count);
    }
    let sizes = ChunkSizes::of(problem, algorithms::n_chunks(algorithm, problem));
    let flows = n_chunks.into_iter().map(|(ends, count)| {
        let (numerator, denominator) = sizes.size_of_chunks(count);
        let size_bytes = u64::try_from(numerator / u128::from(denominator)).unwrap_or(u64::MAX);
        flow(nodes, ends, size_bytes, start_ps)
    });
    flows.collect()
}
