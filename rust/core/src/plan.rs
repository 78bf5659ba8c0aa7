//! Plans: what of an answer does not depend on the size, kept for the next question.
//!
//! Where a schedule has symmetries that its fabric has too, one transfer per orbit is enumerated,
//! verified, placed and prepared for the engine. Where the schedule is the same for every number of
//! bytes, so is all of this, and a plan answers for every size; one whose pipelines are finer for more
//! bytes answers where they are as fine. Plans are kept in the fabric's memo, by the nodes of the ranks.

mod loads;

pub use loads::Loads;

use std::sync::{Arc, Mutex, OnceLock};

use crate::algorithms::{self, Algorithm, PlanError};
use crate::collective::{Collective, Options, Payload, Problem, Split};
use crate::engine::fluid::{EngineError, Limits};
use crate::engine::ladder::Rung;
use crate::engine::layers::{self, Layers, Prepared};
use crate::error::Error;
use crate::fabric::Fabric;
use crate::fabric::routing::{Network, Routing};
use crate::ids::{NodeId, RankId};
use crate::placement::{self, FabricOrbits, Placement};
use crate::schedule::{ChunkSizes, OrbitSchedule, Outline, Schedule};
use crate::team::Team;

/// Plans kept per list of ranks; a search over algorithms and options asks for about 40.
const CAPACITY: usize = 64;

/// Bytes per transfer of schedule, verifier, workload and engine together, measured on the ring
/// and the direct all-to-all over 768 ranks (`/usr/bin/time -v`, peak over number of transfers).
pub const BYTES_PER_TRANSFER: u64 = 700;

/// Refuses `n_transfers` that need `bytes_each` if that is more memory than allowed.
pub fn check_memory(
    n_transfers: u64,
    bytes_each: u64,
    limit_bytes: u64,
) -> Result<(), EngineError> {
    let needed_bytes = n_transfers.saturating_mul(bytes_each);
    if needed_bytes > limit_bytes {
        return Err(EngineError::MemoryLimit {
            needed_bytes,
            limit_bytes,
            n_transfers,
        });
    }
    Ok(())
}

/// More than anybody asks for (2^53), so that pipelines are as fine as they get.
const MOST_BYTES: u64 = 1 << 53;

/// Chunks, steps and transfers.
type Extent = (u32, u32, u64);

/// A collective by a named algorithm: everything about a schedule but who runs it where.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// The algorithm.
    pub algorithm: &'static dyn Algorithm,
    /// What is computed.
    pub collective: Collective,
    /// By whom.
    pub team: Arc<Team>,
    /// The root of a rooted collective.
    pub root: RankId,
    /// How many bytes.
    pub payload: Payload,
    /// How they are divided.
    pub split: Split,
    /// Options of the algorithm.
    pub options: Options,
}

impl Recipe {
    /// What the algorithm is asked for.
    pub fn problem(&self) -> Problem<'_> {
        Problem {
            collective: self.collective,
            team: &self.team,
            root: self.root,
            payload: self.payload.clone(),
            split: self.split,
            options: self.options.clone(),
        }
    }

    /// The schedule, written out and verified.
    pub fn schedule(&self) -> Result<Schedule, PlanError> {
        algorithms::schedule(self.algorithm, &self.problem())
    }

    /// Whether there is something to do in chunks of equal sizes.
    pub fn has_equal_chunks(&self) -> bool {
        let is_equal = match self.payload {
            Payload::Bytes(size_bytes) => size_bytes > 0 && self.split == Split::Exact,
            Payload::None => true,
            Payload::Counts(_) | Payload::Tokens(_) => false,
        };
        is_equal && self.team.n_ranks() > 1
    }

    /// What of the schedule may follow from the number of bytes: chunks, steps and transfers.
    fn extent(&self) -> Extent {
        let (algorithm, problem) = (self.algorithm, self.problem());
        (
            algorithm.n_chunks(&problem),
            algorithm.n_steps(&problem),
            algorithm.n_transfers(&problem),
        )
    }

    /// Whether the schedule is the same for every number of bytes. Pipelines take more chunks, never
    /// fewer, for more bytes, so the least and the most tell.
    fn is_for_every_size(&self) -> bool {
        let at = |size_bytes| {
            let payload = Payload::Bytes(size_bytes);
            Self {
                payload,
                ..self.clone()
            }
            .extent()
        };
        !matches!(self.payload, Payload::Bytes(_)) || at(1) == at(MOST_BYTES)
    }

    /// Whether another one differs in the number of bytes only.
    fn is_like(&self, other: &Self) -> bool {
        self.algorithm.name() == other.algorithm.name()
            && self.collective == other.collective
            && self.root == other.root
            && self.options == other.options
            && (Arc::ptr_eq(&self.team, &other.team) || self.team == other.team)
    }
}

/// A symmetric schedule on a fabric, for any size in as many chunks.
#[derive(Debug)]
pub struct Plan {
    orbits: OrbitSchedule,
    placement: Placement,
    prepared: Prepared,
    /// Chunks of an operation of each distinct size.
    chunks_of_size: Vec<u32>,
    is_for_every_size: bool,
    loads: OnceLock<Loads>,
}

/// Where and how a plan runs.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    /// The fabric.
    pub fabric: &'a Fabric,
    /// The node of each rank.
    pub nodes: &'a [NodeId],
    /// The routing's registry name.
    pub name: &'static str,
    /// The routing.
    pub routing: &'a dyn Routing,
    /// When all ranks start.
    pub start_ps: u64,
    /// Which short cuts may be taken.
    pub layers: Layers,
    /// Memory above which a plan is refused before it is made.
    pub memory_limit_bytes: u64,
}

impl Setting<'_> {
    fn check_memory(&self, n_transfers: u64) -> Result<(), EngineError> {
        check_memory(n_transfers, BYTES_PER_TRANSFER, self.memory_limit_bytes)
    }
}

struct Entry {
    recipe: Recipe,
    /// None where the schedule is the same for every size.
    extent: Option<Extent>,
    routing: &'static str,
    start_ps: u64,
    layers: Layers,
    plan: Option<Arc<Plan>>,
}

/// A plan, or that there is none.
struct Verdict(Option<Arc<Plan>>);

#[derive(Default)]
struct Plans(Mutex<Vec<Entry>>);

impl Plan {
    /// The plan of a recipe, made or remembered; `None` if schedule and fabric share no symmetry.
    pub fn of(recipe: &Recipe, setting: &Setting) -> Result<Option<Arc<Self>>, Error> {
        if !setting.layers.orbits || !setting.routing.is_symmetric() || !recipe.has_equal_chunks() {
            return Ok(None);
        }
        if !recipe.algorithm.in_network(&recipe.problem()).is_empty() {
            return Ok(None);
        }
        if let Some(Verdict(plan)) = Self::known(recipe, setting) {
            if let Some(plan) = &plan {
                setting.check_memory(plan.placement.workload.n_ops() as u64)?;
            }
            return Ok(plan);
        }
        let plan = Self::make(recipe, setting)?.map(Arc::new);
        let plans = setting.fabric.memo(setting.nodes, Plans::default);
        if let Ok(mut entries) = plans.0.try_lock() {
            if entries.len() == CAPACITY {
                entries.remove(0);
            }
            let is_for_every_size = recipe.is_for_every_size();
            entries.push(Entry {
                extent: (!is_for_every_size).then(|| recipe.extent()),
                recipe: recipe.clone(),
                routing: setting.name,
                start_ps: setting.start_ps,
                layers: setting.layers,
                plan: plan.clone(),
            });
        }
        Ok(plan)
    }

    /// What is remembered of a recipe: its plan, or that it has none.
    fn known(recipe: &Recipe, setting: &Setting) -> Option<Verdict> {
        let plans = setting.fabric.memo(setting.nodes, Plans::default);
        let is_it = |entry: &&Entry| {
            entry.routing == setting.name
                && entry.start_ps == setting.start_ps
                && entry.layers == setting.layers
                && entry.recipe.is_like(recipe)
                && entry.extent.is_none_or(|extent| extent == recipe.extent())
        };
        // Never waits, as the memo does not.
        let entries = plans.0.try_lock().ok()?;
        Some(Verdict(entries.iter().find(is_it)?.plan.clone()))
    }

    /// The plan of a recipe if it is remembered and takes at most so many operations.
    pub fn quick(recipe: &Recipe, setting: &Setting, n_ops: usize) -> Option<Arc<Self>> {
        let plan = Self::known(recipe, setting)?.0?;
        (plan.prepared.n_ops() <= n_ops).then_some(plan)
    }

    fn make(recipe: &Recipe, setting: &Setting) -> Result<Option<Self>, Error> {
        let problem = recipe.problem();
        let symmetry = recipe.algorithm.symmetry(&problem);
        let network = Network::of_bundles(setting.fabric);
        let (fabric, bundles, grid) = (setting.fabric, network.bundles(), recipe.team.grid());
        let Some(found) = FabricOrbits::find(fabric, bundles, setting.nodes, &grid, &symmetry)
        else {
            return Ok(None);
        };
        let n_transfers = recipe.algorithm.n_transfers(&problem);
        setting.check_memory(n_transfers / u64::from(found.group().order()))?;
        let orbits = algorithms::orbit_schedule(recipe.algorithm, &problem, found.group())?;
        let Some(orbits) = orbits else {
            return Ok(None);
        };
        let placement = placement::place_orbits(
            &network,
            setting.routing,
            orbits.representatives(),
            &found,
            setting.nodes,
            setting.start_ps,
        )?;
        let Some(placement) = placement else {
            return Ok(None);
        };
        let workload = &placement.workload;
        let mut chunks_of_size = vec![0; workload.sizes.len()];
        for (&size, chunks) in workload
            .op_sizes
            .iter()
            .zip(orbits.representatives().chunks())
        {
            chunks_of_size[size as usize] = chunks.count;
        }
        Ok(Some(Self {
            prepared: layers::prepare(workload.clone(), setting.layers),
            orbits,
            placement,
            chunks_of_size,
            is_for_every_size: recipe.is_for_every_size(),
            loads: OnceLock::new(),
        }))
    }

    /// Whether it answers for every number of bytes; otherwise for those with as many chunks only.
    pub fn is_for_every_size(&self) -> bool {
        self.is_for_every_size
    }

    /// The plan's workload, prepared.
    pub fn prepared(&self) -> &Prepared {
        &self.prepared
    }

    /// The sizes of the operations for chunks of these sizes: one per distinct size, in bytes.
    fn sizes(&self, chunk_sizes: &ChunkSizes) -> Vec<(u128, u64)> {
        let each = self.chunks_of_size.iter();
        each.map(|&count| chunk_sizes.size_of_chunks(count))
            .collect()
    }

    /// When the last rank of a problem is through that differs from the plan's in the number of
    /// bytes only, in picoseconds.
    pub fn time_ps(
        &self,
        problem: &Problem,
        limits: Limits,
        rung: Rung,
    ) -> Result<i128, EngineError> {
        self.time_of_chunks_ps(&self.chunk_sizes(problem), limits, rung)
    }

    /// The same, by the sizes of the chunks.
    pub fn time_of_chunks_ps(
        &self,
        chunk_sizes: &ChunkSizes,
        limits: Limits,
        rung: Rung,
    ) -> Result<i128, EngineError> {
        let sizes = self.sizes(chunk_sizes);
        self.prepared.last_arrival_ps(&sizes, limits, rung)
    }

    /// Whether [`Self::time_ps`] takes microseconds: of at most so many operations, or known from
    /// another size.
    pub fn is_quick(&self, problem: &Problem, n_ops: usize) -> bool {
        self.prepared.n_ops() <= n_ops
            || (self.prepared).knows(&self.sizes(&self.chunk_sizes(problem)))
    }

    fn chunk_sizes(&self, problem: &Problem) -> ChunkSizes {
        ChunkSizes::of(problem, self.orbits.representatives().n_chunks())
    }

    /// The schedule by representatives, of some size.
    pub fn orbits(&self) -> &OrbitSchedule {
        &self.orbits
    }

    /// The work on each resource, for any size.
    pub fn loads(&self) -> &Loads {
        self.loads.get_or_init(|| Loads::of(self))
    }

    /// The placement of the representatives, of some size.
    pub fn placement(&self) -> &Placement {
        &self.placement
    }
}

/// A plan with a size.
#[derive(Debug, Clone)]
pub struct Planned {
    recipe: Recipe,
    plan: Arc<Plan>,
    chunk_sizes: ChunkSizes,
    whole: OnceLock<Arc<Schedule>>,
}

impl Planned {
    /// The plan of a recipe for the recipe's own size.
    pub fn new(recipe: Recipe, plan: Arc<Plan>) -> Self {
        let chunk_sizes = plan.chunk_sizes(&recipe.problem());
        Self {
            recipe,
            plan,
            chunk_sizes,
            whole: OnceLock::new(),
        }
    }

    /// The plan.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// The plan, for other sizes.
    pub fn into_plan(self) -> Arc<Plan> {
        self.plan
    }

    /// What the schedule is about.
    pub fn outline(&self) -> Outline<'_> {
        Outline {
            sizes: &self.chunk_sizes,
            ..self.plan.orbits.representatives().outline()
        }
    }

    /// The size of the collective in bytes; 0 for a barrier.
    pub fn size_bytes(&self) -> u64 {
        self.recipe.payload.most_bytes(1)
    }

    /// The sizes of the plan's operations: one per distinct size, in bytes.
    pub fn sizes(&self) -> Vec<(u128, u64)> {
        self.plan.sizes(&self.chunk_sizes)
    }

    /// The placement with these sizes.
    pub fn placement(&self) -> Placement {
        let mut placement = self.plan.placement.clone();
        placement.workload.sizes = self.sizes();
        placement
    }

    /// The schedule written out.
    pub fn schedule(&self) -> Result<&Arc<Schedule>, PlanError> {
        if let Some(whole) = self.whole.get() {
            return Ok(whole);
        }
        let whole = Arc::new(self.recipe.schedule()?);
        Ok(self.whole.get_or_init(|| whole))
    }
}
