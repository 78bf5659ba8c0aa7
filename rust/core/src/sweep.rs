//! Sweeps: many questions, answered in parallel, in order, with the same bits for any thread count.
//!
//! Each question is a pure function of its own inputs, so threads only share the work out; the
//! results are collected by index.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rayon::prelude::*;

use crate::error::Error;
use crate::question::Question;
use crate::report;

/// The answer to one question.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// When the last rank is through.
    pub time_ps: u64,
    /// No algorithm and no routing is faster.
    pub bound_ps: u64,
    /// The algorithm that answered.
    pub algorithm: String,
    /// The most utilised resource, "" where nothing is loaded.
    pub bottleneck: String,
    /// Its utilisation over the run.
    pub max_utilisation: f64,
}

/// Answers one question.
pub fn answer(question: &Question, cancel: &AtomicBool) -> Result<Answer, Error> {
    let simulation = question.answer(Some(cancel))?;
    let heaviest = report::heaviest(&simulation);
    Ok(Answer {
        time_ps: simulation.time_ps(),
        bound_ps: u64::try_from(simulation.bound().time_ps).unwrap_or(u64::MAX),
        algorithm: report::algorithms(&simulation).join(", "),
        max_utilisation: heaviest.as_ref().map_or(0.0, |usage| usage.utilisation),
        bottleneck: heaviest.map_or_else(String::new, |usage| usage.name),
    })
}

/// Answers all questions on the current thread pool; `None` where the row had none.
///
/// `done` counts the finished ones; setting `cancel` ends the sweep with an error per open row.
pub fn sweep(
    questions: &[Option<Question>],
    done: &AtomicU64,
    cancel: &AtomicBool,
) -> Vec<Option<Result<Answer, Error>>> {
    questions
        .par_iter()
        .with_max_len(1)
        .map(|question| {
            let result = question.as_ref().map(|question| {
                if cancel.load(Ordering::Relaxed) {
                    return Err(crate::engine::fluid::EngineError::Interrupted.into());
                }
                answer(question, cancel)
            });
            done.fetch_add(1, Ordering::Relaxed);
            result
        })
        .collect()
}
