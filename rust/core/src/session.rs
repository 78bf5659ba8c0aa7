//! Sessions: flows join and leave a fabric while its time goes by.
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

use std::collections::BTreeSet;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::engine::ladder::{Exactness, RATIONAL_MAX_OPS, Rung};
use crate::engine::number::{Extended, Pair, Rational};
use crate::engine::online::{Arrival, Foresight, Online, Path, Wires};
use crate::error::Error;
use crate::fabric::Fabric;
use crate::fabric::routing::{Network, Routing, RoutingOptions, lookup};
use crate::ids::NodeId;
use crate::placement::bundles_for;
use crate::simulate::fits;

/// Commands kept to be replayed; at 48 bytes each, 480 kB.
pub const HISTORY_MAX: usize = 10_000;

/// Paths kept to be used again; at some 250 bytes each, 16 MB.
const PATHS_MAX: usize = 1 << 16;

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
    /// A flow that was never injected, has been reported, or was cancelled.
    #[error("id {id} is no flow under way; it was never injected, has been reported or cancelled")]
    UnknownFlow {
        /// Its number.
        id: u64,
    },
}

/// What was asked, to be replayed.
#[derive(Debug, Clone)]
enum Command {
    Inject {
        id: u64,
        path: Arc<Path>,
        size_bytes: u64,
        ready_ps: u64,
    },
    Cancel {
        id: u64,
    },
}

/// The engine at whatever rung decides.
#[derive(Debug, Clone)]
enum Engine {
    Pair(Box<Online<Pair>>),
    Extended(Box<Online<Extended>>),
    Rational(Box<Online<Rational>>),
}

/// Applies a generic expression to the engine of any rung.
macro_rules! at_rung {
    ($engine:expr, $online:ident => $body:expr) => {
        match $engine {
            Engine::Pair($online) => $body,
            Engine::Extended($online) => $body,
            Engine::Rational($online) => $body,
        }
    };
}

impl Engine {
    fn new(rung: Rung) -> Self {
        match rung {
            Rung::Pair => Self::Pair(Box::default()),
            Rung::Extended => Self::Extended(Box::default()),
            Rung::Rational => Self::Rational(Box::default()),
        }
    }

    fn is_decided(&mut self) -> bool {
        at_rung!(self, online => online.n_open() == 0 && !online.is_over_budget())
    }

    fn rung(&self) -> Rung {
        match self {
            Self::Pair(_) => Rung::Pair,
            Self::Extended(_) => Rung::Extended,
            Self::Rational(_) => Rung::Rational,
        }
    }

    fn apply(&mut self, command: &Command, now_ps: u64) {
        at_rung!(self, online => match command {
            Command::Inject { id, path, size_bytes, ready_ps } => {
                online.inject(*id, path.clone(), *size_bytes, *ready_ps);
            }
            Command::Cancel { id } => online.cancel(*id, now_ps),
        });
    }
}

/// The first arrival, for as long as nobody joins or leaves.
#[derive(Debug, Clone, Copy)]
enum Promise {
    Stale,
    Made(Option<i128>),
}

/// Flows on a fabric while time goes by.
#[derive(Debug)]
pub struct Session {
    fabric: Arc<Fabric>,
    routing: Arc<dyn Routing>,
    wires: Wires,
    resource_of: FxHashMap<u32, u32>,
    path_of: FxHashMap<(NodeId, NodeId), Arc<Path>>,
    /// How often each pair was asked for, where the routing wants to know.
    occurrences: FxHashMap<(NodeId, NodeId), u64>,
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
    /// Flows that are neither reported nor cancelled.
    live: FxHashSet<u64>,
    /// Those of them that are served.
    arrivals: BTreeSet<Arrival>,
}

impl Session {
    /// No flows on a fabric, at time 0.
    ///
    /// # Errors
    /// If the routing is unknown or refuses its options.
    pub fn new(
        fabric: &Arc<Fabric>,
        routing: &str,
        options: &RoutingOptions,
    ) -> Result<Self, Error> {
        Ok(Self {
            fabric: fabric.clone(),
            routing: lookup(routing)?.build(options)?.into(),
            wires: Wires::default(),
            resource_of: FxHashMap::default(),
            path_of: FxHashMap::default(),
            occurrences: FxHashMap::default(),
            engine: Engine::new(Rung::Pair),
            ahead: None,
            promise: Promise::Stale,
            history: Vec::new(),
            is_cut_off: false,
            has_outgrown_rationals: false,
            n_open_before: 0,
            now_ps: 0,
            next_id: 0,
            version: 0,
            live: FxHashSet::default(),
            arrivals: BTreeSet::new(),
        })
    }

    /// A session that is here too and goes its own way.
    #[must_use]
    pub fn fork(&self) -> Self {
        let routing = self.routing.fork();
        Self {
            fabric: self.fabric.clone(),
            routing: routing.map_or_else(|| self.routing.clone(), Into::into),
            wires: self.wires.clone(),
            resource_of: self.resource_of.clone(),
            path_of: self.path_of.clone(),
            occurrences: self.occurrences.clone(),
            engine: self.engine.clone(),
            ahead: None,
            promise: self.promise,
            history: self.history.clone(),
            arrivals: self.arrivals.clone(),
            live: self.live.clone(),
            ..*self
        }
    }

    /// The fabric that the flows run on.
    pub fn fabric(&self) -> &Arc<Fabric> {
        &self.fabric
    }

    /// How far time has gone by.
    pub fn now_ps(&self) -> u64 {
        self.now_ps
    }

    /// How many flows joined or left so far: while it stays the same, so does what
    /// [`Self::next_event_ps`] promised.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Flows that are neither reported nor cancelled.
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

    /// Adds a flow that starts at `time_ps`; its number. Software costs are added as by
    /// `simulate_flows`.
    ///
    /// # Errors
    /// If that time is past or beyond 63 bits, or no live path joins the ends.
    pub fn inject(
        &mut self,
        time_ps: u64,
        src: NodeId,
        dst: NodeId,
        size_bytes: u64,
    ) -> Result<u64, Error> {
        self.check_time(time_ps)?;
        let software_ps = if src == dst {
            0
        } else {
            self.fabric.software_ps()
        };
        let ready_ps = fits(u128::from(time_ps) + u128::from(software_ps))?;
        let path = self.path(src, dst)?;
        let id = self.next_id;
        self.next_id += 1;
        self.live.insert(id);
        self.command(Command::Inject {
            id,
            path,
            size_bytes,
            ready_ps,
        });
        Ok(id)
    }

    /// Takes a flow out now; its bytes that are through stay so.
    ///
    /// # Errors
    /// If it is not under way.
    pub fn cancel(&mut self, id: u64) -> Result<(), SessionError> {
        if !self.live.remove(&id) {
            return Err(SessionError::UnknownFlow { id });
        }
        self.run_to_now();
        self.arrivals.retain(|arrival| arrival.id != id);
        self.command(Command::Cancel { id });
        Ok(())
    }

    /// When the first flow will have arrived as things stand, rounded up to the picosecond; `None`
    /// without flows.
    ///
    /// # Errors
    /// If that is beyond 63 bits.
    pub fn next_event_ps(&mut self) -> Result<Option<u64>, Error> {
        let first_ps = match self.promise {
            Promise::Made(first_ps) => first_ps,
            Promise::Stale => self.make_promise(),
        };
        self.promise = Promise::Made(first_ps);
        let in_range = |time_ps| fits(u128::try_from(time_ps).unwrap_or(u128::MAX));
        first_ps.map(in_range).transpose()
    }

    fn make_promise(&mut self) -> Option<i128> {
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

    /// Lets time go by; the flows that have arrived by then, by time and number.
    ///
    /// # Errors
    /// If that time is past.
    pub fn advance_to(&mut self, time_ps: u64) -> Result<Vec<(u64, u64)>, SessionError> {
        self.check_time(time_ps)?;
        self.now_ps = time_ps;
        if let Some(ahead) = &self.ahead
            && at_rung!(ahead, online => online.is_within(time_ps))
        {
            self.engine = self.ahead.take().expect("it was looked at just now");
        }
        self.run_to_now();
        let mut arrived = Vec::new();
        while let Some(&arrival) = self.arrivals.first() {
            let Some(at_ps) = u64::try_from(arrival.time_ps)
                .ok()
                .filter(|&at| at <= time_ps)
            else {
                break;
            };
            self.arrivals.pop_first();
            self.promise = Promise::Stale;
            self.live.remove(&arrival.id);
            arrived.push((arrival.id, at_ps));
        }
        Ok(arrived)
    }

    fn command(&mut self, command: Command) {
        self.engine.apply(&command, self.now_ps);
        self.ahead = None;
        self.promise = Promise::Stale;
        self.version += 1;
        self.history.push((self.now_ps, command));
        if self.history.len() > HISTORY_MAX {
            if self.engine.rung() == Rung::Pair {
                self.climb();
            }
            self.is_cut_off = true;
            self.history.clear();
        }
    }

    /// Lets happen what happens up to now, at whatever rung decides it.
    fn run_to_now(&mut self) {
        at_rung!(&mut self.engine, online => online.advance_to(self.now_ps));
        while !self.engine.is_decided() && self.climb() {}
        at_rung!(&mut self.engine, online => {
            for arrival in online.take_arrivals() {
                if self.live.contains(&arrival.id) {
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
        self.history.clear();
        self.is_cut_off = false;
        self.has_outgrown_rationals = false;
        if self.engine.rung() != Rung::Pair {
            self.n_open_before += at_rung!(&mut self.engine, online => online.n_open());
            self.engine = Engine::new(Rung::Pair);
            at_rung!(&mut self.engine, online => online.learn(&self.wires));
        }
    }

    /// Replays what led here at the next affordable rung, or one down where rationals outgrew their
    /// budget; whether there is one.
    fn climb(&mut self) -> bool {
        let is_affordable = self.history.len() <= RATIONAL_MAX_OPS && !self.has_outgrown_rationals;
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
        self.engine = Engine::new(rung);
        at_rung!(&mut self.engine, online => online.learn(&self.wires));
        self.ahead = None;
        for (time_ps, command) in &self.history {
            at_rung!(&mut self.engine, online => online.advance_to(*time_ps));
            self.engine.apply(command, *time_ps);
        }
        at_rung!(&mut self.engine, online => online.advance_to(self.now_ps));
        true
    }

    fn path(&mut self, src: NodeId, dst: NodeId) -> Result<Arc<Path>, Error> {
        if self.routing.per_occurrence() {
            let occurrence = *self.occurrences.get(&(src, dst)).unwrap_or(&0);
            let path = self.new_path(src, dst, occurrence)?;
            self.occurrences.insert((src, dst), occurrence + 1);
            return Ok(path);
        }
        if let Some(path) = self.path_of.get(&(src, dst)) {
            return Ok(path.clone());
        }
        let path = self.new_path(src, dst, 0)?;
        if self.path_of.len() >= PATHS_MAX {
            self.path_of.clear();
        }
        self.path_of.insert((src, dst), path.clone());
        Ok(path)
    }

    fn new_path(&mut self, src: NodeId, dst: NodeId, occurrence: u64) -> Result<Arc<Path>, Error> {
        let fabric = self.fabric.clone();
        let mut own = None;
        let network =
            Network::with_bundles(&fabric, bundles_for(&fabric, &*self.routing, &[], &mut own));
        let route = self.routing.route(&network, src, dst, occurrence)?;
        let mut shares = Vec::with_capacity(route.shares.len());
        for &(bundle, share) in &route.shares {
            let wires = &mut self.wires;
            let rate_bps = network.bundles().bundle(bundle).capacity_Bps;
            let resource = self.resource_of.entry(bundle.0);
            let resource = *resource.or_insert_with(|| wires.resource(rate_bps));
            shares.push((resource, share.num(), share.den()));
        }
        let path = self.wires.path(shares, route.latency_ps)?;
        at_rung!(&mut self.engine, online => online.learn(&self.wires));
        Ok(Arc::new(path))
    }
}
