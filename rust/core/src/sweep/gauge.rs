//! A gauge: what of the answers to one question no size changes.
//!
//! Where a plan answers for every size, the bound is a line, the heaviest resource
//! is the same one, and a further size costs the run of the plan alone. The answers are those of
//! [`Question::answer`], to the bit.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::Answer;
use crate::bounds::Line;
use crate::error::Error;
use crate::plan::Plan;
use crate::question::Question;
use crate::schedule::ChunkSizes;
use crate::simulate::{EngineKind, Simulation, fits};

/// Answers one question at other sizes.
#[derive(Debug)]
pub(super) struct Gauge<'a> {
    question: &'a Question,
    plan: Arc<Plan>,
    /// Chunks of one buffer.
    n_chunks: u32,
    bound: Line,
    algorithm: Arc<str>,
    bottleneck: Arc<str>,
}

impl<'a> Gauge<'a> {
    /// What the answer to a question at one size tells about the others; nothing where each size
    /// is a question of its own.
    pub(super) fn of(
        question: &'a Question,
        simulation: &Simulation,
        answer: &Answer,
    ) -> Option<Self> {
        let planned = simulation.planned()?;
        let is_fluid = question.settings.engine == EngineKind::Fluid;
        let ChunkSizes::Equal { n_chunks, .. } = *planned.outline().sizes else {
            return None;
        };
        // A contest may have another winner at another size, and a library other costs.
        let is_named = question.is_named() && question.fabric.calibration().is_none();
        let is_open = planned.plan().is_for_every_size() && planned.size_bytes() > 0;
        if !is_fluid || !is_named || !is_open {
            return None;
        }
        let nodes = simulation.fabric().rank_nodes(&question.endpoints).ok()?;
        let root = question.root.index();
        Some(Self {
            question,
            plan: planned.plan().clone(),
            n_chunks,
            bound: Line::of(simulation.fabric(), question.collective, &nodes, root),
            algorithm: answer.algorithm.clone(),
            bottleneck: answer.bottleneck.clone(),
        })
    }

    /// The answer for so many bytes, at least one; nothing where it must be asked for in full.
    pub(super) fn answer(
        &self,
        size_bytes: u64,
        cancel: &AtomicBool,
    ) -> Option<Result<Answer, Error>> {
        let n_ranks = u64::from(self.question.team.n_ranks());
        // Where all buffers together are no 64-bit number, an error is due.
        (size_bytes > 0 && size_bytes.checked_mul(n_ranks).is_some())
            .then(|| self.planned(size_bytes, cancel))
    }

    fn planned(&self, size_bytes: u64, cancel: &AtomicBool) -> Result<Answer, Error> {
        let chunk_sizes = ChunkSizes::Equal {
            total_bytes: size_bytes,
            n_chunks: self.n_chunks,
        };
        let settings = &self.question.settings;
        let limits = settings.limits(Some(cancel));
        let time = (self.plan).time_of_chunks_ps(&chunk_sizes, limits, settings.rung)?;
        let time_ps = fits(u128::try_from(time).unwrap_or(u128::MAX))?;
        let loads = self.plan.loads();
        let least_ps = loads
            .heaviest()
            .map_or(0.0, |heaviest| loads.of_resource(heaviest, size_bytes));
        Ok(Answer {
            time_ps,
            bound_ps: u64::try_from(self.bound.at(size_bytes)).unwrap_or(u64::MAX),
            algorithm: self.algorithm.clone(),
            bottleneck: self.bottleneck.clone(),
            max_utilisation: if time_ps > 0 {
                least_ps / time_ps as f64
            } else {
                0.0
            },
        })
    }
}
