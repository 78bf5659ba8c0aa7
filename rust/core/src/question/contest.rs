//! A contest: every algorithm that fits, with the options worth trying, and the fastest wins.
//!
//! A rival whose lower bound is above the best time so far is not simulated. Five bounds are tried
//! in turn, each dearer than the one before: that of any algorithm and the floor of its own at the
//! pace of the fabric, and two sketches of its flows, before any schedule is built; the bound of its
//! routes; and the clock of its run, which is stopped once it passes the best time. The search is
//! best first: always the rival of the least bound so far is looked at more closely, or run, those
//! with orbits before the others, so that a good time is known early. The order of the registry, and
//! among options the default first, decides ties.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::AtomicBool;

use super::Question;
use super::pace::Pace;
use super::sketch::{self, Detail};
use crate::algorithms::{self, Algorithm};
use crate::bounds::{self, Demand, Volume};
use crate::collective::{Options, Payload, Split};
use crate::error::Error;
use crate::fabric::routing::RoutingError;
use crate::schedule::symmetry::Symmetry;
use crate::simulate::{Outcome, Simulation};

/// With fewer transfers a schedule is built, routed and bounded about as soon as its sketches are.
const WRITTEN_AS_SOON_AS_SKETCHED: u64 = 4096;

/// One way to answer a question.
#[derive(Debug, Clone)]
pub struct Rival {
    /// The algorithm.
    pub algorithm: &'static dyn Algorithm,
    /// Its options; those left out have their defaults.
    pub options: Options,
    /// It is not faster than this; exactly its time where it was simulated.
    pub at_least_ps: u64,
    /// Whether it was simulated to its end.
    pub is_timed: bool,
    /// Whether one transfer per orbit may do, as long as nobody has tried.
    may_have_orbits: bool,
    /// The closest look at its schedule so far.
    sketched: Option<Detail>,
}

impl Rival {
    /// The next closer look at it before it is run, if one pays. Without a time to beat, a short one
    /// says who may be fast; what has a plan is run about as soon as looked at.
    fn next_sketch(&self, question: &Question, has_best: bool) -> Result<Option<Detail>, Error> {
        let problem = question.problem_with(&self.options);
        let is_large = self.algorithm.n_transfers(&problem) > WRITTEN_AS_SOON_AS_SKETCHED;
        let pays = match (self.may_have_orbits, self.sketched) {
            _ if !is_large => None,
            (true, None) if has_best && !question.has_plan(self.algorithm, &self.options)? => {
                Some(Detail::Few)
            }
            (false, None) => Some(Detail::Few),
            (false, Some(Detail::Few)) if has_best => Some(Detail::All),
            _ => None,
        };
        Ok(pays)
    }

    /// Sketches it, as far as it takes to see that it takes longer than `until_ps`.
    fn sketch(
        &mut self,
        question: &Question,
        detail: Detail,
        until_ps: Option<u64>,
    ) -> Result<(), Error> {
        let problem = question.problem_with(&self.options);
        let until_ps = until_ps.unwrap_or(u64::MAX);
        let bound_ps = sketch::at_least_ps(question, self.algorithm, &problem, detail, until_ps)?;
        self.at_least_ps = self.at_least_ps.max(bound_ps);
        self.sketched = Some(detail);
        Ok(())
    }

    /// Runs it, unless it was to be run by orbits and has none here.
    fn run(
        &self,
        question: &Question,
        until_ps: Option<u64>,
        cancel: Option<&AtomicBool>,
    ) -> Result<Option<Outcome>, Error> {
        let (algorithm, options) = (self.algorithm, &self.options);
        if !self.may_have_orbits {
            let outcome = question.run_written(algorithm, options, until_ps, cancel);
            return outcome.map(Some);
        }
        let planned = question.planned(algorithm, options)?;
        let outcome = planned.map(|planned| question.run_planned(planned, until_ps, cancel));
        outcome.transpose()
    }

    /// The key of the search: what comes first is looked at first.
    fn key(&self, index: usize) -> Reverse<(bool, u64, usize)> {
        // One transfer per orbit is soon run.
        Reverse((!self.may_have_orbits, self.at_least_ps, index))
    }
}

/// How much a contest finds out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// The winner; the others as far as it takes to know that they are slower.
    Winner,
    /// The time of every rival.
    All,
}

/// The rivals in registry order, and the simulation of the winner.
#[derive(Debug)]
pub struct Contest {
    /// All rivals, in registry order, defaults first.
    pub rivals: Vec<Rival>,
    /// Which of them won.
    pub winner: usize,
    /// Its run.
    pub simulation: Simulation,
}

impl Contest {
    /// Holds the contest.
    ///
    /// # Errors
    /// If nobody fits, or a run fails. A rival that is too large for memory, or that links which fail
    /// cut off, is left out as long as another one is not.
    pub fn hold(
        question: &Question,
        extent: Extent,
        cancel: Option<&AtomicBool>,
    ) -> Result<Self, Error> {
        let mut rivals = rivals(question)?;
        let has_floors = equal_volume(question).is_some();
        let keys = rivals.iter().enumerate();
        let mut queue: BinaryHeap<_> = keys.map(|(index, rival)| rival.key(index)).collect();
        let mut best: Option<(u64, usize, Simulation)> = None;
        let mut left_out = None;
        while let Some(Reverse((_, _, index))) = queue.pop() {
            let rival = &mut rivals[index];
            // A tie is won by the earlier one, so that a later one has to be faster.
            let until_ps = match (extent, &best) {
                (Extent::Winner, Some((time_ps, winner, _))) => {
                    let until_ps = time_ps.checked_sub(u64::from(index > *winner));
                    if until_ps.is_none_or(|until_ps| rival.at_least_ps > until_ps) {
                        continue;
                    }
                    until_ps
                }
                _ => None,
            };
            // A sketch is of the routes of one fabric.
            let is_one = question.phases.is_empty();
            let may_sketch = has_floors && is_one && extent == Extent::Winner;
            if may_sketch && let Some(detail) = rival.next_sketch(question, until_ps.is_some())? {
                rival.sketch(question, detail, until_ps)?;
                queue.push(rival.key(index));
                continue;
            }
            let outcome = match rival.run(question, until_ps, cancel) {
                Err(error) if error.is_too_large() || matches!(error, Error::CutOff { .. }) => {
                    left_out.get_or_insert(error);
                    continue;
                }
                // Some of its steps are those of switches, and these switches cannot.
                Err(Error::Routing(RoutingError::NotInNetwork { .. })) => continue,
                outcome => outcome?,
            };
            match outcome {
                None => {
                    rival.may_have_orbits = false;
                    queue.push(rival.key(index));
                }
                Some(Outcome::Late { at_least_ps }) => {
                    rival.at_least_ps = rival.at_least_ps.max(at_least_ps);
                }
                Some(Outcome::Done(simulation)) => {
                    let time_ps = simulation.time_ps();
                    rival.at_least_ps = time_ps;
                    rival.is_timed = true;
                    let wins = best
                        .as_ref()
                        .is_none_or(|(best_ps, winner, _)| (time_ps, index) < (*best_ps, *winner));
                    if wins {
                        best = Some((time_ps, index, *simulation));
                    }
                }
            }
        }
        match (best, left_out) {
            (Some((_, winner, simulation)), _) => Ok(Self {
                rivals,
                winner,
                simulation,
            }),
            (None, Some(error)) => Err(error),
            (None, None) => unreachable!("the first rival is run without a limit in time"),
        }
    }
}

/// All that fit, with lower bounds of their times.
fn rivals(question: &Question) -> Result<Vec<Rival>, Error> {
    let nodes = question.fabric.rank_nodes(&question.endpoints)?;
    let volume = equal_volume(question);
    let wires = question.best_wires();
    let pace = Pace::of(&wires, &nodes);
    let start_ps = question.starts_ps.iter().copied().min().unwrap_or(0);
    // What no algorithm can undercut.
    let bound_ps = volume.clone().map_or(0, |volume| {
        let demand = Demand {
            collective: question.collective,
            nodes: &nodes,
            root: question.root.index(),
            volume,
        };
        let bound_ps = bounds::bound(&wires, &demand).time_ps;
        u64::try_from(bound_ps + u128::from(start_ps)).unwrap_or(u64::MAX)
    });
    let mut rivals = Vec::new();
    for algorithm in question.candidates()? {
        for options in algorithms::variants(algorithm, &question.problem()) {
            let problem = question.problem_with(&options);
            if question.check_fabric(algorithm, &problem).is_err() {
                continue;
            }
            let may_have_orbits = question.phases.is_empty()
                && problem.n_ranks() > 1
                && algorithm.symmetry(&problem) != Symmetry::NONE;
            let floor_ps = if volume.is_some() {
                pace.floor_ps(&algorithm.floor(&problem), start_ps)
            } else {
                0
            };
            rivals.push(Rival {
                algorithm,
                options,
                at_least_ps: floor_ps.max(bound_ps),
                is_timed: false,
                may_have_orbits,
                sketched: None,
            });
        }
    }
    Ok(rivals)
}

/// What there is to move, if all chunks are equal: floors are promised for no others. None where
/// there is nothing to do.
fn equal_volume(question: &Question) -> Option<Volume> {
    let n = question.endpoints.len();
    match question.payload {
        _ if n < 2 => None,
        Payload::Bytes(size_bytes) if size_bytes > 0 && question.split == Split::Exact => {
            Some(Volume::equal(size_bytes, n))
        }
        Payload::None => Some(Volume::Signals),
        _ => None,
    }
}
