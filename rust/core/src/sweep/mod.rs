//! Sweeps: many questions, answered in parallel, in order, with the same bits for any thread count.
//!
//! Each row is a question and a size; equal rows are answered once, and what no size changes about a
//! question is found once ([`gauge`]). An answer is a pure function of its own row, so threads only
//! share the work out.

mod gauge;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rayon::prelude::*;

use crate::collective::Payload;
use crate::engine::fluid::EngineError;
use crate::error::Error;
use crate::question::{Contest, Extent, OpenQuestion, Question, Rival};
use crate::report;
use crate::simulate::Simulation;
use gauge::Gauge;

/// The answer to one question.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// When the last rank is through.
    pub time_ps: u64,
    /// No algorithm and no routing is faster.
    pub bound_ps: u64,
    /// The algorithm that answered.
    pub algorithm: Arc<str>,
    /// The most utilised resource, "" where nothing is loaded.
    pub bottleneck: Arc<str>,
    /// Its utilisation over the run.
    pub max_utilisation: f64,
}

impl Answer {
    fn of(simulation: &Simulation) -> Result<Self, Error> {
        let heaviest = report::heaviest(simulation)?;
        Ok(Self {
            time_ps: simulation.time_ps(),
            bound_ps: u64::try_from(simulation.bound().time_ps).unwrap_or(u64::MAX),
            algorithm: report::algorithms(simulation).join(", ").into(),
            max_utilisation: heaviest.as_ref().map_or(0.0, |usage| usage.utilisation),
            bottleneck: heaviest.map_or_else(|| "".into(), |usage| usage.name.into()),
        })
    }
}

/// A row: which question, and how many bytes; none for a barrier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    /// The index of the question.
    pub question: u32,
    /// The size.
    pub size_bytes: Option<u64>,
}

/// An answer, or why there is none.
pub type Answered = Result<Answer, Box<Error>>;

/// The answers to all rows.
#[derive(Debug)]
pub struct Answers {
    /// One for each row that is unlike the others.
    pub distinct: Vec<Answered>,
    /// The index of each row's answer.
    pub of_row: Vec<u32>,
}

/// Answers all rows on the current thread pool; the payloads of the questions are not looked at.
///
/// `done` counts the finished rows; setting `cancel` ends the sweep with an error per open row.
pub fn sweep(
    questions: &[Question],
    rows: &[Row],
    done: &AtomicU64,
    cancel: &AtomicBool,
) -> Answers {
    let mut order: Vec<u32> = (0..rows.len() as u32).collect();
    order.par_sort_by_key(|&row| (rows[row as usize], row));
    let mut of_row = vec![0; rows.len()];
    // Each row once, and how often it comes.
    let mut distinct: Vec<(Row, u64)> = Vec::new();
    for same in order.chunk_by(|&a, &b| rows[a as usize] == rows[b as usize]) {
        for &row in same {
            of_row[row as usize] = distinct.len() as u32;
        }
        distinct.push((rows[same[0] as usize], same.len() as u64));
    }
    let of_question: Vec<&[(Row, u64)]> = distinct
        .chunk_by(|a, b| a.0.question == b.0.question)
        .collect();
    let answers: Vec<Vec<Answered>> = of_question
        .par_iter()
        .with_max_len(1)
        .map(|rows| {
            let question = &questions[rows[0].0.question as usize];
            at_sizes(question, rows, done, cancel)
        })
        .collect();
    Answers {
        distinct: answers.into_iter().flatten().collect(),
        of_row,
    }
}

/// Answers one question at several sizes.
fn at_sizes(
    question: &Question,
    rows: &[(Row, u64)],
    done: &AtomicU64,
    cancel: &AtomicBool,
) -> Vec<Answered> {
    let finish = |answered: Answered, times: u64| {
        done.fetch_add(times, Ordering::Relaxed);
        answered
    };
    let mut gauge = None;
    let mut answers = Vec::with_capacity(rows.len());
    // Sizes of nothing tell nothing about the others.
    let n_first = 1 + rows.partition_point(|(row, _)| row.size_bytes.is_none_or(|size| size == 0));
    for &(row, times) in rows.iter().take(n_first) {
        let simulation = in_full(question, row.size_bytes, cancel);
        let answered = simulation.and_then(|simulation| {
            let answer = Answer::of(&simulation)?;
            gauge = Gauge::of(question, &simulation, &answer);
            Ok(answer)
        });
        answers.push(finish(answered, times));
    }
    let others = rows.get(n_first..).unwrap_or_default();
    let answer = |&(row, times): &(Row, u64)| {
        let size_bytes = row.size_bytes.unwrap_or(0);
        let known = gauge
            .as_ref()
            .filter(|_| !cancel.load(Ordering::Relaxed))
            .and_then(|gauge| gauge.answer(size_bytes, cancel));
        let answered = match known {
            Some(answered) => answered.map_err(Box::new),
            None => in_full(question, row.size_bytes, cancel).and_then(|it| Ok(Answer::of(&it)?)),
        };
        finish(answered, times)
    };
    let most = if gauge.is_some() { QUICK_ROWS } else { 1 };
    answers.par_extend(others.par_iter().with_max_len(most).map(answer));
    answers
}

/// Rows that one thread may take at once where each takes microseconds.
const QUICK_ROWS: usize = 64;

fn in_full(
    question: &Question,
    size_bytes: Option<u64>,
    cancel: &AtomicBool,
) -> Result<Simulation, Box<Error>> {
    let question = Question {
        payload: size_bytes.map_or(Payload::None, Payload::Bytes),
        ..question.clone()
    };
    let answered = open(cancel).and_then(|()| question.answer(Some(cancel)));
    Ok(answered.map_err(Box::new)?.simulation)
}

/// When the last rank is through, for each number of bytes, on the current thread pool.
///
/// # Errors
/// That of the first size that has one.
pub fn times_ps(
    asked: &OpenQuestion,
    sizes_bytes: &[u64],
    cancel: &AtomicBool,
) -> Result<Vec<u64>, Error> {
    let time_ps = |&size_bytes: &u64| {
        open(cancel)?;
        asked.time_ps(Payload::Bytes(size_bytes), Some(cancel))
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
