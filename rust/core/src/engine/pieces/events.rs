//! A run by events as a piece: what of it changes with the sizes, and how far.
//!
//! Rates depend on which operations are active, not on how many bytes they have left. So let every
//! size be m times as large, and let events happen in the order of a run at m = 1, between any two of
//! them the same operations active at the same rates. Then each event time is linear in m, from the
//! release or completion that makes it, and this is the evolution at m if
//!
//! 1. event times do not fall,
//! 2. everything that happens at an event happens at that one time at m too, and
//! 3. an operation's release is its last predecessor's at m too.
//!
//! For then rates are max-min fair at all times, everything is released when it may be and ends when
//! its bytes are through; and that evolution is unique. The conditions are comparisons of linear
//! functions, so they hold between two factors ([`super::Reach`]); equality of two times that are not
//! the same function holds at m = 1 only. No condition is needed for an operation that goes on: its
//! bytes do not run out before the event at which they do, because event times do not fall.
//!
//! All this is computed in rationals beside a run in rationals, whose order and rates are exact.

use num_bigint::BigInt;
use num_integer::Integer;
use num_rational::BigRational;
use num_traits::{Signed, ToPrimitive, Zero};

use super::{Factor, Piece, Reach, Split};
use crate::engine::fluid::{EngineError, Limits, run};
use crate::engine::number::Rational;
use crate::engine::observer::Observer;
use crate::engine::workload::Workload;

/// Bytes per second times picoseconds: sizes in bytes are scaled by this many ps per second.
const PS_PER_S: u64 = 1_000_000_000_000;

type Line = Split<BigRational>;

/// When the last operation of a run by events arrives.
#[derive(Debug)]
pub struct Ending {
    ticks: i128,
    last_arrival: Split,
    /// Events of the run.
    pub n_events: u64,
}

impl Ending {
    /// Runs a workload and finds for which factors on its sizes events keep their order; `None` where
    /// times do not fit in 128 bits.
    pub fn of(workload: &Workload, limits: Limits) -> Result<Option<Piece<Self>>, EngineError> {
        let mut trace = Trace::new(workload);
        let timeline = match run::<Rational>(workload, limits, &mut trace) {
            Err(EngineError::OverBudget) => return Ok(None),
            timeline => timeline?,
        };
        Ok(trace.finish(timeline.n_events))
    }

    /// The last arrival for sizes times a factor, in picoseconds, rounded up.
    pub fn last_arrival_ps(&self, factor: Factor) -> i128 {
        let ticks = self.ticks * factor.1;
        Integer::div_ceil(&self.last_arrival.scaled(factor), &ticks)
    }
}

/// What one resource has served of each operation that it holds back, see [`crate::engine::fluid`].
#[derive(Clone)]
struct Clock {
    reading: Line,
    since: Line,
    level: BigRational,
}

impl Clock {
    fn reading_at(&self, now: &Line) -> Line {
        self.reading
            .plus(&now.minus(&self.since).times_ratio(&self.level))
    }
}

/// An active operation: what holds it back, and the reading of that clock when it is through. The
/// reading is its work as long as nothing holds it back.
#[derive(Clone)]
struct Due {
    resource: Option<u32>,
    reading: Line,
}

/// Follows a run.
struct Trace<'w> {
    workload: &'w Workload,
    reach: Reach,
    /// Time of the event before, and of this one once something has happened.
    before: Line,
    now: Option<Line>,
    clocks: Vec<Clock>,
    dues: Vec<Due>,
    served: Vec<Line>,
    /// Whether the conditions hold at factor 1, and all times fit in 128 bits: then they do, at any
    /// other factor, in the budget of a run in rationals, and the difference of any two in a double.
    holds: bool,
}

impl<'w> Trace<'w> {
    fn new(workload: &'w Workload) -> Self {
        let zero = Line::fixed(BigRational::zero());
        let clock = Clock {
            reading: zero.clone(),
            since: zero.clone(),
            level: BigRational::zero(),
        };
        let due = Due {
            resource: None,
            reading: zero.clone(),
        };
        Self {
            workload,
            reach: Reach::ALL,
            before: zero.clone(),
            now: None,
            clocks: vec![clock; workload.capacities.len()],
            dues: vec![due; workload.n_ops()],
            served: vec![zero; workload.n_ops()],
            holds: true,
        }
    }

    /// Something happens at a time: the first that makes this an event, or a further one at it.
    fn happens(&mut self, at: Line) {
        let fits = |part: &BigRational| {
            part.numer().to_i128().is_some() && part.denom().to_i128().is_some()
        };
        self.holds &= at.parts().into_iter().all(fits);
        if let Some(now) = &self.now {
            self.holds &= at.not_before(now, &mut self.reach);
            self.holds &= now.not_before(&at, &mut self.reach);
        } else {
            self.holds &= at.not_before(&self.before, &mut self.reach);
            self.now = Some(at);
        }
    }

    /// An operation is released when the last of what it waits for is there.
    fn released(&mut self, op: u32) {
        let (workload, op) = (self.workload, op as usize);
        let fixed = |ps: u64| Line::fixed(BigRational::from_integer(ps.into()));
        let software_ps = workload.software_ps[workload.op_routes[op] as usize];
        let mut ready = fixed(workload.start_ps(op) + software_ps);
        for &pred in workload.depends_on.row(op) {
            let latency_ps = workload.latencies_ps[workload.op_routes[pred as usize] as usize];
            let there = self.served[pred as usize].plus(&fixed(latency_ps + software_ps));
            ready = ready.max(there, &mut self.reach);
        }
        for &pred in workload.follows.row(op) {
            let through = self.served[pred as usize].clone();
            ready = ready.max(through, &mut self.reach);
        }
        self.happens(ready);
    }

    fn serve(&mut self, op: u32) {
        if let Some(now) = &self.now {
            self.served[op as usize] = now.clone();
        }
    }

    fn finish(mut self, n_events: u64) -> Option<Piece<Ending>> {
        let workload = self.workload;
        let mut last = Line::fixed(BigRational::zero());
        for (&route, served) in workload.op_routes.iter().zip(&self.served) {
            let latency = BigInt::from(workload.latencies_ps[route as usize]);
            let arrived = served.plus(&Line::fixed(BigRational::from_integer(latency)));
            last = last.max(arrived, &mut self.reach);
        }
        if !self.holds {
            return None;
        }
        let [whole, bytes] = last.parts();
        let ticks = whole.denom().lcm(bytes.denom());
        let in_ticks = |part: &BigRational| (part * &ticks).to_integer();
        let (whole, bytes) = (in_ticks(whole), in_ticks(bytes));
        let latest = (&whole - &bytes).abs() + bytes.abs() + &ticks;
        let run = Ending {
            ticks: ticks.to_i128()?,
            last_arrival: Split::new(whole.to_i128()?, bytes.to_i128()?),
            n_events,
        };
        let latest = latest.to_i128()?;
        Some(Piece::new(&workload.sizes, self.reach, latest, run))
    }
}

impl Observer<Rational> for Trace<'_> {
    fn passed(&mut self, op: u32, _now: &Rational) {
        self.released(op);
        self.serve(op);
    }

    fn entered(&mut self, op: u32, _now: &Rational) {
        self.released(op);
        let (bytes, denominator) = self.workload.size(op as usize);
        let work = BigRational::new(BigInt::from(bytes) * PS_PER_S, denominator.into());
        self.dues[op as usize] = Due {
            resource: None,
            reading: Line::of_bytes(work),
        };
    }

    fn left(&mut self, op: u32, _now: &Rational) {
        let due = &self.dues[op as usize];
        if let Some(resource) = due.resource {
            let clock = &self.clocks[resource as usize];
            let remaining = due.reading.minus(&clock.reading);
            let through = clock
                .since
                .plus(&remaining.times_ratio(&clock.level.recip()));
            self.happens(through);
        }
        self.serve(op);
    }

    fn moved(&mut self, op: u32, bottleneck: u32) {
        let Some(now) = &self.now else { return };
        let due = &mut self.dues[op as usize];
        if let Some(before) = due.resource {
            let through = self.clocks[before as usize].reading_at(now);
            due.reading = due.reading.minus(&through);
        }
        let reading = self.clocks[bottleneck as usize].reading_at(now);
        due.reading = due.reading.plus(&reading);
        due.resource = Some(bottleneck);
    }

    fn relevelled(&mut self, resource: u32, level: &Rational) {
        let Some(now) = &self.now else { return };
        let clock = &mut self.clocks[resource as usize];
        clock.reading = clock.reading_at(now);
        clock.since = now.clone();
        clock.level = level.0.clone();
    }

    fn settled(&mut self, now: &Rational) {
        if let Some(ours) = self.now.take() {
            self.holds &= *ours.parts()[0] == now.0;
            self.before = ours;
        }
    }
}
