//! From a problem to a verified schedule, and the look-up of algorithms.

use super::options::{self, CHUNKS};
use super::{Algorithm, PlanError, Slots, UnknownAlgorithm, Unsupported};
use crate::algorithms::ALGORITHMS;
use crate::collective::{Collective, Options, Payload, Problem, Traffic};
use crate::schedule::{
    ChunkSizes, MAX_TRANSFERS, Program, Schedule, ScheduleBuilder, Send, verify, within,
};

/// The algorithm of that name.
pub fn lookup(name: &str) -> Result<&'static dyn Algorithm, UnknownAlgorithm> {
    let found = ALGORITHMS.iter().copied().find(|a| a.name() == name);
    found.ok_or_else(|| UnknownAlgorithm {
        name: name.to_owned(),
    })
}

/// The algorithms that compute `collective`, in registry order.
pub fn algorithms_for(collective: Collective) -> impl Iterator<Item = &'static dyn Algorithm> {
    let computes = move |a: &&dyn Algorithm| a.about().collectives.contains(&collective);
    ALGORITHMS.iter().copied().filter(computes)
}

/// The options to try when the fastest schedule of `algorithm` is looked for: the problem's own,
/// completed by the defaults and by every combination of candidates that works and is another
/// schedule than the defaults'.
pub fn variants(algorithm: &dyn Algorithm, problem: &Problem) -> Vec<Options> {
    let with = |options: &Options| Problem {
        options: options.clone(),
        ..problem.clone()
    };
    let mut all = options::combinations(algorithm.about(), &problem.options);
    all.retain(|options| check_supported(algorithm, &with(options)).is_ok());
    // A number of chunks that is the default's says nothing new.
    let is_default = |options: &Options| {
        let n_chunks = |options| algorithm.n_chunks(&with(options));
        options.int(CHUNKS.name).is_some() && {
            let default = options.without(CHUNKS.name);
            n_chunks(options) == n_chunks(&default)
        }
    };
    if problem.n_ranks() > 1 && problem.options.int(CHUNKS.name).is_none() {
        all.retain(|options| !is_default(options));
    }
    all
}

/// The schedule by which `algorithm` answers `problem`, proved to compute the collective.
///
/// One rank, or no bytes (save for a barrier), give a schedule without transfers.
///
/// # Errors
/// If the problem is none, the algorithm does not support it, an option is not accepted, or the
/// schedule would not fit in memory.
pub fn schedule(algorithm: &dyn Algorithm, problem: &Problem) -> Result<Schedule, PlanError> {
    let schedule = unverified(algorithm, problem)?;
    verify(&schedule)?;
    Ok(schedule)
}

fn unverified(algorithm: &dyn Algorithm, problem: &Problem) -> Result<Schedule, PlanError> {
    check(algorithm, problem)?;
    let is_idle = is_idle(problem);
    let n_transfers = if is_idle {
        0
    } else {
        algorithm.n_transfers(problem)
    };
    within("transfers", n_transfers, MAX_TRANSFERS)?;
    let (traffic, slots) = traffic(algorithm, problem);
    let n_chunks = match &traffic {
        Some(traffic) => traffic.copies().len().max(1).into(),
        // A schedule without transfers has one chunk per block.
        None if is_idle => problem.collective.n_blocks(problem.n_ranks()),
        None => n_chunks(algorithm, problem),
    };
    let sizes = match &traffic {
        Some(traffic) => ChunkSizes::of_tokens(traffic, slots.slot_bytes, slots.status_bytes),
        None => ChunkSizes::of(problem, n_chunks),
    };
    let mut program = Program::with_capacity(n_transfers as usize);
    for rank in problem.team.ranks().filter(|_| !is_idle) {
        program.begin(rank);
        algorithm.rank_program(problem, rank, &mut program);
    }
    let (sends, queues) = program.into_queued_sends();
    let builder = ScheduleBuilder {
        collective: problem.collective,
        algorithm: algorithm.name().to_owned(),
        n_ranks: problem.n_ranks(),
        root: problem.root,
        n_chunks,
        sizes,
        traffic,
        sends,
        queues,
        depends_on: None,
        follows: None,
        in_network: if is_idle {
            Vec::new()
        } else {
            algorithm.in_network(problem)
        },
    };
    Ok(builder.build()?)
}

/// Some sends of the schedule with the edges between them, in place of all; not verified.
///
/// What an edge of it demands the whole schedule demands too: a transfer depends on whatever wrote
/// what it carries, and follows what its source sent before, whether or not there are others.
/// Only for a checked problem of chunks that are no tokens, with something to send.
///
/// # Errors
/// If the sends are too many or no sends of these ranks and chunks.
pub fn excerpt(
    algorithm: &dyn Algorithm,
    problem: &Problem,
    sends: Vec<Send>,
) -> Result<Schedule, PlanError> {
    Ok(part(algorithm, problem, sends).build()?)
}

/// The schedule of these sends alone, for chunks that are no tokens.
pub(super) fn part(
    algorithm: &dyn Algorithm,
    problem: &Problem,
    sends: Vec<Send>,
) -> ScheduleBuilder {
    let n_chunks = n_chunks(algorithm, problem);
    ScheduleBuilder {
        collective: problem.collective,
        algorithm: algorithm.name().to_owned(),
        n_ranks: problem.n_ranks(),
        root: problem.root,
        n_chunks,
        sizes: ChunkSizes::of(problem, n_chunks),
        traffic: None,
        sends,
        queues: Vec::new(),
        depends_on: None,
        follows: None,
        in_network: Vec::new(),
    }
}

/// The chunks of tokens in the slots of the algorithm.
fn traffic(algorithm: &dyn Algorithm, problem: &Problem) -> (Option<Traffic>, Slots) {
    let mut slots = algorithm.slots(problem);
    // Where nothing moves there is nothing to report either.
    slots.layout.has_status &= !is_idle(problem);
    let traffic = match &problem.payload {
        Payload::Tokens(tokens) => Some(Traffic {
            tokens: tokens.clone(),
            layout: slots.layout,
        }),
        _ => None,
    };
    (traffic, slots)
}

/// Whether nothing needs to be sent.
pub(super) fn is_idle(problem: &Problem) -> bool {
    problem.n_ranks() == 1 || (problem.size_bytes() == 0 && problem.payload != Payload::None)
}

/// Chunks of all buffers.
pub fn n_chunks(algorithm: &dyn Algorithm, problem: &Problem) -> u64 {
    let n_buffers = problem.collective.n_buffers(problem.n_ranks());
    u64::from(algorithm.n_chunks(problem)) * u64::from(n_buffers)
}

/// Whether the algorithm can answer the problem, without building anything.
///
/// # Errors
/// As for [`schedule`].
pub fn check(algorithm: &dyn Algorithm, problem: &Problem) -> Result<(), PlanError> {
    problem.check()?;
    check_supported(algorithm, problem)
}

fn check_supported(algorithm: &dyn Algorithm, problem: &Problem) -> Result<(), PlanError> {
    let about = algorithm.about();
    if !about.collectives.contains(&problem.collective) {
        let names: Vec<&str> = about.collectives.iter().map(|c| c.name()).collect();
        return Err(PlanError::Unsupported(Unsupported::Collective {
            algorithm: about.name,
            collective: problem.collective,
            supported: names.join(", "),
        }));
    }
    options::check(about, &problem.options)?;
    Ok(algorithm.supports(problem)?)
}
