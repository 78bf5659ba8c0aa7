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
use crate::engine::workload::Workload;

const PS_PER_S: u128 = 1_000_000_000_000;

/// The times of every operation, in ticks.
#[derive(Debug, Clone)]
pub struct Recurrence {
    /// Ticks per picosecond.
    pub ticks: i128,
    /// What was left out.
    pub skips: Vec<Skip>,
    /// How much later each skipped period is than the one before, per skip.
    pub shifts: Vec<i128>,
    /// Operations evaluated.
    pub n_evaluated: u64,
    /// Last arrival of all.
    pub last_arrival: i128,
    released: Vec<i128>,
    served: Vec<i128>,
    arrived: Vec<i128>,
    durations: Vec<i128>,
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
struct Clocked {
    ticks: i128,
    durations: Vec<i128>,
    latencies: Vec<i128>,
    software: Vec<i128>,
}

/// `None` where 128 bits do not hold the common denominator or the longest chain.
fn clocked(looped: &Looped, sizes: &[(u128, u64)]) -> Option<Clocked> {
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
    let durations = exact
        .iter()
        .map(|&(n, d)| i128::try_from(n).ok()?.checked_mul(ticks / d as i128));
    let clocked = Clocked {
        ticks,
        durations: durations.collect::<Option<_>>()?,
        latencies: bodies
            .latencies_ps
            .iter()
            .map(whole)
            .collect::<Option<_>>()?,
        software: bodies
            .software_ps
            .iter()
            .map(whole)
            .collect::<Option<_>>()?,
    };
    // No time exceeds the latest start plus everything one behind the other.
    let mut latest = whole(bodies.starts_ps.iter().max().unwrap_or(&0))?;
    for (segment, range) in looped.segments.iter().zip(looped.body_ranges()) {
        for op in range {
            let route = bodies.op_routes[op] as usize;
            let each = clocked.durations[op]
                .checked_add(clocked.latencies[route])?
                .checked_add(clocked.software[route])?;
            let all = each.checked_mul(i128::from(segment.n_repeats))?;
            latest = latest.checked_add(all)?;
        }
    }
    // Room for the difference of two times and for rounding up.
    latest.checked_mul(4)?.checked_add(ticks)?;
    Some(clocked)
}

/// The time of `size` bytes alone on a route, in picoseconds; 0 where they load nothing.
fn alone_ps(bodies: &Workload, route: u32, size: (u128, u64)) -> Option<(u128, u128)> {
    let mut tightest: Option<(u64, u128)> = None;
    for incidence in bodies.routes.row(route as usize) {
        let capacity = bodies.capacities[incidence.resource as usize];
        let slower = match tightest {
            None => true,
            Some((w, c)) => {
                u128::from(incidence.weight).checked_mul(c)?
                    > u128::from(w).checked_mul(capacity)?
            }
        };
        if slower {
            tightest = Some((incidence.weight, capacity));
        }
    }
    match tightest {
        Some((weight, capacity)) if size.0 > 0 => duration_ps(size, weight, capacity),
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
struct Stepper<'l> {
    looped: &'l Looped,
    look_beyond: Vec<bool>,
    clocked: Clocked,
    released: Vec<i128>,
    served: Vec<i128>,
    arrived: Vec<i128>,
    /// End of the last operation on each resource.
    free_at: Vec<i128>,
    /// When everything before the present segment has arrived.
    all_there: i128,
    /// The last operation, as a count, that may have been held back by a start time or by a
    /// predecessor before its segment.
    last_held: usize,
    /// So many of the last operations stand in the shortened list as they do in the full one.
    n_contiguous: usize,
    /// Operations left out before.
    n_left_out: u64,
    /// How much later everything really is, for the skipped periods before.
    later: i128,
    last_arrival: i128,
    /// The operations before this one are in `last_arrival`.
    n_counted: usize,
    skips: Vec<Skip>,
    shifts: Vec<i128>,
}

impl<'l> Stepper<'l> {
    fn new(looped: &'l Looped, clocked: Clocked) -> Self {
        Self {
            looped,
            look_beyond: looped.look_beyond(),
            clocked,
            released: Vec::new(),
            served: Vec::new(),
            arrived: Vec::new(),
            free_at: vec![i128::MIN; looped.bodies.capacities.len()],
            all_there: 0,
            last_held: 0,
            n_contiguous: 0,
            n_left_out: 0,
            later: 0,
            last_arrival: 0,
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
        let start_ps = bodies.start_ps(op);
        let start = i128::from(start_ps) * self.clocked.ticks - self.later + software;
        let data = bodies.depends_on.row(op).iter();
        let data = data.map(|&distance| self.before(distance)[1] + software);
        let order = bodies.follows.row(op).iter();
        let order = order.map(|&distance| self.before(distance)[0]);
        let preds = data.chain(order).max();
        let released = preds.map_or(start, |preds| preds.max(start));
        let held_by_start = preds.is_none_or(|preds| preds < start);
        if held_by_start || self.look_beyond[op] && released - software <= self.all_there {
            self.last_held = at + 1;
        }
        let duration = self.clocked.durations[op];
        let served = released + duration;
        if duration > 0 {
            for incidence in bodies.routes.row(route) {
                let free_at = &mut self.free_at[incidence.resource as usize];
                if released < *free_at {
                    return false;
                }
                *free_at = served;
            }
        }
        self.released.push(released);
        self.served.push(served);
        self.arrived.push(served + self.clocked.latencies[route]);
        self.n_contiguous += 1;
        true
    }

    /// Served and arrived time of the operation so many places before the next one.
    #[inline]
    fn before(&self, distance: u32) -> [i128; 2] {
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
    fn skip(&mut self, skip: Skip, shift: i128, watch: &Watch) {
        self.count(watch.from + skip.first as usize * watch.n_ops);
        let later = shift * i128::from(skip.n_periods);
        self.later += later;
        self.all_there -= later;
        self.n_contiguous = watch.reach;
        self.n_left_out += skip.period * skip.n_periods * watch.n_ops as u64;
        self.shifts.push(shift);
        self.skips.push(skip);
    }

    fn count(&mut self, until: usize) {
        for &arrived in &self.arrived[self.n_counted..until] {
            self.last_arrival = self.last_arrival.max(arrived + self.later);
        }
        self.n_counted = until;
    }

    fn finish(mut self) -> Recurrence {
        self.count(self.arrived.len());
        Recurrence {
            ticks: self.clocked.ticks,
            skips: self.skips,
            shifts: self.shifts,
            n_evaluated: self.served.len() as u64,
            last_arrival: self.last_arrival,
            released: self.released,
            served: self.served,
            arrived: self.arrived,
            durations: self.clocked.durations,
        }
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
    fn new(stepper: &Stepper, n_ops: usize, reach: usize) -> Self {
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
    fn seen_before(&mut self, stepper: &Stepper, repeat: u64) -> Option<(u64, i128)> {
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
    fn shift(&self, stepper: &Stepper, kept: u64) -> Option<i128> {
        let then = self.from + kept as usize * self.n_ops;
        let now = stepper.served.len();
        let (a, b) = (
            &stepper.served[then - self.reach..then],
            &stepper.served[now - self.reach..now],
        );
        let shift = b.last()? - a.last()?;
        let same = a.iter().zip(b).rev().all(|(a, b)| b - a == shift);
        let free = stepper.last_held <= then;
        (same && free && shift >= 0).then_some(shift)
    }
}
