//! Loops in a list of operations: bodies that are repeated, one behind the other.
//!
//! An operation of a loop has the route, size and start of the one a period before it, and its
//! predecessors stand the same distances before it. So a body with edges as distances and a count
//! say everything: a million steps of a ring are as short as one. [`Looped::detect`] finds the loops
//! of a workload; whoever knows them can write them down at once.
//!
//! A *skip* leaves out periods of a loop whose state repeats: the shortened list is simulated, and
//! every operation of the full list has a place in it and a number of periods to add.

use std::ops::Range;

use rustc_hash::FxHashMap;

use crate::csr::Csr;
use crate::engine::pieces::Time;
use crate::engine::workload::Workload;

/// A body of operations and how often it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Operations of the body.
    pub n_ops: u32,
    /// How often the body comes, at least once.
    pub n_repeats: u64,
}

/// A workload written as loops, one behind the other.
#[derive(Debug, Clone)]
pub struct Looped {
    /// The bodies, back to back. An edge is a *distance*: 3 is the operation three places earlier
    /// in the list of all repetitions.
    pub bodies: Workload,
    /// The loops; what is not repeated is a segment that comes once.
    pub segments: Vec<Segment>,
}

/// Periods of one loop that are left out: the state after `first` repetitions is the state after
/// `first + period`, later by the same time everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Skip {
    /// The segment.
    pub segment: usize,
    /// Repetitions before the state that repeats.
    pub first: u64,
    /// Repetitions until it comes again.
    pub period: u64,
    /// Periods left out.
    pub n_periods: u64,
}

/// Where an operation of the full list is found in the shortened one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Its index in the shortened list.
    pub op: u64,
    /// Skips before it that count in full, by their order.
    pub n_passed: usize,
    /// Periods of the next skip that lie between the two.
    pub n_periods: u64,
}

impl Place {
    /// How much later an operation is than the one in its place, if each period left out by a skip
    /// is later than the one before by that skip's shift.
    pub fn later<T: Time>(&self, skips: &[Skip], shifts: &[T]) -> T {
        let passed = skips.iter().zip(shifts).take(self.n_passed);
        let passed = passed.fold(T::fixed(0), |later, (skip, shift)| {
            later + shift.times(skip.n_periods.into())
        });
        let within = shifts.get(self.n_passed).filter(|_| self.n_periods > 0);
        within.map_or(passed, |shift| passed + shift.times(self.n_periods.into()))
    }
}

/// A run of equal operations shorter than this many periods is not worth a loop.
const MIN_REPEATS: usize = 4;

impl Looped {
    /// A workload as it stands, without a search for loops; `None` if an edge points forwards.
    pub fn list(workload: &Workload) -> Option<Self> {
        workload
            .edges_point_backwards()
            .then(|| Self::keep(workload, &[]))
    }

    /// Finds the loops of a workload; `None` if one of its edges points forwards.
    pub fn detect(workload: &Workload) -> Option<Self> {
        if !workload.edges_point_backwards() {
            return None;
        }
        Some(Self::keep(workload, &find_loops(workload)))
    }

    /// Writes loops, given as (first operation, period, repetitions), and what is between them.
    fn keep(workload: &Workload, loops: &[(usize, usize, usize)]) -> Self {
        let mut kept: Vec<u32> = Vec::new();
        let mut segments = Vec::new();
        let mut next = 0;
        let once = |range: Range<usize>, segments: &mut Vec<Segment>| {
            if !range.is_empty() {
                segments.push(Segment {
                    n_ops: range.len() as u32,
                    n_repeats: 1,
                });
            }
        };
        for &(from, period, n_repeats) in loops {
            once(next..from, &mut segments);
            segments.push(Segment {
                n_ops: period as u32,
                n_repeats: n_repeats as u64,
            });
            kept.extend(next as u32..(from + period) as u32);
            next = from + period * n_repeats;
        }
        once(next..workload.n_ops(), &mut segments);
        kept.extend(next as u32..workload.n_ops() as u32);
        let pick = |values: &[u32]| kept.iter().map(|&op| values[op as usize]).collect();
        let distances = |edges: &Csr<u32>| {
            let mut rows = Csr::with_capacity(kept.len(), 0);
            for &op in &kept {
                rows.push_row(edges.row(op as usize).iter().map(|&pred| op - pred));
            }
            rows
        };
        let starts_ps = if workload.starts_ps.is_empty() {
            Vec::new()
        } else {
            let each = kept.iter().map(|&op| workload.start_ps(op as usize));
            each.collect()
        };
        let bodies = Workload {
            op_routes: pick(&workload.op_routes),
            op_sizes: pick(&workload.op_sizes),
            starts_ps,
            depends_on: distances(&workload.depends_on),
            follows: distances(&workload.follows),
            capacities: workload.capacities.clone(),
            scales: workload.scales.clone(),
            routes: workload.routes.clone(),
            latencies_ps: workload.latencies_ps.clone(),
            software_ps: workload.software_ps.clone(),
            sizes: workload.sizes.clone(),
        };
        Self { bodies, segments }
    }

    /// Operations of all repetitions.
    pub fn n_ops(&self) -> u64 {
        let each = self.segments.iter();
        each.map(|segment| u64::from(segment.n_ops) * segment.n_repeats)
            .sum()
    }

    /// Whether any body is repeated.
    pub fn has_loops(&self) -> bool {
        self.segments.iter().any(|segment| segment.n_repeats > 1)
    }

    /// The operations of each segment's body in `bodies`.
    pub fn body_ranges(&self) -> Vec<Range<usize>> {
        let mut from = 0;
        let ranges = self.segments.iter().map(|segment| {
            let range = from..from + segment.n_ops as usize;
            from = range.end;
            range
        });
        ranges.collect()
    }

    /// How many operations before the end of each segment a further repetition of it looks back to
    /// within the segment; at least one body, so that it holds the last user of every resource.
    pub fn reaches(&self) -> Vec<u64> {
        let each = self.segments.iter().zip(self.body_ranges());
        let reach = |(segment, range): (&Segment, Range<usize>)| {
            let back = range.clone().flat_map(|op| {
                let near = self
                    .distances(op)
                    .map(move |d| before_body(d, op - range.start));
                near.filter(|&back| !leaves(*segment, back))
            });
            back.max().unwrap_or(0).max(segment.n_ops.into())
        };
        each.map(reach).collect()
    }

    /// Whether each operation of `bodies` looks back beyond its segment even from its last
    /// repetition.
    pub fn look_beyond(&self) -> Vec<bool> {
        let each = self.segments.iter().zip(self.body_ranges());
        let look = each.flat_map(|(segment, range)| {
            range.clone().map(move |op| {
                let mut back = self.distances(op).map(|d| before_body(d, op - range.start));
                back.any(|back| leaves(*segment, back))
            })
        });
        look.collect()
    }

    fn distances(&self, op: usize) -> impl Iterator<Item = u32> {
        let rows = [self.bodies.depends_on.row(op), self.bodies.follows.row(op)];
        rows.into_iter().flatten().copied()
    }

    /// The loops with the skipped periods left out; at most one skip per segment, in their order.
    #[must_use]
    pub fn shortened(&self, skips: &[Skip]) -> Self {
        let mut short = self.clone();
        for skip in skips {
            short.segments[skip.segment].n_repeats -= skip.period * skip.n_periods;
        }
        short
    }

    /// All repetitions written out.
    ///
    /// # Panics
    /// If there are 2^32 operations or more.
    pub fn expanded(&self) -> Workload {
        let n = self.n_ops() as usize;
        assert!(
            u32::try_from(n).is_ok(),
            "{n} operations are too many to write out"
        );
        let bodies = &self.bodies;
        let mut kept: Vec<u32> = Vec::with_capacity(n);
        for (segment, range) in self.segments.iter().zip(self.body_ranges()) {
            for _ in 0..segment.n_repeats {
                kept.extend(range.start as u32..range.end as u32);
            }
        }
        let edges = |distances: &Csr<u32>| {
            let mut rows = Csr::with_capacity(n, 0);
            for (op, &like) in kept.iter().enumerate() {
                let row = distances.row(like as usize);
                rows.push_row(row.iter().map(|&distance| op as u32 - distance));
            }
            rows
        };
        let pick = |values: &[u32]| kept.iter().map(|&op| values[op as usize]).collect();
        let starts_ps = if bodies.starts_ps.is_empty() {
            Vec::new()
        } else {
            kept.iter()
                .map(|&op| bodies.start_ps(op as usize))
                .collect()
        };
        Workload {
            op_routes: pick(&bodies.op_routes),
            op_sizes: pick(&bodies.op_sizes),
            starts_ps,
            depends_on: edges(&bodies.depends_on),
            follows: edges(&bodies.follows),
            ..bodies.clone()
        }
    }

    /// The place of an operation of this list in the list shortened by `skips`.
    pub fn place(&self, op: u64, skips: &[Skip]) -> Place {
        let (mut from, mut short_from) = (0, 0);
        let mut n_passed = 0;
        let mut skips = skips.iter().peekable();
        for (index, segment) in self.segments.iter().enumerate() {
            let n_ops = u64::from(segment.n_ops);
            let end = from + n_ops * segment.n_repeats;
            let skip = skips.next_if(|skip| skip.segment == index);
            let left_out = skip.map_or(0, |skip| n_ops * skip.period * skip.n_periods);
            if op >= end {
                n_passed += usize::from(skip.is_some());
                from = end;
                short_from += n_ops * segment.n_repeats - left_out;
                continue;
            }
            let at = op - from;
            let n_periods = skip.map_or(0, |skip| {
                let repeated = (at / n_ops).saturating_sub(skip.first) / skip.period;
                repeated.min(skip.n_periods)
            });
            let back = skip.map_or(0, |skip| n_periods * skip.period * n_ops);
            return Place {
                op: short_from + at - back,
                n_passed,
                n_periods,
            };
        }
        panic!("operation {op} is not in the list")
    }
}

/// How far an edge looks back before the body of its operation, which is the body's `at`th.
fn before_body(distance: u32, at: usize) -> u64 {
    u64::from(distance).saturating_sub(at as u64)
}

/// Whether so far back before the last repetition is before the segment.
fn leaves(segment: Segment, back: u64) -> bool {
    back > u64::from(segment.n_ops) * (segment.n_repeats - 1)
}

/// Loops as (first operation, period, repetitions), in order and without overlap.
fn find_loops(workload: &Workload) -> Vec<(usize, usize, usize)> {
    let n = workload.n_ops();
    let mut loops = Vec::new();
    // The last operation of each look; a look is confirmed operation by operation below.
    let mut last_of: FxHashMap<(u32, u32, u64, u64), usize> = FxHashMap::default();
    // A period that failed need not be tried again before the operation that it failed at.
    let mut failed = (0, 0);
    let (mut op, mut free) = (0, 0);
    while op < n {
        let before = last_of.insert(look(workload, op), op);
        let Some(before) = before.filter(|&before| before >= free) else {
            op += 1;
            continue;
        };
        let period = op - before;
        if failed.0 == period && op < failed.1 {
            op += 1;
            continue;
        }
        let end = (op..n)
            .find(|&later| !alike(workload, later, later - period))
            .unwrap_or(n);
        let n_repeats = (end - before) / period;
        if n_repeats < MIN_REPEATS {
            failed = (period, end);
            op += 1;
            continue;
        }
        loops.push((before, period, n_repeats));
        free = before + period * n_repeats;
        op = free;
    }
    loops
}

/// What operations of a loop have in common with those a period before, in short.
fn look(workload: &Workload, op: usize) -> (u32, u32, u64, u64) {
    let first = |edges: &Csr<u32>| {
        let row = edges.row(op);
        let distance = row.first().map_or(0, |&pred| op as u64 - u64::from(pred));
        (row.len() as u64) << 32 | distance
    };
    (
        workload.op_routes[op],
        workload.op_sizes[op],
        first(&workload.depends_on),
        first(&workload.follows),
    )
}

/// Whether two operations differ by nothing but their place.
fn alike(workload: &Workload, op: usize, other: usize) -> bool {
    let same_edges = |edges: &Csr<u32>| {
        let (ours, theirs) = (edges.row(op), edges.row(other));
        let shift = (op - other) as u32;
        ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(&a, &b)| a == b + shift)
    };
    workload.op_routes[op] == workload.op_routes[other]
        && workload.op_sizes[op] == workload.op_sizes[other]
        && workload.start_ps(op) == workload.start_ps(other)
        && same_edges(&workload.depends_on)
        && same_edges(&workload.follows)
}
