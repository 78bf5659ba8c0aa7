//! Sessions: flows and collectives join and leave a fabric while its time goes by.
//!
//! What a session reports is exact in the way that a batch run is. It keeps the commands since the
//! last moment at which nothing was being served. Where a comparison or a rounding is not decided by
//! doubles and residues, these commands are replayed with double-doubles, and then with rationals, as
//! a batch run is repeated one rung up the ladder (`engine::ladder`); once nothing is being served
//! doubles are enough again, for a flow that begins at a whole picosecond brings no rounding along.
//! Commands beyond [`HISTORY_MAX`] are not kept: a session that never comes to rest goes on in
//! double-doubles, and counts what they leave open.
//!
//! The first arrival is foreseen without letting anything happen where that is possible. Where what is
//! served next may be overtaken on its way, a copy of the engine runs ahead, and is what the session
//! goes on with if nobody joins or leaves before its time.
//!
//! When links change, everything under way takes the routes that the changed fabric gives it, with the
//! bytes that it has left.

mod engine;
mod layout;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use self::engine::{Command, Engine, at_rung};
use self::layout::{Collective, Layout, Work};
use crate::engine::ladder::{Exactness, RATIONAL_MAX_OPS, Rung};
use crate::engine::online::{Arrival, Course, Foresight, Wires};
use crate::error::Error;
use crate::fabric::routing::{self, RoutingOptions, lookup, pinned_links};
use crate::fabric::{Fabric, LinkChange};
use crate::ids::NodeId;
use crate::placement::Occurrences;
use crate::schedule::{Op, Schedule};
use crate::simulate::fits;

/// Commands kept to be replayed; at some 64 bytes each, 640 kB.
pub const HISTORY_MAX: usize = 10_000;

/// What a session refuses; it is unchanged then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// A time before the session's own.
    #[error("t_ps must be at least {now_ps}, the time of the session, got {time_ps}")]
    Past {
        /// The time asked for.
        time_ps: u64,
        /// The session's time.
        now_ps: u64,
    },
    /// Something that was never injected, has been reported, or was cancelled.
    #[error("id {id} is not under way; it was never injected, has been reported or cancelled")]
    UnknownId {
        /// Its number.
        id: u64,
    },
    /// A collective on a calibrated fabric.
    #[error(
        "the fabric is calibrated for {library:?}, and a session does not add what a library costs; \
         open it on a fabric without a calibration"
    )]
    Calibrated {
        /// The library.
        library: String,
    },
}

/// The first arrival, for as long as nobody joins or leaves.
#[derive(Debug, Clone, Copy)]
enum Promise {
    Stale,
    Made(Option<i128>),
}

/// Flows and collectives on a fabric while time goes by.
#[derive(Debug)]
pub struct Session {
    /// As it was when the session began.
    fabric: Arc<Fabric>,
    rule: &'static routing::Entry,
    options: RoutingOptions,
    /// The live rate of each link now.
    rates_bps: Vec<u64>,
    /// Still to come, by time and order.
    changes: BTreeMap<(u64, u64), LinkChange>,
    layout: Layout,
    /// The resources before each change since nothing was served last.
    wires_before: Vec<Wires>,
    /// How often each pair was asked for, where the routing wants to know.
    occurrences: Occurrences,
    engine: Engine,
    /// A copy of it that has run to the first arrival, for as long as nobody joins or leaves.
    ahead: Option<Engine>,
    /// What [`Self::next_event_ps`] found, for just as long.
    promise: Promise,
    /// Since nothing was served last, each with its time; cut off where it is too long.
    history: Vec<(u64, Command)>,
    is_cut_off: bool,
    has_outgrown_rationals: bool,
    /// What earlier engines left open.
    n_open_before: u64,
    now_ps: u64,
    next_id: u64,
    version: u64,
    /// What is neither reported nor cancelled.
    live: BTreeMap<u64, Work>,
    /// When those of them that are served arrive.
    arrivals: BTreeSet<Arrival>,
}

impl Session {
    /// Nothing on a fabric, at time 0.
    ///
    /// # Errors
    /// If the routing is unknown or refuses its options.
    pub fn new(
        fabric: &Arc<Fabric>,
        routing: &str,
        options: &RoutingOptions,
    ) -> Result<Self, Error> {
        let rule = lookup(routing)?;
        let layout = Layout::new(fabric.clone(), rule.build(options)?.into(), false);
        Ok(Self {
            engine: Engine::new(Rung::Pair, &layout.wires),
            fabric: fabric.clone(),
            rule,
            options: options.clone(),
            rates_bps: fabric.links().iter().map(|link| link.rate_Bps).collect(),
            changes: BTreeMap::new(),
            layout,
            wires_before: Vec::new(),
            occurrences: Occurrences::default(),
            ahead: None,
            promise: Promise::Stale,
            history: Vec::new(),
            is_cut_off: false,
            has_outgrown_rationals: false,
            n_open_before: 0,
            now_ps: 0,
            next_id: 0,
            version: 0,
            live: BTreeMap::new(),
            arrivals: BTreeSet::new(),
        })
    }

    /// A session that is here too and goes its own way.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self {
            fabric: self.fabric.clone(),
            options: self.options.clone(),
            rates_bps: self.rates_bps.clone(),
            changes: self.changes.clone(),
            layout: self.layout.fork(),
            wires_before: self.wires_before.clone(),
            occurrences: self.occurrences.clone(),
            engine: self.engine.clone(),
            ahead: None,
            history: self.history.clone(),
            live: self.live.clone(),
            arrivals: self.arrivals.clone(),
            ..*self
        }
    }

    /// The fabric that the session began with.
    pub fn fabric(&self) -> &Arc<Fabric> {
        &self.fabric
    }

    /// How far time has gone by.
    pub fn now_ps(&self) -> u64 {
        self.now_ps
    }

    /// How often something joined, left or changed: while it stays the same, so does what
    /// [`Self::next_event_ps`] promised.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// How many flows and collectives are neither reported nor cancelled.
    pub fn n_live(&self) -> usize {
        self.live.len()
    }

    /// How exact the reports were so far.
    pub fn exactness(&mut self) -> Exactness {
        Exactness {
            rung: self.engine.rung(),
            n_ambiguous: self.n_open_before + at_rung!(&mut self.engine, online => online.n_open()),
        }
    }

    fn check_time(&self, time_ps: u64) -> Result<(), SessionError> {
        if time_ps < self.now_ps {
            return Err(SessionError::Past {
                time_ps,
                now_ps: self.now_ps,
            });
        }
        Ok(())
    }

    /// Adds a flow that starts at `time_ps`, on the routing's way or past the nodes of `via`; its
    /// number. Software costs are added as by `simulate_flows`.
    ///
    /// # Errors
    /// If that time is past or beyond 63 bits, or no live path joins the ends.
    pub fn inject(
        &mut self,
        time_ps: u64,
        src: NodeId,
        dst: NodeId,
        size_bytes: u64,
        via: &[NodeId],
    ) -> Result<u64, Error> {
        self.check_time(time_ps)?;
        let software_ps = if src == dst {
            0
        } else {
            self.fabric.software_ps()
        };
        let ready_ps = fits(u128::from(time_ps) + u128::from(software_ps))?;
        if !via.is_empty() {
            pinned_links(&self.layout.fabric, src, dst, via)?;
            if !self.layout.has_single_links {
                self.run_to_now();
                self.rewire(self.layout.fabric.clone(), true)?;
            }
        }
        let counts = via.is_empty() && self.layout.counts_occurrences();
        let pair = (src.0, dst.0);
        let work = Work::Flow {
            src,
            dst,
            occurrence: self.occurrences.get(&pair).copied().unwrap_or(0),
            via: via.to_vec(),
        };
        let course = self.layout.course(&work)?;
        if counts {
            *self.occurrences.entry(pair).or_default() += 1;
        }
        Ok(self.start(work, course, size_bytes, ready_ps))
    }

    /// Adds a collective whose ranks start at `starts_ps`, one time for all or one for each; its
    /// number. It arrives when its last rank is through.
    ///
    /// # Errors
    /// If a time is past or beyond 63 bits, no live path joins two ranks, or the fabric is calibrated.
    ///
    /// # Panics
    /// If the schedule has another number of ranks than there are endpoints.
    pub fn inject_collective(
        &mut self,
        schedule: &Arc<Schedule>,
        endpoints: &[u32],
        starts_ps: &[u64],
    ) -> Result<u64, Error> {
        assert_eq!(
            schedule.n_ranks() as usize,
            endpoints.len(),
            "one endpoint per rank"
        );
        for &start_ps in starts_ps {
            self.check_time(start_ps)?;
            fits(u128::from(start_ps) + u128::from(self.fabric.software_ps()))?;
        }
        if let Some(calibration) = self.fabric.calibration() {
            let library = calibration.library.clone();
            return Err(SessionError::Calibrated { library }.into());
        }
        let nodes = self.fabric.rank_nodes(endpoints)?;
        let mut before = Occurrences::default();
        let counts = self.layout.counts_occurrences();
        let pairs = (0..schedule.len())
            .filter(|&transfer| counts && schedule.op()[transfer] != Op::Local)
            .map(|transfer| {
                let (src, dst) = (schedule.src()[transfer], schedule.dst()[transfer]);
                (nodes[src.index()].0, nodes[dst.index()].0)
            });
        let mut after = BTreeMap::new();
        for pair in pairs {
            let known = self.occurrences.get(&pair).copied().unwrap_or(0);
            before.insert(pair, known);
            *after.entry(pair).or_insert(known) += 1;
        }
        let work = Work::Collective(Arc::new(Collective {
            schedule: schedule.clone(),
            nodes,
            starts_ps: starts_ps.to_vec(),
            before,
        }));
        let course = self.layout.course(&work)?;
        self.occurrences.extend(after);
        let last_start_ps = starts_ps.iter().copied().max().unwrap_or(0);
        Ok(self.start(work, course, 0, last_start_ps))
    }

    fn start(&mut self, work: Work, course: Course, size_bytes: u64, ready_ps: u64) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.live.insert(id, work);
        if let Course::Graph(graph) = &course
            && graph.n_ops() == 0
        {
            let time_ps = ready_ps.into();
            self.arrivals.insert(Arrival { time_ps, id });
        }
        self.command(Command::Inject {
            id,
            course,
            size_bytes,
            ready_ps,
        });
        id
    }

    /// Takes a flow or a collective out now; its bytes that are through stay so.
    ///
    /// # Errors
    /// If it is not under way.
    pub fn cancel(&mut self, id: u64) -> Result<(), SessionError> {
        if !self.live.contains_key(&id) {
            return Err(SessionError::UnknownId { id });
        }
        self.run_to_now();
        self.live.remove(&id);
        self.arrivals.retain(|arrival| arrival.id != id);
        self.command(Command::Cancel { id });
        Ok(())
    }

    /// Lets links have a share of their nominal rate from some time on; 0 is a failure. What is under
    /// way then takes the routes of the changed fabric, with the bytes it has left.
    ///
    /// # Errors
    /// If the time is past, the selector matches nothing, the factor is not in 0..=1, or what is under
    /// way has no live path left. Where the change is still to come, the last of these is told by the
    /// call that lets time go by; the session then stands at that time, without the change.
    pub fn set_link(&mut self, change: LinkChange) -> Result<(), Error> {
        self.check_time(change.at_ps)?;
        let (fabric, rates_bps) = self.fabric.after(&change, self.rates_bps.clone())?;
        if change.at_ps > self.now_ps {
            self.changes.insert((change.at_ps, self.version), change);
            self.ahead = None;
            self.promise = Promise::Stale;
            self.version += 1;
            return Ok(());
        }
        self.run_to_now();
        self.rewire(Arc::new(fabric), self.layout.has_single_links)?;
        self.rates_bps = rates_bps;
        Ok(())
    }

    /// When the first flow or collective will have arrived as things stand, rounded up to the
    /// picosecond; `None` without any.
    ///
    /// # Errors
    /// If that is beyond 63 bits, or a change before it leaves something under way without a path.
    pub fn next_event_ps(&mut self) -> Result<Option<u64>, Error> {
        let first_ps = match self.promise {
            Promise::Made(first_ps) => first_ps,
            Promise::Stale => self.make_promise()?,
        };
        self.promise = Promise::Made(first_ps);
        let in_range = |time_ps| fits(u128::try_from(time_ps).unwrap_or(u128::MAX));
        first_ps.map(in_range).transpose()
    }

    fn make_promise(&mut self) -> Result<Option<i128>, Error> {
        let first_ps = self.unchanged_promise();
        match self.changes.keys().next() {
            Some(&(change_ps, _))
                if first_ps.is_some_and(|first_ps| first_ps > change_ps.into()) =>
            {
                Ok(self.fork().promise_after(change_ps)?.map(i128::from))
            }
            _ => Ok(first_ps),
        }
    }

    fn promise_after(mut self, change_ps: u64) -> Result<Option<u64>, Error> {
        self.advance_to(change_ps)?;
        self.next_event_ps()
    }

    /// The first arrival if no link changes.
    fn unchanged_promise(&mut self) -> Option<i128> {
        self.run_to_now();
        loop {
            let known = self.arrivals.first().map(|arrival| arrival.time_ps);
            let foresight = at_rung!(&mut self.engine, online => online.foresee(known));
            let (first_ps, mut ahead) = match foresight {
                Foresight::Known(first_ps) => (first_ps, None),
                Foresight::Open => {
                    let mut ahead = self.engine.clone();
                    let first_ps = at_rung!(&mut ahead, online => online.run_to_arrival(known));
                    (first_ps, Some(ahead))
                }
            };
            let is_decided = self.engine.is_decided();
            let is_decided = is_decided && ahead.as_mut().is_none_or(Engine::is_decided);
            if is_decided || !self.climb() {
                self.ahead = ahead;
                return first_ps;
            }
        }
    }

    /// Lets time go by; what has arrived by then, by time and number.
    ///
    /// # Errors
    /// If that time is past, or a change on the way leaves something under way without a path.
    pub fn advance_to(&mut self, time_ps: u64) -> Result<Vec<(u64, u64)>, Error> {
        self.check_time(time_ps)?;
        while let Some(next) = self.changes.first_entry()
            && next.key().0 <= time_ps
        {
            let ((change_ps, _), change) = next.remove_entry();
            self.pass_to(change_ps);
            self.promise = Promise::Stale;
            let (fabric, rates_bps) = self.fabric.after(&change, self.rates_bps.clone())?;
            self.rewire(Arc::new(fabric), self.layout.has_single_links)?;
            self.rates_bps = rates_bps;
        }
        self.pass_to(time_ps);
        let mut arrived = Vec::new();
        while let Some(&arrival) = self.arrivals.first() {
            let at_ps = u64::try_from(arrival.time_ps).ok();
            let Some(at_ps) = at_ps.filter(|&at_ps| at_ps <= time_ps) else {
                break;
            };
            self.arrivals.pop_first();
            self.promise = Promise::Stale;
            self.live.remove(&arrival.id);
            arrived.push((arrival.id, at_ps));
        }
        Ok(arrived)
    }

    /// Lets time go by on links as they are.
    fn pass_to(&mut self, time_ps: u64) {
        self.now_ps = time_ps;
        let ahead = self
            .ahead
            .take_if(|ahead| at_rung!(&*ahead, online => online.is_within(time_ps)));
        if let Some(ahead) = ahead {
            self.engine = ahead;
        }
        self.run_to_now();
    }

    fn command(&mut self, command: Command) {
        self.engine.apply(&command, &self.layout.wires, self.now_ps);
        self.ahead = None;
        self.promise = Promise::Stale;
        self.version += 1;
        self.history.push((self.now_ps, command));
        if self.history.len() > HISTORY_MAX {
            if !self.is_cut_off && self.engine.rung() != Rung::Extended {
                self.replay(Rung::Extended);
            }
            self.is_cut_off = true;
            self.forget();
        }
    }

    /// Goes on with what is under way on a fabric like the one before.
    fn rewire(&mut self, fabric: Arc<Fabric>, has_single_links: bool) -> Result<(), Error> {
        let routing = self.rule.build(&self.options)?;
        let mut layout = Layout::new(fabric, routing.into(), has_single_links);
        let mut courses = BTreeMap::new();
        for (&id, work) in &self.live {
            if at_rung!(&self.engine, online => online.holds(id)) {
                courses.insert(id, layout.course(work)?);
            }
        }
        let before = std::mem::replace(&mut self.layout, layout);
        self.wires_before.push(before.wires);
        self.command(Command::Rewire {
            n_changes: self.wires_before.len(),
            courses: Arc::new(courses),
        });
        Ok(())
    }

    /// Lets happen what happens up to now, at whatever rung decides it.
    fn run_to_now(&mut self) {
        at_rung!(&mut self.engine, online => online.advance_to(self.now_ps));
        while !self.engine.is_decided() && self.climb() {}
        at_rung!(&mut self.engine, online => {
            for arrival in online.take_arrivals() {
                if self.live.contains_key(&arrival.id) {
                    self.arrivals.insert(arrival);
                }
            }
        });
        let is_idle = at_rung!(&self.engine, online => online.is_idle());
        if is_idle && (self.is_cut_off || !self.history.is_empty()) {
            self.rest();
        }
    }

    /// Nothing is being served: nothing before counts any more.
    fn rest(&mut self) {
        self.forget();
        self.is_cut_off = false;
        self.has_outgrown_rationals = false;
        if self.engine.rung() != Rung::Pair {
            self.n_open_before += at_rung!(&mut self.engine, online => online.n_open());
            self.engine = Engine::new(Rung::Pair, &self.layout.wires);
        }
    }

    fn forget(&mut self) {
        self.history.clear();
        self.wires_before.clear();
    }

    /// Replays what led here at the next affordable rung, or one down where rationals outgrew their
    /// budget; whether there is one.
    fn climb(&mut self) -> bool {
        let n_ops: usize = self
            .history
            .iter()
            .map(|(_, command)| command.n_ops())
            .sum();
        let is_affordable = n_ops <= RATIONAL_MAX_OPS && !self.has_outgrown_rationals;
        let rung = match &self.engine {
            _ if self.is_cut_off => return false,
            Engine::Pair(_) => Rung::Extended,
            Engine::Extended(_) if is_affordable => Rung::Rational,
            Engine::Rational(online) if online.is_over_budget() => {
                self.has_outgrown_rationals = true;
                Rung::Extended
            }
            Engine::Extended(_) | Engine::Rational(_) => return false,
        };
        self.replay(rung);
        true
    }

    fn replay(&mut self, rung: Rung) {
        let wires = |n_changes| {
            self.wires_before
                .get(n_changes)
                .unwrap_or(&self.layout.wires)
        };
        let mut n_changes = 0;
        let mut engine = Engine::new(rung, wires(0));
        for (time_ps, command) in &self.history {
            at_rung!(&mut engine, online => online.advance_to(*time_ps));
            if let Command::Rewire { n_changes: n, .. } = command {
                n_changes = *n;
            }
            engine.apply(command, wires(n_changes), *time_ps);
        }
        at_rung!(&mut engine, online => online.advance_to(self.now_ps));
        self.engine = engine;
        self.ahead = None;
    }
}
