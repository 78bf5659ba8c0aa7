//! The fluid engine for flows that are added while it runs.
//!
//! It shares clocks, queue and repair with a batch run; what differs is that nobody knows the flows
//! beforehand. Served operations are forgotten, so memory follows the flows under way.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use super::fluid::{Net, PS_PER_S, Program};
use super::maxmin::MaxMin;
use super::number::Number;
use super::workload::{Incidence, MAX_SCALE, WorkloadError};
use crate::csr::Csr;

/// Resources and routes so far, at no rung of the number ladder in particular.
#[derive(Debug, Clone, Default)]
pub struct Wires {
    rates_bps: Vec<u64>,
    scales: Vec<u64>,
    shares: Csr<(u32, u64, u64)>,
    latencies_ps: Vec<u64>,
}

impl Wires {
    /// Adds a resource of `rate_bps` bytes per second.
    pub fn resource(&mut self, rate_bps: u64) -> u32 {
        self.rates_bps.push(rate_bps);
        self.scales.push(1);
        self.rates_bps.len() as u32 - 1
    }

    /// Adds a route: resources with the share (numerator, denominator) of the flow on each.
    ///
    /// # Errors
    /// If the shares on a resource have no common denominator below 2^40; then nothing is added.
    pub fn route(
        &mut self,
        mut shares: Vec<(u32, u64, u64)>,
        latency_ps: u64,
    ) -> Result<u32, WorkloadError> {
        shares.sort_unstable();
        let mut scales = Vec::with_capacity(shares.len());
        for &(resource, _, denominator) in &shares {
            let scale = num_integer::lcm(
                u128::from(self.scales[resource as usize]),
                u128::from(denominator),
            );
            let fits = u64::try_from(scale)
                .ok()
                .filter(|&scale| scale <= MAX_SCALE);
            scales.push(fits.ok_or(WorkloadError::SharesTooFine { resource })?);
        }
        for (&(resource, ..), scale) in shares.iter().zip(scales) {
            self.scales[resource as usize] = scale;
        }
        self.shares.push_row(shares);
        self.latencies_ps.push(latency_ps);
        Ok(self.latencies_ps.len() as u32 - 1)
    }

    fn capacity(&self, resource: usize) -> u128 {
        u128::from(self.rates_bps[resource]) * u128::from(self.scales[resource])
    }
}

/// A flow that was served: when its last byte arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Arrival {
    /// In picoseconds, rounded up once.
    pub time_ps: i128,
    /// The number that it was given.
    pub id: u64,
}

/// The engine at one rung of the number ladder.
#[derive(Debug, Clone)]
pub struct Online<N: Number> {
    net: Net<'static, N>,
    flows: Flows<N>,
    /// Scale of each resource's row, as far as the net knows.
    scales: Vec<u64>,
    is_over_budget: bool,
}

#[derive(Debug, Clone)]
struct Flow<N> {
    id: u64,
    route: u32,
    work: N,
    ready: N,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Queued,
    /// Queued, but nobody wants it any more.
    Cancelled,
    /// Being served in this slot of the solver.
    Entered(u32),
}

/// The flows that are not served yet. The solver calls the place of each its operation.
#[derive(Debug, Clone)]
struct Flows<N> {
    places: Vec<Flow<N>>,
    free: Vec<u32>,
    place_of: FxHashMap<u64, u32>,
    latencies_ps: Vec<u64>,
    /// Whether each route has no resources.
    unloaded: Vec<bool>,
    /// How many flows have which latency.
    n_of_latency: BTreeMap<u64, usize>,
    arrivals: Vec<Arrival>,
    /// Arrivals that straddle a picosecond at this rung.
    n_straddling: u64,
}

impl<N: Number> Default for Online<N> {
    fn default() -> Self {
        Self {
            net: Net::new(MaxMin::open(), 0),
            flows: Flows {
                places: Vec::new(),
                free: Vec::new(),
                place_of: FxHashMap::default(),
                latencies_ps: Vec::new(),
                unloaded: Vec::new(),
                n_of_latency: BTreeMap::new(),
                arrivals: Vec::new(),
                n_straddling: 0,
            },
            scales: Vec::new(),
            is_over_budget: false,
        }
    }
}

impl<N: Number> Online<N> {
    /// Learns of the resources and routes that were added since.
    pub fn learn(&mut self, wires: &Wires) {
        for resource in 0..self.scales.len() {
            let (old, new) = (self.scales[resource], wires.scales[resource]);
            if old != new {
                let capacity = wires.capacity(resource);
                (self.net.solver).rescale(resource as u32, new / old, capacity);
                self.scales[resource] = new;
            }
        }
        for resource in self.scales.len()..wires.scales.len() {
            self.net.add_resource(wires.capacity(resource));
            self.scales.push(wires.scales[resource]);
        }
        for route in self.flows.latencies_ps.len()..wires.latencies_ps.len() {
            let shares = wires.shares.row(route);
            let row = shares.iter().map(|&(resource, numerator, denominator)| {
                let scale = self.scales[resource as usize];
                Incidence {
                    resource,
                    weight: numerator * (scale / denominator),
                }
            });
            self.net.solver.add_route(row);
            self.flows.unloaded.push(shares.is_empty());
            self.flows.latencies_ps.push(wires.latencies_ps[route]);
        }
    }

    /// Queues a flow; not before the time that the engine has reached.
    pub fn inject(&mut self, id: u64, route: u32, size_bytes: u64, ready_ps: u64) {
        let flow = Flow {
            id,
            route,
            work: N::from_int(u128::from(size_bytes) * PS_PER_S),
            ready: N::from_int(ready_ps.into()),
            state: State::Queued,
        };
        let flows = &mut self.flows;
        let place = if let Some(place) = flows.free.pop() {
            flows.places[place as usize] = flow;
            place
        } else {
            flows.places.push(flow);
            flows.places.len() as u32 - 1
        };
        flows.place_of.insert(id, place);
        let latency_ps = flows.latencies_ps[route as usize];
        *flows.n_of_latency.entry(latency_ps).or_default() += 1;
        self.net.push(place, &flows.places[place as usize].ready);
    }

    /// Takes out a flow, at a time that the engine has reached, if it is not served yet.
    pub fn cancel(&mut self, id: u64, now_ps: u64) {
        let Some(place) = self.flows.place_of.remove(&id) else {
            return;
        };
        let flow = &mut self.flows.places[place as usize];
        let State::Entered(slot) = flow.state else {
            flow.state = State::Cancelled;
            return;
        };
        self.flows.free(place);
        self.net.withdraw(slot);
        let now = N::from_int(now_ps.into());
        self.net.settle(&mut self.flows, &now);
    }

    /// Lets everything happen up to and with a time.
    pub fn advance_to(&mut self, time_ps: u64) {
        let end = N::from_int(time_ps.into());
        while let Some(next) = self.net.look(&self.flows) {
            if self.net.solver.ambiguity().less(&end, &next) {
                self.net.put_back();
                return;
            }
            self.step(&next);
        }
    }

    fn step(&mut self, next: &N) {
        self.is_over_budget |= next.over_budget();
        self.net.happen(&mut self.flows, next);
        self.net.settle(&mut self.flows, next);
    }

    /// Whether no flow waits or is served.
    pub fn is_idle(&self) -> bool {
        self.flows.places.len() == self.flows.free.len()
    }

    /// Takes the arrivals since the last call, in the order of service.
    pub fn take_arrivals(&mut self) -> std::vec::Drain<'_, Arrival> {
        self.flows.arrivals.drain(..)
    }

    /// Comparisons and roundings that this rung could not decide.
    pub fn n_open(&mut self) -> u64 {
        self.net.solver.ambiguity().0 + self.flows.n_straddling
    }

    /// Whether the numbers have outgrown the budget of their rung.
    pub fn is_over_budget(&self) -> bool {
        self.is_over_budget
    }

    /// When the first flow will have arrived if nothing is added; `known` is the first arrival of
    /// those that are served.
    ///
    /// Whatever is served at an event or later arrives no sooner than that, and no sooner than the
    /// least latency after it. Where this does not decide, a copy of the engine runs ahead.
    pub fn first_arrival_ps(&mut self, known: Option<i128>) -> Option<i128> {
        let Some(next) = self.net.look(&self.flows) else {
            return known;
        };
        let least_ps = self.flows.n_of_latency.keys().next().copied().unwrap_or(0);
        let first = self.net.first_through(&next);
        self.net.put_back();
        let earliest = next.add(&N::from_int(least_ps.into()));
        if self.is_by(known, &earliest) {
            return known;
        }
        let latency_ps = |place: &u32| {
            let route = self.flows.places[*place as usize].route;
            self.flows.latencies_ps[route as usize]
        };
        if first.is_some_and(|first| first.iter().any(|place| latency_ps(place) == least_ps)) {
            let arrival_ps = self.flows.round(&earliest);
            return Some(known.map_or(arrival_ps, |known| known.min(arrival_ps)));
        }
        let mut ahead = self.clone();
        let arrival = ahead.run_to_arrival(known);
        self.net.solver.ambiguity().0 = ahead.net.solver.ambiguity().0;
        self.flows.n_straddling = ahead.flows.n_straddling;
        arrival
    }

    fn run_to_arrival(&mut self, mut known: Option<i128>) -> Option<i128> {
        while let Some(next) = self.net.look(&self.flows) {
            if self.is_by(known, &next) {
                break;
            }
            self.step(&next);
            let arrived = self.flows.arrivals.drain(..).map(|arrival| arrival.time_ps);
            known = arrived.chain(known).min();
        }
        known
    }

    fn is_by(&mut self, known: Option<i128>, time: &N) -> bool {
        let known = known.and_then(|known| u128::try_from(known).ok());
        known.is_some_and(|known| !self.net.solver.ambiguity().less(time, &N::from_int(known)))
    }
}

impl<N: Number> Flows<N> {
    /// Forgets a flow.
    fn free(&mut self, place: u32) {
        self.free.push(place);
        let latency_ps = self.latencies_ps[self.places[place as usize].route as usize];
        if let Some(n) = self.n_of_latency.get_mut(&latency_ps) {
            *n -= 1;
            if *n == 0 {
                self.n_of_latency.remove(&latency_ps);
            }
        }
    }

    fn round(&mut self, time: &N) -> i128 {
        time.ceil().unwrap_or_else(|| {
            self.n_straddling += 1;
            time.upper().ceil() as i128
        })
    }

    fn serve(&mut self, place: u32, now: &N) {
        let Flow { id, route, .. } = self.places[place as usize];
        let latency_ps = self.latencies_ps[route as usize];
        let time_ps = self.round(&now.add(&N::from_int(latency_ps.into())));
        self.arrivals.push(Arrival { time_ps, id });
        self.place_of.remove(&id);
        self.free(place);
    }
}

impl<N: Number> Program<N> for Flows<N> {
    fn ready(&self, op: u32) -> &N {
        &self.places[op as usize].ready
    }

    fn release(&mut self, net: &mut Net<'_, N>, op: u32, now: &N) {
        let flow = &mut self.places[op as usize];
        if flow.state == State::Cancelled {
            self.free(op);
        } else if self.unloaded[flow.route as usize] || flow.work.is_zero() {
            self.serve(op, now);
        } else {
            flow.state = State::Entered(net.enter(op, flow.route, &flow.work));
        }
    }

    fn served(&mut self, _net: &mut Net<'_, N>, op: u32, now: &N) {
        self.serve(op, now);
    }
}
