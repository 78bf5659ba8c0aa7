//! Sweeps: many questions, answered in parallel, in order, with the same bits for any thread count.
//!
//! Each question is a pure function of its own inputs, so threads only share the work out; the
//! results are collected by index.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rayon::prelude::*;

use crate::collective::Payload;
use crate::engine::fluid::EngineError;
use crate::error::Error;
use crate::question::{Contest, Extent, OpenQuestion, Question, Rival};
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
    let simulation = question.answer(Some(cancel))?.simulation;
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
    each(questions, done, |question| {
        let question = question.as_ref()?;
        Some(open(cancel).and_then(|()| answer(question, cancel)))
    })
}

/// When the last rank is through, for each number of bytes, on the current thread pool.
///
/// # Errors
/// That of the first size that has one.
pub fn times_ps(
    open_question: &OpenQuestion,
    sizes_bytes: &[u64],
    cancel: &AtomicBool,
) -> Result<Vec<u64>, Error> {
    let time_ps = |&size_bytes: &u64| {
        open(cancel)?;
        open_question.time_ps(Payload::Bytes(size_bytes), Some(cancel))
    };
    // Collected before the first error is looked for, so that it is the first by position; boxed,
    // because an error is much larger than a time.
    let times = sizes_bytes
        .par_iter()
        .map(|size| time_ps(size).map_err(Box::new));
    let times: Result<Vec<u64>, Box<Error>> = times.collect::<Vec<_>>().into_iter().collect();
    times.map_err(|error| *error)
}

/// Holds a contest for each question, likewise, and gives its rivals.
pub fn tune(
    questions: &[Question],
    extent: Extent,
    done: &AtomicU64,
    cancel: &AtomicBool,
) -> Vec<Result<Vec<Rival>, Error>> {
    each(questions, done, |question| {
        open(cancel)?;
        Ok(Contest::hold(question, extent, Some(cancel))?.rivals)
    })
}

/// Refuses to begin another question once the batch was cancelled.
fn open(cancel: &AtomicBool) -> Result<(), Error> {
    if cancel.load(Ordering::Relaxed) {
        return Err(EngineError::Interrupted.into());
    }
    Ok(())
}

fn each<Q: Sync, R: Send>(
    questions: &[Q],
    done: &AtomicU64,
    ask: impl Fn(&Q) -> R + Sync + Send,
) -> Vec<R> {
    questions
        .par_iter()
        .with_max_len(1)
        .map(|question| {
            let result = ask(question);
            done.fetch_add(1, Ordering::Relaxed);
            result
        })
        .collect()
}
