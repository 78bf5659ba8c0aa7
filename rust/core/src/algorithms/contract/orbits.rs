//! From a problem to a verified schedule of which only representatives are written down.

use std::sync::Arc;

use super::plan::{check, is_idle, part};
use super::{Algorithm, PlanError};
use crate::collective::{Payload, Problem, Split};
use crate::ids::RankId;
use crate::schedule::symmetry::{Action, Element, Group};
use crate::schedule::{
    MAX_CHUNK_MOVES, MAX_TRANSFERS, OrbitSchedule, Program, ScheduleError, Send, within,
};

/// The schedule by which `algorithm` answers `problem`, as the images of what the representatives
/// of `group` send; proved to compute the collective.
///
/// `None` if the group is no symmetry of it: chunks are of unequal sizes, nothing is sent, or
/// the program of a neighbor of a representative (one generator away) is not the image of the
/// representative's.
///
/// # Errors
/// As for [`super::schedule`].
pub fn orbit_schedule(
    algorithm: &dyn Algorithm,
    problem: &Problem,
    group: &Arc<Group>,
) -> Result<Option<OrbitSchedule>, PlanError> {
    check(algorithm, problem)?;
    let is_equal = match problem.payload {
        Payload::Bytes(_) => problem.split == Split::Exact,
        Payload::None => true,
        Payload::Counts(_) | Payload::Tokens(_) => false,
    };
    if is_idle(problem) || !is_equal || group.n_ranks() != problem.n_ranks() {
        return Ok(None);
    }
    let per_turn = algorithm
        .n_transfers(problem)
        .div_ceil(group.order().into());
    within("transfers", per_turn, MAX_TRANSFERS)?;
    let action = Action::new(&algorithm.symmetry(problem), group.clone());
    let sends = representatives(algorithm, problem, &action, per_turn as usize)?;
    let Some(sends) = sends else {
        return Ok(None);
    };
    let schedule = OrbitSchedule::build(part(algorithm, problem, sends), action)?;
    schedule.verify()?;
    Ok(Some(schedule))
}

/// What representatives send. A program may write down what other ranks send (a transposed phase
/// does); such a message stands for its orbit.
fn representatives(
    algorithm: &dyn Algorithm,
    problem: &Problem,
    action: &Action,
    n_sends: usize,
) -> Result<Option<Vec<Send>>, ScheduleError> {
    let group = action.group();
    let mut program = Program::with_capacity(n_sends);
    let mut of_neighbor = Program::default();
    let mut n_moves = 0;
    for &rank in group.representatives() {
        let first = program.sends().len();
        write(&mut program, algorithm, problem, rank);
        let own = &program.sends()[first..];
        // Refused before the chunks are looked at one by one.
        n_moves += own
            .iter()
            .map(|send| u64::from(send.chunks.count))
            .sum::<u64>();
        within("chunk moves", n_moves, MAX_CHUNK_MOVES)?;
        for element in group.generators() {
            of_neighbor.clear();
            write(
                &mut of_neighbor,
                algorithm,
                problem,
                group.turned(rank, element),
            );
            if !are_images(action, own, of_neighbor.sends(), element) {
                return Ok(None);
            }
        }
    }
    let sends = program.into_sends();
    Ok(sends.into_iter().map(|send| action.home(send)).collect())
}

fn write(program: &mut Program, algorithm: &dyn Algorithm, problem: &Problem, rank: RankId) {
    program.begin(rank);
    algorithm.rank_program(problem, rank, program);
}

/// Whether some messages are the images of others, in any order.
fn are_images(action: &Action, sends: &[Send], images: &[Send], by: Element) -> bool {
    let turned = sends.iter().map(|&send| action.turned(send, by));
    if turned.clone().eq(images.iter().copied().map(Some)) {
        return true;
    }
    let mut turned: Vec<Option<Send>> = turned.collect();
    let mut images: Vec<Option<Send>> = images.iter().copied().map(Some).collect();
    let order = |send: &Option<Send>| send.map(|s| (s.step, s.src, s.dst, s.chunks.first));
    turned.sort_by_key(order);
    images.sort_by_key(order);
    turned == images
}
