//! Work without sharing: times by a recurrence in whole ticks, no events.
//!
//! If no two operations are ever active together on any resource, each runs at the rate that its
//! tightest resource gives it alone, and its times follow from those of its predecessors by maxima
//! and sums: x(s+1) = A x(s) over (max, +). Whether that is so is seen from the times themselves:
//! on each resource, every operation must be released at or after the end of the one listed before.
//! Then each active operation is alone on a saturated resource, which is the condition of max-min
//! fairness; the evolution that meets it at all times is unique, so this is the one. Where it does
//! not hold there is no answer, and the event engine takes over.
//!
//! Ticks are picoseconds over the common denominator of all durations, in checked 128-bit integers,
//! so times are exact. In a loop the state after a repetition is the end times of the last
//! operations of the loop that a further repetition looks back to. When a state is an earlier one
//! plus the same time everywhere (compared in full), and nothing but the state has held back an
//! operation between them, every later period is the one between them, and is skipped. *Nothing but
//! the state*: no start time did; and whatever looks back beyond the loop was released strictly
//! after everything before the loop had arrived, which stays so as time goes on. The search is
//! Brent's: one earlier state is kept, and renewed at powers of two.

use std::sync::atomic::Ordering;

use num_integer::Integer;
use rustc_hash::FxHashMap;

use super::looped::{Looped, Skip};
use crate::engine::fluid::{EngineError, Limits};
use crate::engine::pieces::{Factor, Reach, Split, Time};
use crate::engine::workload::Workload;

const PS_PER_S: u128 = 1_000_000_000_000;

/// The times of every operation, in ticks.
#[derive(Debug, Clone)]
pub struct Recurrence<T = i128> {
    /// Ticks per picosecond.
    pub ticks: i128,
    /// What was left out.
    pub skips: Vec<Skip>,
    /// How much later each skipped period is than the one before, per skip.
    pub shifts: Vec<T>,
    /// Operations evaluated.
    pub n_evaluated: u64,
    /// Last arrival of all.
    pub last_arrival: T,
    /// Every sum and difference of two times is below.
    pub(super) latest: i128,
    released: Vec<T>,
    served: Vec<T>,
    arrived: Vec<T>,
    durations: Vec<T>,
}

impl Recurrence<Split> {
    /// The same run with sizes times a factor, `numerator / denominator`.
    pub(super) fn scaled(&self, factor: Factor) -> Recurrence {
        let each = |times: &[Split]| times.iter().map(|time| time.scaled(factor)).collect();
        Recurrence {
            ticks: self.ticks * factor.1,
            skips: self.skips.clone(),
            shifts: each(&self.shifts),
            n_evaluated: self.n_evaluated,
            last_arrival: self.last_arrival.scaled(factor),
            latest: self.latest,
            released: each(&self.released),
            served: each(&self.served),
            arrived: each(&self.arrived),
            durations: each(&self.durations),
        }
    }

    /// The last arrival of all for sizes times a factor, in picoseconds, rounded up.
    pub fn last_arrival_ps(&self, factor: Factor) -> i128 {
        let ticks = self.ticks * factor.1;
        Integer::div_ceil(&self.last_arrival.scaled(factor), &ticks)
    }
}

impl Recurrence {
    /// Released, served and arrived time of an operation of the full list, in ticks.
    pub fn times(&self, looped: &Looped, op: u64) -> [i128; 3] {
        let place = looped.place(op, &self.skips);
        let later = place.later(&self.skips, &self.shifts);
        let op = place.op as usize;
        [&self.released, &self.served, &self.arrived].map(|times| times[op] + later)
    }

    /// A time rounded up to the picosecond.
    pub fn ceil_ps(&self, time: i128) -> i128 {
        Integer::div_ceil(&time, &self.ticks)
    }

    /// A time in picoseconds.
    pub fn value_ps(&self, time: i128) -> f64 {
        let (whole, rest) = time.div_mod_floor(&self.ticks);
        whole as f64 + rest as f64 / self.ticks as f64
    }

    /// For how long each resource was in use, in picoseconds.
    pub fn busy_ps(&self, looped: &Looped) -> Vec<f64> {
        let mut busy = vec![0i128; looped.bodies.capacities.len()];
        for (segment, range) in looped.segments.iter().zip(looped.body_ranges()) {
            for op in range {
                for incidence in looped.bodies.route(op) {
                    busy[incidence.resource as usize] +=
                        self.durations[op] * i128::from(segment.n_repeats);
                }
            }
        }
        busy.into_iter().map(|time| self.value_ps(time)).collect()
    }
}

/// Durations of the operations of all bodies in ticks, and what else is a time.
struct Clocked<T> {
    ticks: i128,
    latest: i128,
    durations: Vec<T>,
    latencies: Vec<T>,
    software: Vec<T>,
}

/// `None` where 128 bits do not hold the common denominator or the longest chain.
fn clocked<T: Time>(looped: &Looped, sizes: &[(u128, u64)]) -> Option<Clocked<T>> {
    let bodies = &looped.bodies;
    let mut known: FxHashMap<(u32, u32), (u128, u128)> = FxHashMap::default();
    let mut exact = Vec::with_capacity(bodies.n_ops());
    let mut ticks = 1u128;
    for (&route, &size) in bodies.op_routes.iter().zip(&bodies.op_sizes) {
        let duration = if let Some(&duration) = known.get(&(route, size)) {
            duration
        } else {
            let duration = alone_ps(bodies, route, sizes[size as usize])?;
            ticks = (ticks / ticks.gcd(&duration.1)).checked_mul(duration.1)?;
            known.insert((route, size), duration);
            duration
        };
        exact.push(duration);
    }
    let ticks = i128::try_from(ticks).ok()?;
    let whole = |ps: &u64| i128::from(*ps).checked_mul(ticks);
    let all_whole = |times: &[u64]| times.iter().map(whole).collect::<Option<Vec<i128>>>();
    let durations = exact
        .iter()
        .map(|&(n, d)| i128::try_from(n).ok()?.checked_mul(ticks / d as i128));
    let durations = durations.collect::<Option<Vec<i128>>>()?;
    let (latencies, software) = (
        all_whole(&bodies.latencies_ps)?,
        all_whole(&bodies.software_ps)?,
    );
    // No time exceeds the latest start plus everything one behind the other.
    let mut latest = whole(bodies.starts_ps.iter().max().unwrap_or(&0))?;
    for (segment, range) in looped.segments.iter().zip(looped.body_ranges()) {
        for op in range {
            let route = bodies.op_routes[op] as usize;
            let each = durations[op]
                .checked_add(latencies[route])?
                .checked_add(software[route])?;
            let all = each.checked_mul(i128::from(segment.n_repeats))?;
            latest = latest.checked_add(all)?;
        }
    }
    // Room for the difference of two times and for rounding up.
    let latest = latest.checked_mul(4)?.checked_add(ticks)?;
    let fixed = |times: Vec<i128>| times.into_iter().map(T::fixed).collect();
    Some(Clocked {
        ticks,
        latest,
        durations: durations.into_iter().map(T::of_bytes).collect(),
        latencies: fixed(latencies),
        software: fixed(software),
    })
}

/// The time of `size` bytes alone on a route, in picoseconds; 0 where they load nothing.
fn alone_ps(bodies: &Workload, route: u32, size: (u128, u64)) -> Option<(u128, u128)> {
    match bodies.tightest(route) {
        Some(i) if size.0 > 0 => {
            duration_ps(size, i.weight, bodies.capacities[i.resource as usize])
        }
        _ => Some((0, 1)),
    }
}

/// `size / (capacity / weight)` in picoseconds, as a reduced fraction.
fn duration_ps(size: (u128, u64), weight: u64, capacity: u128) -> Option<(u128, u128)> {
    let reduced = |n: u128, d: u128| {
        let common = n.gcd(&d);
        (n / common, d / common)
    };
    let (work, denominator) = reduced(size.0.checked_mul(PS_PER_S)?, size.1.into());
    let (weight, capacity) = reduced(weight.into(), capacity);
    let (work, capacity) = reduced(work, capacity);
    let (weight, denominator) = reduced(weight, denominator);
    Some((
        work.checked_mul(weight)?,
        denominator.checked_mul(capacity)?,
    ))
}

/// Whether two operations without predecessors start together on one resource: then no recurrence
/// holds, and where everything is sent at once this is seen at the second operation.
pub fn starts_shared(workload: &Workload) -> bool {
    let mut last_start_on: Vec<Option<u64>> = vec![None; workload.capacities.len()];
    (0..workload.n_ops()).any(|op| {
        let alone = workload.depends_on.row(op).is_empty() && workload.follows.row(op).is_empty();
        if !alone || workload.size(op).0 == 0 {
            return false;
        }
        let software = workload.software_ps[workload.op_routes[op] as usize];
        let start = workload.start_ps(op) + software;
        workload.route(op).iter().any(|incidence| {
            last_start_on[incidence.resource as usize].replace(start) == Some(start)
        })
    })
}

/// Repetitions between two looks at the cancel flag.
const CANCEL_EVERY: u64 = 1024;

/// Times by the recurrence, for operations of these sizes; `None` where operations share a
/// resource, or 128 bits do not suffice.
pub fn solve(
    looped: &Looped,
    sizes: &[(u128, u64)],
    limits: Limits,
) -> Result<Option<Recurrence>, EngineError> {
    Ok(evaluate(looped, sizes, limits)?.map(|(times, _)| times))
}

/// The same in times of either kind, and for which factors on the sizes the run stays the same.
pub(super) fn evaluate<T: Time>(
    looped: &Looped,
    sizes: &[(u128, u64)],
    limits: Limits,
) -> Result<Option<(Recurrence<T>, Reach)>, EngineError> {
    let Some(clocked) = clocked(looped, sizes) else {
        return Ok(None);
    };
    let mut stepper = Stepper::new(looped, clocked);
    let reaches = looped.reaches();
    for (index, range) in looped.body_ranges().into_iter().enumerate() {
        let segment = looped.segments[index];
        stepper.enter();
        let mut watch = Watch::new(&stepper, range.len(), reaches[index] as usize);
        let mut repeat = 0;
        while repeat < segment.n_repeats {
            if !stepper.body(range.clone()) {
                return Ok(None);
            }
            repeat += 1;
            if stepper.n_evaluated() > limits.events {
                return Err(EngineError::EventLimit {
                    limit: limits.events,
                });
            }
            let cancelled = || limits.cancel.is_some_and(|c| c.load(Ordering::Relaxed));
            if repeat.is_multiple_of(CANCEL_EVERY) && cancelled() {
                return Err(EngineError::Interrupted);
            }
            if segment.n_repeats == 1 || !watch.open {
                continue;
            }
            if let Some((first, shift)) = watch.seen_before(&stepper, repeat) {
                let period = repeat - first;
                let n_periods = (segment.n_repeats - repeat) / period;
                watch.open = false;
                if n_periods > 0 {
                    let skip = Skip {
                        segment: index,
                        first,
                        period,
                        n_periods,
                    };
                    stepper.skip(skip, shift, &watch);
                    repeat += period * n_periods;
                }
            }
        }
    }
    Ok(Some(stepper.finish()))
}

/// Evaluates operation after operation of the shortened list.
struct Stepper<'l, T> {
    looped: &'l Looped,
    look_beyond: Vec<bool>,
    /// For which factors on the sizes every comparison so far comes out as it did.
    factors: Reach,
    clocked: Clocked<T>,
    released: Vec<T>,
    served: Vec<T>,
    arrived: Vec<T>,
    /// End of the last operation on each resource.
    free_at: Vec<Option<T>>,
    /// When everything before the present segment has arrived.
    all_there: T,
    /// The last operation, as a count, that may have been held back by a start time or by a
    /// predecessor before its segment.
    last_held: usize,
    /// So many of the last operations stand in the shortened list as they do in the full one.
    n_contiguous: usize,
    /// Operations left out before.
    n_left_out: u64,
    /// How much later everything really is, for the skipped periods before.
    later: T,
    last_arrival: T,
    /// The operations before this one are in `last_arrival`.
    n_counted: usize,
    skips: Vec<Skip>,
    shifts: Vec<T>,
}

impl<'l, T: Time> Stepper<'l, T> {
    fn new(looped: &'l Looped, clocked: Clocked<T>) -> Self {
        Self {
            looped,
            look_beyond: looped.look_beyond(),
            factors: Reach::ALL,
            clocked,
            released: Vec::new(),
            served: Vec::new(),
            arrived: Vec::new(),
            free_at: vec![None; looped.bodies.capacities.len()],
            all_there: T::fixed(0),
            last_held: 0,
            n_contiguous: 0,
            n_left_out: 0,
            later: T::fixed(0),
            last_arrival: T::fixed(0),
            n_counted: 0,
            skips: Vec::new(),
            shifts: Vec::new(),
        }
    }

    fn n_evaluated(&self) -> u64 {
        self.served.len() as u64
    }

    /// Evaluates one repetition of a body; false if two operations share a resource.
    fn body(&mut self, range: std::ops::Range<usize>) -> bool {
        range.into_iter().all(|op| self.step(op))
    }

    /// Begins a segment.
    fn enter(&mut self) {
        self.count(self.arrived.len());
        self.all_there = self.last_arrival - self.later;
    }

    #[inline]
    fn step(&mut self, op: usize) -> bool {
        let bodies = &self.looped.bodies;
        let at = self.served.len();
        let route = bodies.op_routes[op] as usize;
        let software = self.clocked.software[route];
        let start = T::fixed(i128::from(bodies.start_ps(op)) * self.clocked.ticks);
        let start = start - self.later + software;
        let mut preds: Option<T> = None;
        for &distance in bodies.depends_on.row(op) {
            let there = self.before(distance)[1] + software;
            preds = Some(self.max(preds, there));
        }
        for &distance in bodies.follows.row(op) {
            let through = self.before(distance)[0];
            preds = Some(self.max(preds, through));
        }
        let waited = preds.filter(|preds| preds.at_least(start, &mut self.factors));
        let released = waited.unwrap_or(start);
        let may_wait_long = self.look_beyond[op]
            && self
                .all_there
                .at_least(released - software, &mut self.factors);
        if waited.is_none() || may_wait_long {
            self.last_held = at + 1;
        }
        let duration = self.clocked.durations[op];
        let served = released + duration;
        if duration.ticks() > 0 {
            for incidence in bodies.routes.row(route) {
                let free_at = self.free_at[incidence.resource as usize].replace(served);
                if free_at.is_some_and(|free| !released.at_least(free, &mut self.factors)) {
                    return false;
                }
            }
        }
        self.released.push(released);
        self.served.push(served);
        self.arrived.push(served + self.clocked.latencies[route]);
        self.n_contiguous += 1;
        true
    }

    #[inline]
    fn max(&mut self, a: Option<T>, b: T) -> T {
        match a {
            Some(a) if a.at_least(b, &mut self.factors) => a,
            _ => b,
        }
    }

    /// Served and arrived time of the operation so many places before the next one.
    #[inline]
    fn before(&self, distance: u32) -> [T; 2] {
        let at = self.served.len();
        if distance as usize <= self.n_contiguous {
            let at = at - distance as usize;
            return [self.served[at], self.arrived[at]];
        }
        let full = at as u64 + self.n_left_out - u64::from(distance);
        let place = self.looped.place(full, &self.skips);
        let later = place.later(&self.skips, &self.shifts) - self.later;
        let at = place.op as usize;
        [self.served[at] + later, self.arrived[at] + later]
    }

    /// Takes everything after the skip's first repetitions, and all that follows, as later.
    fn skip(&mut self, skip: Skip, shift: T, watch: &Watch) {
        self.count(watch.from + skip.first as usize * watch.n_ops);
        let later = shift.times(skip.n_periods.into());
        self.later = self.later + later;
        self.all_there = self.all_there - later;
        self.n_contiguous = watch.reach;
        self.n_left_out += skip.period * skip.n_periods * watch.n_ops as u64;
        self.shifts.push(shift);
        self.skips.push(skip);
    }

    fn count(&mut self, until: usize) {
        for at in self.n_counted..until {
            let arrived = self.arrived[at] + self.later;
            if !self.last_arrival.at_least(arrived, &mut self.factors) {
                self.last_arrival = arrived;
            }
        }
        self.n_counted = until;
    }

    fn finish(mut self) -> (Recurrence<T>, Reach) {
        self.count(self.arrived.len());
        let times = Recurrence {
            ticks: self.clocked.ticks,
            latest: self.clocked.latest,
            skips: self.skips,
            shifts: self.shifts,
            n_evaluated: self.served.len() as u64,
            last_arrival: self.last_arrival,
            released: self.released,
            served: self.served,
            arrived: self.arrived,
            durations: self.clocked.durations,
        };
        (times, self.factors)
    }
}

/// Looks for a state of one loop that has been there before.
struct Watch {
    /// First operation of the loop in the shortened list.
    from: usize,
    n_ops: usize,
    reach: usize,
    /// The repetition after which the kept state was taken.
    kept: Option<u64>,
    /// The repetition at which the kept state is renewed.
    renew_at: u64,
    open: bool,
}

impl Watch {
    fn new<T: Time>(stepper: &Stepper<T>, n_ops: usize, reach: usize) -> Self {
        Self {
            from: stepper.served.len(),
            n_ops,
            reach,
            kept: None,
            renew_at: 1,
            open: true,
        }
    }

    /// The repetition whose end state, plus a time, is that after `repeat`; and that time.
    fn seen_before<T: Time>(&mut self, stepper: &Stepper<T>, repeat: u64) -> Option<(u64, T)> {
        // The state must lie in this loop: a later one looks the same only if it does.
        if repeat as usize * self.n_ops < self.reach {
            return None;
        }
        let found = self
            .kept
            .and_then(|kept| self.shift(stepper, kept).map(|s| (kept, s)));
        if found.is_none() && repeat >= self.renew_at {
            self.kept = Some(repeat);
            self.renew_at = 2 * repeat;
        }
        found
    }

    /// The time between the state after repetition `kept` and the present one, if it is the same
    /// for every operation, and nothing else has held one back since.
    fn shift<T: Time>(&self, stepper: &Stepper<T>, kept: u64) -> Option<T> {
        let then = self.from + kept as usize * self.n_ops;
        let now = stepper.served.len();
        let (a, b) = (
            &stepper.served[then - self.reach..then],
            &stepper.served[now - self.reach..now],
        );
        let shift = *b.last()? - *a.last()?;
        let same = a.iter().zip(b).rev().all(|(&a, &b)| (b - a).same(shift));
        let free = stepper.last_held <= then;
        (same && free && shift.ticks() >= 0).then_some(shift)
    }
}
