//! Sketches: what little of a schedule already shows that it is slow.
//!
//! A schedule contains the hops of its algorithm's floor, one waiting for the other, and all that
//! some of its ranks send and receive. Routed over the fabric, these few flows bound its time from
//! below, as the bound of its routes does with all of them. Where the floor names a path through the
//! ranks, what those ranks send and receive, with the edges of the schedule, shows the pace of its
//! steps as well ([`bounds::joint_path_ps`]): of a pipelined tree, how long it takes to fill and how
//! fast the busiest ports of the path can pass chunk after chunk.

use rustc_hash::{FxHashMap, FxHashSet};

use super::Question;
use crate::algorithms::{self, Algorithm, Floor};
use crate::bounds;
use crate::collective::Problem;
use crate::error::Error;
use crate::fabric::Fabric;
use crate::fabric::routing::{Network, Routing};
use crate::ids::{NodeId, RankId};
use crate::placement::{self, Flow, Job, Sync};
use crate::schedule::{ChunkSizes, Program, Send};
use crate::simulate::EngineKind;

/// Sends of the ranks on a path above which its steps are not looked at: a path through all ranks is
/// the schedule itself.
const MOST_ON_PATH: u64 = 1 << 16;

/// Pairs of ranks above which their loads are not looked at.
const MOST_PAIRS: usize = 1 << 16;

/// Bytes per class of the fabric that the way to one destination takes: a distance and a next bundle.
const WAY_BYTES_PER_CLASS: u64 = 8;

/// How much of a schedule is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Detail {
    /// What the ranks of the floor's path send, and some others.
    Few,
    /// What all send.
    All,
}

/// A lower bound on the time of `algorithm`, as soon as it exceeds `until_ps`; 0 where nothing can
/// be said without the schedule.
///
/// Only for chunks of equal sizes.
pub(super) fn at_least_ps(
    question: &Question,
    algorithm: &dyn Algorithm,
    problem: &Problem,
    detail: Detail,
    until_ps: u64,
) -> Result<u64, Error> {
    let routing = question.settings.routing()?;
    if routing.per_occurrence() || !algorithm.in_network(problem).is_empty() {
        return Ok(0);
    }
    let fabric = &**question.wires();
    let sketch = Sketch {
        question,
        algorithm,
        problem,
        floor: algorithm.floor(problem),
        fabric,
        network: Network::with_bundles(fabric, placement::bundles_for(fabric, &*routing)),
        routing: &*routing,
        nodes: &fabric.rank_nodes(&question.endpoints)?,
    };
    // What all ranks send is refused before it is written down, as the schedule itself is.
    let n_transfers = algorithm.n_transfers(problem);
    if detail == Detail::All && question.settings.check_memory(n_transfers).is_err() {
        return Ok(0);
    }
    // One by one: what comes first is cheaper, and often says enough.
    let mut at_least_ps = 0;
    if detail == Detail::Few {
        at_least_ps = sketch.of_chain()?;
        if at_least_ps <= until_ps {
            at_least_ps = at_least_ps.max(sketch.of_loads(&sketch.written(&sketch.busy()))?);
        }
        if at_least_ps <= until_ps {
            at_least_ps = at_least_ps.max(sketch.of_steps(&sketch.written(&sketch.path()))?);
        }
    } else {
        let all: Vec<RankId> = problem.team.ranks().collect();
        let all = sketch.written(&all);
        at_least_ps = at_least_ps.max(sketch.of_steps(&all)?);
        if at_least_ps <= until_ps {
            at_least_ps = at_least_ps.max(sketch.of_loads(&all)?);
        }
    }
    Ok(at_least_ps)
}

/// What some ranks send.
struct Written {
    sends: Vec<Send>,
    /// Whether they have several queues each, in which steps do not wait for each other.
    has_queues: bool,
}

/// A schedule that has not been built.
struct Sketch<'a> {
    question: &'a Question,
    algorithm: &'a dyn Algorithm,
    problem: &'a Problem<'a>,
    floor: Floor,
    fabric: &'a Fabric,
    network: Network<'a>,
    routing: &'a dyn Routing,
    nodes: &'a [NodeId],
}

impl Sketch<'_> {
    /// The hops of the floor.
    fn of_chain(&self) -> Result<u64, Error> {
        let floor = &self.floor;
        let size_bytes = floor.hop_bytes / u64::from(floor.hops.max(1));
        let hops = floor.path.windows(2).enumerate().map(|(hop, ends)| Flow {
            depends_on: hop
                .checked_sub(1)
                .map(|last| last as u32)
                .into_iter()
                .collect(),
            ..self.flow((ends[0], ends[1]), size_bytes)
        });
        self.of_flows(&hops.collect::<Vec<_>>())
    }

    /// What some ranks send, as one flow per pair; nothing where almost every send has a pair of its
    /// own, since the bound of the routes of all costs no more.
    fn of_loads(&self, some: &Written) -> Result<u64, Error> {
        let mut place: FxHashMap<(RankId, RankId), usize> = FxHashMap::default();
        let mut n_chunks: Vec<((RankId, RankId), u32)> = Vec::new();
        for send in some.sends.iter().filter(|send| send.src != send.dst) {
            let ends = (send.src, send.dst);
            let place = *place.entry(ends).or_insert_with(|| {
                n_chunks.push((ends, 0));
                n_chunks.len() - 1
            });
            let count = &mut n_chunks[place].1;
            *count = count.saturating_add(send.chunks.count);
        }
        if n_chunks.len() > MOST_PAIRS {
            return Ok(0);
        }
        let sizes = ChunkSizes::of(
            self.problem,
            algorithms::n_chunks(self.algorithm, self.problem),
        );
        let flows = n_chunks.into_iter().map(|(ends, count)| {
            let (numerator, denominator) = sizes.size_of_chunks(count);
            let bytes = numerator / u128::from(denominator);
            self.flow(ends, u64::try_from(bytes).unwrap_or(u64::MAX))
        });
        self.of_flows(&flows.collect::<Vec<_>>())
    }

    /// What of the programs of some ranks is sent or received on the floor's path, step by step.
    fn of_steps(&self, some: &Written) -> Result<u64, Error> {
        let n_sends = self.algorithm.n_transfers(self.problem) / self.nodes.len() as u64;
        let is_small = n_sends * self.path().len() as u64 <= MOST_ON_PATH;
        // Without events there is no pace: the times of that engine are bounds themselves.
        let is_bound = self.question.settings.engine == EngineKind::Bound;
        if self.floor.path.is_empty() || is_bound || !is_small || some.has_queues {
            return Ok(0);
        }
        let mut is_on_path = vec![false; self.nodes.len()];
        for rank in &self.floor.path {
            is_on_path[rank.index()] = true;
        }
        let sends = some.sends.iter().copied();
        let on_path: Vec<Send> = sends
            .filter(|send| is_on_path[send.src.index()] || is_on_path[send.dst.index()])
            .collect();
        let ends = on_path.iter().map(|send| self.nodes[send.dst.index()]);
        if !self.may_route(ends) {
            return Ok(0);
        }
        let schedule = algorithms::excerpt(self.algorithm, self.problem, on_path)?;
        let job = Job {
            schedule: &schedule,
            nodes: self.nodes,
            starts_ps: &self.question.starts_ps,
        };
        let (network, routing) = (&self.network, self.routing);
        let placed = placement::place(self.fabric, network, routing, Sync::None, &[job])?;
        Ok(bounds::joint_path_ps(&placed.workload))
    }

    fn written(&self, some: &[RankId]) -> Written {
        let mut program = Program::default();
        for &rank in some {
            program.begin(rank);
            let algorithm = self.algorithm;
            algorithm.rank_program(self.problem, rank, &mut program);
        }
        let (sends, queues) = program.into_queued_sends();
        Written {
            sends,
            has_queues: !queues.is_empty(),
        }
    }

    /// The ranks of the floor's path, each once.
    fn path(&self) -> Vec<RankId> {
        let mut path = self.floor.path.clone();
        path.sort_unstable();
        path.dedup();
        path
    }

    /// Ranks that may have the most to do.
    fn busy(&self) -> Vec<RankId> {
        // In a tree those in the middle of a path; elsewhere odd ranks may have farther neighbors
        // than even ones.
        let path = &self.floor.path;
        let middle = path.len() / 2;
        let on_path = path.get(middle.saturating_sub(1)..=middle);
        let mut some = on_path.unwrap_or_default().to_vec();
        let last = self.problem.n_ranks() - 1;
        some.extend([self.problem.root, RankId(last / 2), RankId(last)]);
        some.sort_unstable();
        some.dedup();
        some
    }

    /// Whether the ways to these ends, which the fabric remembers, fit in the memory that a run may
    /// take.
    fn may_route(&self, ends: impl Iterator<Item = NodeId>) -> bool {
        let ends: FxHashSet<NodeId> = ends.collect();
        let n_classes = self.network.bundles().n_classes() as u64;
        let bytes = ends.len() as u64 * n_classes * WAY_BYTES_PER_CLASS;
        bytes <= self.question.settings.memory_limit_bytes
    }

    fn of_flows(&self, flows: &[Flow]) -> Result<u64, Error> {
        if !self.may_route(flows.iter().map(|flow| flow.dst)) {
            return Ok(0);
        }
        let placed = placement::place_flows(self.fabric, &self.network, self.routing, flows)?;
        let bound_ps = bounds::route_bound_ps(&placed.workload, &placed.workload);
        Ok(u64::try_from(bound_ps).unwrap_or(u64::MAX))
    }

    fn flow(&self, (src, dst): (RankId, RankId), size_bytes: u64) -> Flow {
        let starts_ps = &self.question.starts_ps;
        Flow {
            src: self.nodes[src.index()],
            dst: self.nodes[dst.index()],
            size_bytes,
            start_ps: starts_ps.iter().copied().min().unwrap_or(0),
            depends_on: Vec::new(),
            follows: Vec::new(),
            via: Vec::new(),
        }
    }
}
