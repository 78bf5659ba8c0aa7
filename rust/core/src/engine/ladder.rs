//! The ladder of numbers: pairs first, then double-doubles, then rationals within a budget.
//!
//! A run whose comparisons were all decided is exact. Otherwise it is repeated one rung up; where
//! even the last affordable rung leaves comparisons open, the result says how many.

use super::certificate::{Certificate, Recorder};
use super::fluid::{EngineError, Limits, run};
use super::number::{Extended, Number, Pair, Rational, Relation};
use super::observer::{Served, Unobserved, Usage};
use super::timeline::Timeline;
use super::workload::Workload;

/// Operations above which a rational repeat is not tried: each costs microseconds and kilobytes.
pub const RATIONAL_MAX_OPS: usize = 5_000;

/// A rung of the ladder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rung {
    /// Doubles and residues.
    Pair,
    /// Double-doubles and residues.
    Extended,
    /// Big rationals.
    Rational,
}

/// Times of one operation in whole picoseconds, each exact time rounded up once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpTimes {
    /// Predecessors through.
    pub released_ps: i128,
    /// Last byte served.
    pub served_ps: i128,
    /// Last byte arrived.
    pub arrived_ps: i128,
}

/// What a run says of its own exactness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exactness {
    /// The rung that produced the result.
    pub rung: Rung,
    /// Comparisons that even this rung left open.
    pub n_ambiguous: u64,
}

impl std::fmt::Display for Exactness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.n_ambiguous > 0 {
            return write!(f, "{} comparisons ambiguous below 1e-11", self.n_ambiguous);
        }
        f.write_str(match self.rung {
            Rung::Pair => Pair::EXACTNESS,
            Rung::Extended => Extended::EXACTNESS,
            Rung::Rational => Rational::EXACTNESS,
        })
    }
}

/// A finished run at whatever rung decided it.
#[derive(Debug, Clone)]
pub enum Run {
    /// At the first rung.
    Pair(Timeline<Pair>),
    /// At the second rung.
    Extended(Timeline<Extended>),
    /// At the last rung.
    Rational(Timeline<Rational>),
}

/// Applies a generic expression to the timeline of any rung.
macro_rules! at_rung {
    ($run:expr, $timeline:ident => $body:expr) => {
        match $run {
            Run::Pair($timeline) => $body,
            Run::Extended($timeline) => $body,
            Run::Rational($timeline) => $body,
        }
    };
}

impl Run {
    /// Climbs from `start` until every comparison is decided and the last arrival can be rounded,
    /// or the ladder ends.
    pub fn climb(workload: &Workload, limits: Limits, start: Rung) -> Result<Self, EngineError> {
        let mut result = None;
        for rung in [Rung::Pair, Rung::Extended, Rung::Rational] {
            if rung < start || (rung == Rung::Rational && !affordable(workload, start)) {
                continue;
            }
            let next = match rung {
                Rung::Pair => run(workload, limits, &mut Unobserved).map(Run::Pair),
                Rung::Extended => run(workload, limits, &mut Unobserved).map(Run::Extended),
                Rung::Rational => run(workload, limits, &mut Unobserved).map(Run::Rational),
            };
            match next {
                Err(EngineError::OverBudget) if result.is_some() => break,
                Err(error) => return Err(error),
                Ok(next) => {
                    let decided =
                        next.n_ambiguous() == 0 && next.last_arrival_ps(workload).is_some();
                    result = Some(next);
                    if decided {
                        break;
                    }
                }
            }
        }
        Ok(result.expect("the first rung tried either fails or gives a result"))
    }

    /// The next rung up, where one is affordable.
    pub fn finer(&self, workload: &Workload, limits: Limits) -> Result<Option<Self>, EngineError> {
        match self.exactness().rung {
            Rung::Pair => Self::climb(workload, limits, Rung::Extended).map(Some),
            Rung::Extended if affordable(workload, Rung::Extended) => {
                Self::climb(workload, limits, Rung::Rational).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn n_ambiguous(&self) -> u64 {
        at_rung!(self, timeline => timeline.n_ambiguous)
    }

    /// Events processed.
    pub fn n_events(&self) -> u64 {
        at_rung!(self, timeline => timeline.n_events)
    }

    /// How exact the result is.
    pub fn exactness(&self) -> Exactness {
        let rung = match self {
            Run::Pair(_) => Rung::Pair,
            Run::Extended(_) => Rung::Extended,
            Run::Rational(_) => Rung::Rational,
        };
        Exactness {
            rung,
            n_ambiguous: self.n_ambiguous(),
        }
    }

    /// The latest arrival of all operations in whole picoseconds; `None` where this rung cannot
    /// round it.
    pub fn last_arrival_ps(&self, workload: &Workload) -> Option<i128> {
        self.last_arrival_of(workload, 0..workload.n_ops())
    }

    /// The latest arrival of some operations, 0 for none.
    pub fn last_arrival_of(
        &self,
        workload: &Workload,
        ops: impl IntoIterator<Item = usize>,
    ) -> Option<i128> {
        at_rung!(self, timeline => last_arrival(timeline, workload, ops))
    }

    /// The times of one operation; `None` where this rung cannot round one of them.
    pub fn times(&self, workload: &Workload, op: usize) -> Option<OpTimes> {
        at_rung!(self, timeline => Some(OpTimes {
            released_ps: timeline.released[op].ceil()?,
            served_ps: timeline.served[op].ceil()?,
            arrived_ps: timeline.arrived(workload, op).ceil()?,
        }))
    }

    /// The times of all operations, refined where a time straddles a picosecond at this rung; each
    /// the upper end of its interval where even the last rung cannot round it.
    pub fn op_times(
        &self,
        workload: &Workload,
        limits: Limits,
    ) -> Result<Vec<OpTimes>, EngineError> {
        let ops = 0..workload.n_ops();
        let collect = |run: &Self| {
            let times = ops.clone().map(|op| run.times(workload, op));
            times.collect::<Option<Vec<_>>>()
        };
        if let Some(times) = collect(self) {
            return Ok(times);
        }
        let mut finer = self.finer(workload, limits)?;
        while let Some(run) = finer {
            if let Some(times) = collect(&run) {
                return Ok(times);
            }
            finer = run.finer(workload, limits)?;
        }
        Ok(ops.map(|op| self.times_upper(workload, op)).collect())
    }
}

impl Run {
    /// The latest arrival where even the last rung cannot round it: the upper end of its interval.
    pub fn last_arrival_upper_ps(&self, workload: &Workload) -> Option<i128> {
        let last = |op: usize| self.times_upper(workload, op).arrived_ps;
        (0..workload.n_ops()).map(last).max()
    }

    /// Released, served and arrived time of one operation in picoseconds, for display.
    pub fn values_ps(&self, workload: &Workload, op: usize) -> [f64; 3] {
        at_rung!(self, timeline => [
            timeline.released[op].value(),
            timeline.served[op].value(),
            timeline.arrived(workload, op).value(),
        ])
    }

    /// The times of one operation, each the upper end of its interval where it cannot be rounded.
    pub fn times_upper(&self, workload: &Workload, op: usize) -> OpTimes {
        fn up<N: Number>(time: &N) -> i128 {
            time.ceil().unwrap_or_else(|| time.upper().ceil() as i128)
        }
        at_rung!(self, timeline => OpTimes {
            released_ps: up(&timeline.released[op]),
            served_ps: up(&timeline.served[op]),
            arrived_ps: up(&timeline.arrived(workload, op)),
        })
    }
}

/// Latest arrival, rounded up; `None` where this rung cannot round it. Doubles find whoever may be the
/// last. Where this rung leaves open who is, any of them is, so the result is only known if it is that
/// of all.
fn last_arrival<N: Number>(
    timeline: &Timeline<N>,
    workload: &Workload,
    ops: impl IntoIterator<Item = usize>,
) -> Option<i128> {
    let mut last: Vec<N> = Vec::new();
    let (mut floor, mut top) = (0.0f64, f64::NEG_INFINITY);
    for op in ops {
        let latency = timeline.latency_ps(workload, op) as f64;
        // Rounding of the sum stays far below the slack of one part in 10^15.
        if (timeline.served[op].upper() + latency) * (1.0 + 1e-15) < floor {
            continue;
        }
        let arrived = timeline.arrived(workload, op);
        let is_same = |other: &N| matches!(other.compare(&arrived), Relation::Equal);
        if arrived.upper() < floor || last.last().is_some_and(is_same) {
            continue;
        }
        if arrived.lower() > top {
            last.clear();
        }
        floor = floor.max(arrived.lower());
        top = top.max(arrived.upper());
        last.push(arrived);
    }
    last.retain(|arrived| arrived.upper() >= floor);
    let known = last.iter().filter_map(Number::ceil).max().unwrap_or(0);
    let open = last.iter().filter(|arrived| arrived.ceil().is_none());
    let most = open.map(|arrived| arrived.upper().ceil() as i128);
    most.max().is_none_or(|most| most <= known).then_some(known)
}

fn affordable(workload: &Workload, start: Rung) -> bool {
    start == Rung::Rational || workload.n_ops() <= RATIONAL_MAX_OPS
}

/// Repeats a run at the rung that decides everything and records its proof.
pub fn certify(workload: &Workload, limits: Limits) -> Result<Certificate, EngineError> {
    let mut recorder = Recorder::new(workload);
    let timeline = run::<Extended>(workload, limits, &mut recorder)?;
    let all = 0..workload.n_ops();
    let time_ps = last_arrival(&timeline, workload, all.clone());
    if timeline.n_ambiguous > 0 && affordable(workload, Rung::Extended) {
        let mut recorder = Recorder::new(workload);
        match run::<Rational>(workload, limits, &mut recorder) {
            Ok(timeline) => {
                let time_ps = last_arrival(&timeline, workload, all).unwrap_or(i128::MAX);
                return Ok(recorder.finish(time_ps, 0));
            }
            Err(EngineError::OverBudget) => {}
            Err(error) => return Err(error),
        }
    }
    let run = Run::Extended(timeline);
    let time_ps = time_ps
        .or_else(|| run.last_arrival_upper_ps(workload))
        .unwrap_or(0);
    Ok(recorder.finish(time_ps, run.n_ambiguous()))
}

/// For how long each resource was in use, in picoseconds, by a repeat at the rung that decided.
pub fn busy_ps(workload: &Workload, limits: Limits, rung: Rung) -> Result<Vec<f64>, EngineError> {
    fn observed<N: Number>(workload: &Workload, limits: Limits) -> Result<Vec<f64>, EngineError> {
        let mut usage = Usage::<N>::new(workload);
        run::<N>(workload, limits, &mut usage)?;
        Ok(usage.busy.iter().map(Number::value).collect())
    }
    match rung {
        Rung::Pair => observed::<Pair>(workload, limits),
        Rung::Extended => observed::<Extended>(workload, limits),
        Rung::Rational => observed::<Rational>(workload, limits),
    }
}

/// How long each resource needs at full rate for what it served, in picoseconds, by a repeat
/// likewise.
pub fn served_ps(workload: &Workload, limits: Limits, rung: Rung) -> Result<Vec<f64>, EngineError> {
    fn observed<N: Number>(workload: &Workload, limits: Limits) -> Result<Vec<f64>, EngineError> {
        let mut served = Served::<N>::new(workload);
        run::<N>(workload, limits, &mut served)?;
        let work = served.work.iter().zip(&workload.capacities);
        let least = work.map(|(work, &capacity)| work.value() / capacity as f64);
        Ok(least.collect())
    }
    match rung {
        Rung::Pair => observed::<Pair>(workload, limits),
        Rung::Extended => observed::<Extended>(workload, limits),
        Rung::Rational => observed::<Rational>(workload, limits),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::workload::WorkloadBuilder;

    const LIMITS: Limits = Limits {
        events: 1000,
        until_ps: None,
        cancel: None,
    };

    /// Two flows on links of their own that end at `a` and `b` bytes per (byte per second).
    fn two_flows(a: (u128, u64), b: (u128, u64), rate: u64) -> Workload {
        let mut builder = WorkloadBuilder::default();
        for size in [a, b] {
            let link = builder.resource(rate);
            let route = builder.route([(link, 1, 1)], 0, 0);
            builder.op(route, size, 0, [], []);
        }
        builder.build().unwrap()
    }

    #[test]
    fn a_gap_below_the_double_is_decided_by_the_double_double() {
        // (p+1)/p and p/(p-1) differ by 1/(p(p-1)), about 1e-18 for p = 10^9.
        let p = 1_000_000_000u64;
        let workload = two_flows((u128::from(p) + 1, p), (u128::from(p), p - 1), 1);
        let run = Run::climb(&workload, LIMITS, Rung::Pair).unwrap();
        assert_eq!(run.exactness().to_string(), "exact (extended)");
        // Both start at 0, then each ends at a time of its own.
        assert_eq!(run.n_events(), 3);
    }

    #[test]
    fn a_gap_below_the_double_double_is_decided_by_rationals() {
        // About 1e-36 for p = 10^18, below the 2^-100 of a double-double.
        let p = 1_000_000_000_000_000_000u64;
        let workload = two_flows((u128::from(p) + 1, p), (u128::from(p), p - 1), 1);
        let run = Run::climb(&workload, LIMITS, Rung::Pair).unwrap();
        assert_eq!(run.exactness().to_string(), "exact (rational)");
        // Both start at 0, then each ends at a time of its own.
        assert_eq!(run.n_events(), 3);
        certify(&workload, LIMITS).unwrap();
    }

    #[test]
    fn the_later_of_two_arrivals_that_a_pair_cannot_tell_apart_is_rounded() {
        // The one arrives at k + 500 ps sharp and the other 10^-7 ps later, which is k + 501 ps in whole
        // ones; they are served 400 ps apart, so no comparison of the run itself is close.
        let (k, e7) = (94_463_143_000u128, 10_000_000u128);
        for order in [[0, 1], [1, 0]] {
            let mut builder = WorkloadBuilder::default();
            let flows = [
                ((k, 1_000_000_000_000), 500),
                (((k - 400) * e7 + 1, 10_000_000_000_000_000_000), 900),
            ];
            for (size, latency_ps) in order.map(|flow: usize| flows[flow]) {
                let link = builder.resource(1);
                let route = builder.route([(link, 1, 1)], latency_ps, 0);
                builder.op(route, size, 0, [], []);
            }
            let workload = builder.build().unwrap();
            let pair = run(&workload, LIMITS, &mut Unobserved).map(Run::Pair);
            assert_eq!(pair.unwrap().last_arrival_ps(&workload), None);
            let run = Run::climb(&workload, LIMITS, Rung::Pair).unwrap();
            assert_eq!(run.last_arrival_ps(&workload), Some(k as i128 + 501));
            assert_eq!(run.exactness().to_string(), "exact (extended)");
        }
    }

    #[test]
    fn equal_times_by_different_arithmetic_are_one_event() {
        // 7 * (1/7) against 1: one event, decided by the residue at the first rung.
        let run = Run::climb(&two_flows((7, 7), (1, 1), 3), LIMITS, Rung::Pair).unwrap();
        assert_eq!(run.exactness().to_string(), "exact");
        assert_eq!(run.n_events(), 2);
    }

    #[test]
    fn the_event_limit_is_an_error_that_names_it() {
        let workload = two_flows((1, 1), (2, 1), 1);
        let limits = Limits {
            events: 1,
            until_ps: None,
            cancel: None,
        };
        let error = Run::climb(&workload, limits, Rung::Pair).unwrap_err();
        assert_eq!(error, EngineError::EventLimit { limit: 1 });
    }
}
