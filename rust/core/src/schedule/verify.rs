//! The proof that a schedule computes its collective, by symbolic execution.
//!
//! State `K[r][c]` is the set of contributions in rank r's copy of chunk c. Transfers run in step
//! order, all of one step reading the state at its start; each must obey the rules, and at the end
//! the collective's postcondition must hold. Since an engine runs the edges and not the steps, every
//! earlier write of what a transfer carries must be its ancestor through `depends_on`. Nothing here
//! knows an algorithm. Source: `reference/algorithms.md` section 1, rules 1-4.

use std::ops::Range;

use super::contributions::{Set, Sets};
use super::frame::{Everybody, Frame};
use super::locations::Locations;
use super::{Op, Place, Schedule, VerifyError};
use crate::collective::Collective;
use crate::collective::conditions::{Conditions, What};
use crate::ids::RankId;

/// What the verification of a schedule found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    /// Chunks moved, counting a message of k chunks k times.
    pub chunk_moves: u64,
    /// Chunks copied to a rank that held the very same already: wasted bytes.
    pub useless_copies: u64,
}

/// Proves that `schedule` computes its collective, or names the first rule that it breaks.
pub fn verify(schedule: &Schedule) -> Result<Proof, VerifyError> {
    let frame = Everybody {
        n_ranks: schedule.n_ranks,
    };
    verify_in(schedule, &frame)
}

/// The same for the sends of the ranks whose state `frame` keeps.
pub(super) fn verify_in(schedule: &Schedule, frame: &impl Frame) -> Result<Proof, VerifyError> {
    let mut run = Run::new(schedule, frame);
    for step in schedule.step_ranges() {
        run.read(step.clone())?;
        run.write(step)?;
    }
    run.check_postcondition()?;
    Ok(run.proof)
}

struct Run<'a, F> {
    frame: &'a F,
    schedule: &'a Schedule,
    conditions: Conditions<'a>,
    sets: Sets,
    written: Locations,
    /// Contributions per slot of `written`; other locations are as they were before.
    state: Vec<Set>,
    /// What the transfers of the current step carry, chunk by chunk.
    carried: Vec<Set>,
    /// Scratch of the search for ancestors: all false between searches.
    visited: Vec<bool>,
    proof: Proof,
}

impl<'a, F: Frame> Run<'a, F> {
    fn new(schedule: &'a Schedule, frame: &'a F) -> Self {
        Self {
            frame,
            schedule,
            conditions: schedule.conditions(),
            sets: Sets::new(schedule.n_ranks),
            written: Locations::new(schedule, frame.n_rows()),
            state: Vec::new(),
            carried: Vec::new(),
            visited: Vec::new(),
            proof: Proof {
                chunk_moves: 0,
                useless_copies: 0,
            },
        }
    }

    /// Rules of the sources: they hold what they send, and waited for it.
    fn read(&mut self, step: Range<usize>) -> Result<(), VerifyError> {
        self.carried.clear();
        let schedule = self.schedule;
        for t in step {
            let (src, dst, op) = (schedule.src[t], schedule.dst[t], schedule.op[t]);
            if (src == dst) != (op == Op::Local) {
                let at = self.place(t, schedule.chunks[t].first);
                return Err(VerifyError::Endpoints { at });
            }
            let row = self.frame.home(src).row;
            for chunk in schedule.chunks[t].iter().filter(|&c| schedule.is_live(c)) {
                let held = match self.written.find(row, chunk) {
                    None => before(&self.conditions, src, chunk),
                    Some(slot) => {
                        self.check_waited(t, chunk, slot)?;
                        self.state[slot]
                    }
                };
                if held == Set::EMPTY {
                    let at = self.place(t, chunk);
                    return Err(VerifyError::SourceEmpty { at });
                }
                self.carried.push(held);
            }
        }
        Ok(())
    }

    /// Every writer of the slot so far belongs to an earlier step and must be an ancestor of `t`.
    fn check_waited(&mut self, t: usize, chunk: u64, slot: usize) -> Result<(), VerifyError> {
        let depends_on = self.schedule.depends_on.row(t);
        for writer in self.written.writers(slot) {
            let waits = depends_on.binary_search(&writer).is_ok()
                || (self.frame.has_ancestors()
                    && is_ancestor(self.schedule, &mut self.visited, writer, t as u32));
            if !waits {
                let at = self.place(t, chunk);
                return Err(VerifyError::UnderSpecified { at, writer });
            }
        }
        Ok(())
    }

    /// Rules of the destinations.
    fn write(&mut self, step: Range<usize>) -> Result<(), VerifyError> {
        let schedule = self.schedule;
        let carried = std::mem::take(&mut self.carried);
        let mut next = carried.iter();
        for t in step {
            let home = self.frame.home(schedule.dst[t]);
            let rank = self.frame.rank(home.row);
            for chunk in schedule.chunks[t].iter().filter(|&c| schedule.is_live(c)) {
                let sent = *next.next().expect("the step was read chunk by chunk");
                let here = self.frame.chunk_home(chunk, home.element);
                let arriving = self.frame.set_home(&mut self.sets, sent, home.element);
                let (slot, is_new) = self.written.write(home.row, here, t as u32);
                if is_new {
                    self.state.push(before(&self.conditions, rank, here));
                }
                self.state[slot] = self.merged(t, chunk, slot, arriving)?;
                self.proof.chunk_moves += 1;
            }
        }
        self.carried = carried;
        Ok(())
    }

    /// What the destination's slot holds after `arriving` came.
    fn merged(
        &mut self,
        t: usize,
        chunk: u64,
        slot: usize,
        arriving: Set,
    ) -> Result<Set, VerifyError> {
        let (schedule, held) = (self.schedule, self.state[slot]);
        if schedule.collective == Collective::Barrier {
            return Ok(self.sets.union(held, arriving));
        }
        let at = self.place(t, chunk);
        let op = schedule.op[t];
        // The writer before this one is the second of the list, whose first is `t` itself.
        if let Some(other) = self.written.writers(slot).nth(1) {
            let o = other as usize;
            let both_reduce = op == Op::Reduce && schedule.op[o] == Op::Reduce;
            if schedule.step[o] == schedule.step[t] && !both_reduce {
                return Err(VerifyError::WriteConflict { at, other });
            }
        }
        match op {
            Op::Local => Ok(held),
            // The sums of a combine start from zeros.
            Op::Reduce if held == Set::EMPTY && schedule.collective != Collective::Combine => {
                Err(VerifyError::ReduceIntoNothing { at })
            }
            Op::Reduce => {
                let union = self.sets.disjoint_union(held, arriving);
                union.map_err(|rank| VerifyError::DoubleCounting { at, rank })
            }
            Op::Copy => {
                if let Some(rank) = self.sets.first_missing(held, arriving) {
                    return Err(VerifyError::LostContribution { at, rank });
                }
                if held == arriving && schedule.collective.moves_tokens() {
                    return Err(VerifyError::DeliveredTwice { at });
                }
                self.proof.useless_copies += u64::from(held == arriving);
                Ok(arriving)
            }
        }
    }

    fn check_postcondition(&mut self) -> Result<(), VerifyError> {
        for row in 0..self.frame.n_rows() {
            let rank = self.frame.rank(row);
            for chunk in self.conditions.due_at(rank) {
                if self.schedule.is_live(chunk) {
                    self.check_end(row, rank, chunk)?;
                }
            }
        }
        Ok(())
    }

    fn check_end(&mut self, row: u32, rank: RankId, chunk: u64) -> Result<(), VerifyError> {
        let (_, want) = self.conditions.after(chunk);
        let held = match self.written.find(row, chunk) {
            Some(slot) => self.state[slot],
            None => before(&self.conditions, rank, chunk),
        };
        let wanted = match want {
            What::Own => Set::one(rank),
            What::Of(source) => Set::one(source),
            What::All => self.sets.all(),
            What::Ends => self.sets.of(self.conditions.copies().ends(chunk as u32)),
        };
        if held == wanted {
            return Ok(());
        }
        Err(VerifyError::Postcondition {
            rank,
            chunk,
            want,
            missing: self.sets.first_missing(wanted, held),
        })
    }

    fn place(&self, t: usize, chunk: u64) -> Place {
        Place {
            transfer: t as u32,
            step: self.schedule.step[t],
            chunk,
            src: self.schedule.src[t],
            dst: self.schedule.dst[t],
        }
    }
}

/// What a rank holds of a chunk before anything is sent.
fn before(conditions: &Conditions, rank: RankId, chunk: u64) -> Set {
    match conditions.before(chunk) {
        (who, _) if !conditions.concerns(who, rank, chunk) => Set::EMPTY,
        // No collective starts from complete sums.
        (_, What::Own | What::All | What::Ends) => Set::one(rank),
        (_, What::Of(source)) => Set::one(source),
    }
}

/// Whether `ancestor` is reached from `descendant` through dependencies. They lead to earlier
/// positions, so what lies before `ancestor` need not be searched.
fn is_ancestor(
    schedule: &Schedule,
    visited: &mut Vec<bool>,
    ancestor: u32,
    descendant: u32,
) -> bool {
    visited.resize(schedule.len(), false);
    let mut reached = vec![descendant];
    let mut next = 0;
    while next < reached.len() && !visited[ancestor as usize] {
        for &other in schedule.depends_on.row(reached[next] as usize) {
            if other >= ancestor && !visited[other as usize] {
                visited[other as usize] = true;
                reached.push(other);
            }
        }
        next += 1;
    }
    let found = visited[ancestor as usize];
    for other in reached {
        visited[other as usize] = false;
    }
    found
}
