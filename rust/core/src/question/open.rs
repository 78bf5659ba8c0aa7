//! An open question: everything is said but how many bytes.
//!
//! Where a plan answers for every size, it is looked up once, and a further size costs
//! the run of the plan alone: no list of ranks is looked at again.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use once_cell::race::OnceBox;

use super::{Choice, QUICK_OPS, Question};
use crate::collective::{Payload, Problem};
use crate::error::Error;
use crate::plan::{Plan, Planned};
use crate::simulate::{EngineKind, fits};

/// A question whose payload is still open.
#[derive(Debug)]
pub struct OpenQuestion {
    question: Question,
    /// The plan, or that there is none, once somebody asked. Never waited for, see
    /// [`crate::engine::layers::Prepared`].
    plan: OnceBox<Option<Arc<Plan>>>,
}

impl OpenQuestion {
    /// The question with whatever payload.
    pub fn new(question: Question) -> Self {
        Self {
            question,
            plan: OnceBox::new(),
        }
    }

    /// The question, with the payload that it came with.
    pub fn question(&self) -> &Question {
        &self.question
    }

    fn with(&self, payload: Payload) -> Question {
        Question {
            payload,
            ..self.question.clone()
        }
    }

    fn problem(&self, payload: Payload) -> Problem<'_> {
        Problem {
            payload,
            ..self.question.problem()
        }
    }

    /// When the last rank is through: the time of [`Question::answer`].
    pub fn time_ps(&self, payload: Payload, cancel: Option<&AtomicBool>) -> Result<u64, Error> {
        let Some(plan) = self.plan_for(&payload)? else {
            let answered = self.with(payload).answer(cancel)?;
            return Ok(answered.simulation.time_ps());
        };
        self.planned_ps(plan, &self.problem(payload), cancel)
    }

    /// The same, if the plan is there and takes no longer than anybody would wait for uninterrupted.
    pub fn quick_time_ps(&self, payload: Payload) -> Option<Result<u64, Error>> {
        let plan = self.plan.get()?.as_ref()?;
        if !self.is_planned(&payload) {
            return None;
        }
        let problem = self.problem(payload);
        let n_ops = self.question.settings.event_limit.min(QUICK_OPS) as usize;
        plan.is_quick(&problem, n_ops)
            .then(|| self.planned_ps(plan, &problem, None))
    }

    fn planned_ps(
        &self,
        plan: &Plan,
        problem: &Problem,
        cancel: Option<&AtomicBool>,
    ) -> Result<u64, Error> {
        problem
            .check()
            .map_err(crate::algorithms::PlanError::from)?;
        let settings = &self.question.settings;
        let time_ps = plan.time_ps(problem, settings.limits(cancel), settings.rung)?;
        fits(u128::try_from(time_ps).unwrap_or(u128::MAX))
    }

    /// Whether a plan, if there is one, answers for this payload. On a calibrated fabric the charges
    /// of its library come on top, which depend on the size as well.
    fn is_planned(&self, payload: &Payload) -> bool {
        self.question.settings.engine == EngineKind::Fluid
            && self.question.fabric.calibration().is_none()
            && matches!(self.question.algorithm, Choice::Named(_))
            && match payload {
                Payload::Bytes(size_bytes) => *size_bytes > 0,
                Payload::None => true,
                Payload::Counts(_) | Payload::Tokens(_) => false,
            }
    }

    fn plan_for(&self, payload: &Payload) -> Result<Option<&Plan>, Error> {
        let Choice::Named(algorithm) = self.question.algorithm else {
            return Ok(None);
        };
        if !self.is_planned(payload) {
            return Ok(None);
        }
        if let Some(known) = self.plan.get() {
            return Ok(known.as_deref());
        }
        let question = self.with(payload.clone());
        question.check()?;
        let planned = question.planned(algorithm, &question.options)?;
        let plan = planned.map(Planned::into_plan);
        let plan = plan.filter(|plan| plan.is_for_every_size());
        Ok(self.plan.get_or_init(|| Box::new(plan)).as_deref())
    }
}
