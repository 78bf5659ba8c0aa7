//! A replay: the events of a certificate, one after the other, each checked on the workload.
//!
//! For every event it demands: time goes on; operations start exactly when their predecessors are
//! through and end exactly when the integral of their rate is their size; and on every resource
//! that the event touched, the load is within capacity, and if it holds flows back it is saturated
//! and nobody on it is faster. These are the conditions under which the allocation is the max-min
//! fair one, and it is unique.

use super::{Certificate, CertificateError, Record};
use crate::csr::Csr;
use crate::engine::number::{Extended, Number, Relation};
use crate::engine::workload::{Incidence, NEVER_PS, PS_PER_S, Workload};

/// Whether `a == b`, or, in a run that left comparisons open, may be.
fn same(certificate: &Certificate, a: &Extended, b: &Extended) -> bool {
    match a.compare(b) {
        Relation::Equal => true,
        Relation::AmbiguousLess | Relation::AmbiguousGreater => certificate.n_ambiguous > 0,
        Relation::Less | Relation::Greater => false,
    }
}

/// Whether `a <= b`, or, in a run that left comparisons open, may be.
fn at_most(certificate: &Certificate, a: &Extended, b: &Extended) -> bool {
    matches!(a.compare(b), Relation::Less) || same(certificate, a, b)
}

const NONE: u32 = u32::MAX;

#[derive(Clone)]
struct Op {
    n_pending: u32,
    ready: Extended,
    /// What it has entered.
    route: u32,
    bottleneck: u32,
    /// Work left when its bottleneck took over, plus that resource's integral then.
    due: Extended,
    active: bool,
    served: bool,
}

struct Resource {
    capacity: Extended,
    /// Operations crossing it; those that have left are dropped at the next check.
    members: Vec<u32>,
    level: Extended,
    /// Integral of the level over time up to `since`.
    integral: Extended,
    since: Extended,
    held: u32,
}

pub(super) struct Replay<'a> {
    workload: &'a Workload,
    certificate: &'a Certificate,
    /// Changes of the routes so far.
    phase: usize,
    ops: Vec<Op>,
    resources: Vec<Resource>,
    data_successors: Csr<u32>,
    order_successors: Csr<u32>,
    last: Extended,
    finish: Extended,
    touched: Vec<u32>,
}

impl<'a> Replay<'a> {
    pub(super) fn new(workload: &'a Workload, certificate: &'a Certificate) -> Self {
        let n = workload.n_ops();
        let zero = Extended::zero();
        let ops = (0..n)
            .map(|op| {
                let software = workload.software_ps[workload.op_routes[op] as usize];
                let (size, denominator) = workload.size(op);
                Op {
                    n_pending: (workload.depends_on.row(op).len() + workload.follows.row(op).len())
                        as u32,
                    ready: Extended::from_int((workload.start_ps(op) + software).into()),
                    route: workload.op_routes[op],
                    bottleneck: NONE,
                    due: Extended::from_ratio(size * PS_PER_S, denominator),
                    active: false,
                    served: false,
                }
            })
            .collect();
        let resources = workload
            .capacities
            .iter()
            .map(|&capacity| Resource {
                capacity: Extended::from_int(capacity),
                members: Vec::new(),
                level: zero,
                integral: zero,
                since: zero,
                held: 0,
            })
            .collect();
        Self {
            workload,
            certificate,
            phase: 0,
            ops,
            resources,
            data_successors: workload.depends_on.transposed(n),
            order_successors: workload.follows.transposed(n),
            last: zero,
            finish: zero,
            touched: Vec::new(),
        }
    }

    pub(super) fn event(&mut self, event: usize) -> Result<(), CertificateError> {
        let now = self.certificate.times[event];
        // Where the run left an order open, two events may be one.
        let later = match self.last.compare(&now) {
            Relation::Less => true,
            Relation::Equal | Relation::AmbiguousLess | Relation::AmbiguousGreater => {
                self.certificate.n_ambiguous > 0
            }
            Relation::Greater => false,
        };
        if event > 0 && !later {
            return Err(CertificateError::Order { event });
        }
        self.last = now;
        self.touched.clear();
        let changes = self.changes_at(event, &now)?;
        self.phase += usize::from(changes);
        let records = self.certificate.records.row(event);
        // What is served at a change was served on its old route; whoever is not goes on, and is
        // held back, on its new one.
        let is_before =
            |record: &Record| !matches!(record, Record::Bottleneck { .. } | Record::Level { .. });
        let n_before = records
            .iter()
            .take_while(|record| is_before(record))
            .count();
        for record in &records[..n_before] {
            self.apply(event, &now, *record)?;
        }
        if changes {
            self.reroute(&now)?;
        }
        for record in &records[n_before..] {
            self.apply(event, &now, *record)?;
        }
        self.touched.sort_unstable();
        self.touched.dedup();
        for position in 0..self.touched.len() {
            self.check_resource(event, self.touched[position])?;
        }
        Ok(())
    }

    /// Whether routes change at an event; none of the changes may have been passed over.
    fn changes_at(&self, event: usize, now: &Extended) -> Result<bool, CertificateError> {
        let Some(change) = self.workload.changes.get(self.phase) else {
            return Ok(false);
        };
        let at = Extended::from_int(change.at_ps.into());
        match now.compare(&at) {
            Relation::Equal => Ok(true),
            Relation::Less => Ok(false),
            Relation::AmbiguousLess | Relation::AmbiguousGreater | Relation::Greater => {
                let at_ps = change.at_ps;
                Err(CertificateError::Change { event, at_ps })
            }
        }
    }

    /// Moves what is under way to the routes of this phase; each needs a bottleneck there.
    fn reroute(&mut self, now: &Extended) -> Result<(), CertificateError> {
        for op in 0..self.ops.len() as u32 {
            let state = &self.ops[op as usize];
            let route = self.workload.routes_in(self.phase)[op as usize];
            if !state.active || state.route == route {
                continue;
            }
            self.release_hold(now, op);
            self.touch(op);
            self.enter_route(op, route)?;
        }
        // Resources that an operation has left must not take it for a member.
        for resource in &mut self.resources {
            resource.members.clear();
        }
        for op in 0..self.ops.len() as u32 {
            if self.ops[op as usize].active {
                self.join(op);
            }
        }
        Ok(())
    }

    /// The resources of the route that an operation has entered.
    fn route(&self, op: u32) -> &'a [Incidence] {
        let workload = self.workload;
        workload.routes.row(self.ops[op as usize].route as usize)
    }

    fn touch(&mut self, op: u32) {
        let route = self.route(op).iter();
        self.touched
            .extend(route.map(|incidence| incidence.resource));
    }

    fn join(&mut self, op: u32) {
        for incidence in self.route(op) {
            self.resources[incidence.resource as usize].members.push(op);
        }
    }

    /// Puts an operation on a route, which must exist.
    fn enter_route(&mut self, op: u32, route: u32) -> Result<(), CertificateError> {
        if self.workload.latencies_ps[route as usize] == NEVER_PS {
            return Err(CertificateError::Route { op });
        }
        self.ops[op as usize].route = route;
        self.touch(op);
        Ok(())
    }

    /// Takes an operation from what holds it back, if something does.
    fn release_hold(&mut self, now: &Extended, op: u32) {
        let from = self.ops[op as usize].bottleneck;
        if from != NONE {
            self.advance(now, from);
            let integral = self.resources[from as usize].integral;
            let state = &mut self.ops[op as usize];
            state.due = state.due.sub(&integral);
            state.bottleneck = NONE;
            self.resources[from as usize].held -= 1;
        }
    }

    fn apply(
        &mut self,
        event: usize,
        now: &Extended,
        record: Record,
    ) -> Result<(), CertificateError> {
        let malformed = CertificateError::Malformed { event };
        let op_exists = |op: u32| (op as usize) < self.ops.len();
        let resource_exists = |resource: u32| (resource as usize) < self.resources.len();
        match record {
            Record::Passed { op } | Record::Entered { op } | Record::Left { op }
                if !op_exists(op) =>
            {
                Err(malformed)
            }
            Record::Bottleneck { op, resource } if !op_exists(op) || !resource_exists(resource) => {
                Err(malformed)
            }
            Record::Level { resource, level }
                if !resource_exists(resource)
                    || level as usize >= self.certificate.levels.len() =>
            {
                Err(malformed)
            }
            Record::Passed { op } => self.pass(event, now, op),
            Record::Entered { op } => self.enter(event, now, op),
            Record::Left { op } => self.leave(event, now, op),
            Record::Bottleneck { op, resource } => self.hold(event, now, op, resource),
            Record::Level { resource, level } => {
                self.relevel(now, resource, self.certificate.levels[level as usize]);
                Ok(())
            }
        }
    }

    fn check_release(&self, event: usize, now: &Extended, op: u32) -> Result<(), CertificateError> {
        let state = &self.ops[op as usize];
        let on_time = same(self.certificate, &state.ready, now);
        if state.n_pending > 0 || state.active || state.served || !on_time {
            return Err(CertificateError::Release { event, op });
        }
        Ok(())
    }

    fn pass(&mut self, event: usize, now: &Extended, op: u32) -> Result<(), CertificateError> {
        self.check_release(event, now, op)?;
        self.enter_route(op, self.workload.routes_in(self.phase)[op as usize])?;
        if self.workload.size(op as usize).0 > 0 && !self.route(op).is_empty() {
            return Err(CertificateError::Bytes { event, op });
        }
        self.serve(now, op);
        Ok(())
    }

    fn enter(&mut self, event: usize, now: &Extended, op: u32) -> Result<(), CertificateError> {
        self.check_release(event, now, op)?;
        self.enter_route(op, self.workload.routes_in(self.phase)[op as usize])?;
        self.ops[op as usize].active = true;
        self.join(op);
        Ok(())
    }

    fn leave(&mut self, event: usize, now: &Extended, op: u32) -> Result<(), CertificateError> {
        let bottleneck = self.ops[op as usize].bottleneck;
        if !self.ops[op as usize].active || bottleneck == NONE {
            return Err(CertificateError::Bottleneck { event, op });
        }
        self.advance(now, bottleneck);
        let integral = self.resources[bottleneck as usize].integral;
        if !same(self.certificate, &integral, &self.ops[op as usize].due) {
            return Err(CertificateError::Bytes { event, op });
        }
        self.resources[bottleneck as usize].held -= 1;
        self.ops[op as usize].active = false;
        self.touch(op);
        self.serve(now, op);
        Ok(())
    }

    fn hold(
        &mut self,
        event: usize,
        now: &Extended,
        op: u32,
        to: u32,
    ) -> Result<(), CertificateError> {
        let route = self.route(op);
        if !self.ops[op as usize].active || route.iter().all(|i| i.resource != to) {
            return Err(CertificateError::Bottleneck { event, op });
        }
        self.release_hold(now, op);
        self.advance(now, to);
        let resource = &mut self.resources[to as usize];
        resource.held += 1;
        let state = &mut self.ops[op as usize];
        state.due = state.due.add(&resource.integral);
        state.bottleneck = to;
        self.touched.extend(route.iter().map(|i| i.resource));
        Ok(())
    }

    fn relevel(&mut self, now: &Extended, index: u32, level: Extended) {
        self.advance(now, index);
        self.resources[index as usize].level = level;
        // Every flow held here has another rate: all its resources carry another load.
        for &op in &self.resources[index as usize].members {
            if self.ops[op as usize].bottleneck == index {
                let route = self.ops[op as usize].route as usize;
                self.touched
                    .extend(self.workload.routes.row(route).iter().map(|i| i.resource));
            }
        }
        self.touched.push(index);
    }

    /// Integrates a resource's level up to `now`.
    fn advance(&mut self, now: &Extended, index: u32) {
        let resource = &mut self.resources[index as usize];
        if resource.held == 0 {
            resource.integral = Extended::zero();
        } else {
            let elapsed = now.sub(&resource.since);
            if !elapsed.is_zero() {
                resource.integral = resource.integral.add(&resource.level.mul(&elapsed));
            }
        }
        resource.since = *now;
    }

    fn serve(&mut self, now: &Extended, op: u32) {
        self.ops[op as usize].served = true;
        let route = self.ops[op as usize].route as usize;
        let arrived = now.add(&Extended::from_int(
            self.workload.latencies_ps[route].into(),
        ));
        if matches!(self.finish.compare(&arrived), Relation::Less) {
            self.finish = arrived;
        }
        for position in 0..self.data_successors.row(op as usize).len() {
            let successor = self.data_successors.row(op as usize)[position];
            let route = self.workload.op_routes[successor as usize] as usize;
            let software = Extended::from_int(self.workload.software_ps[route].into());
            self.meet(successor, arrived.add(&software));
        }
        for position in 0..self.order_successors.row(op as usize).len() {
            self.meet(self.order_successors.row(op as usize)[position], *now);
        }
    }

    fn meet(&mut self, op: u32, time: Extended) {
        let state = &mut self.ops[op as usize];
        state.n_pending -= 1;
        if matches!(state.ready.compare(&time), Relation::Less) {
            state.ready = time;
        }
    }

    fn check_resource(&mut self, event: usize, index: u32) -> Result<(), CertificateError> {
        let ops = &self.ops;
        self.resources[index as usize]
            .members
            .retain(|&op| ops[op as usize].active);
        let resource = &self.resources[index as usize];
        let mut load = Extended::zero();
        for &op in &resource.members {
            let bottleneck = self.ops[op as usize].bottleneck;
            if bottleneck == NONE {
                return Err(CertificateError::Bottleneck { event, op });
            }
            let rate = &self.resources[bottleneck as usize].level;
            if resource.held > 0 && !at_most(self.certificate, rate, &resource.level) {
                return Err(CertificateError::Faster {
                    event,
                    resource: index,
                    op,
                });
            }
            let weight = self
                .route(op)
                .iter()
                .find(|i| i.resource == index)
                .expect("a member crosses it")
                .weight;
            load = load.add(&rate.mul_int(weight));
        }
        let (certificate, capacity) = (self.certificate, &resource.capacity);
        if !at_most(certificate, &load, capacity) {
            return Err(CertificateError::Overload {
                event,
                resource: index,
            });
        }
        if resource.held > 0 && !same(certificate, &load, capacity) {
            return Err(CertificateError::Unsaturated {
                event,
                resource: index,
            });
        }
        Ok(())
    }

    pub(super) fn end(&self) -> Result<(), CertificateError> {
        if let Some(op) = self.ops.iter().position(|op| !op.served) {
            return Err(CertificateError::Unserved { op: op as u32 });
        }
        let found = self.finish.ceil().unwrap_or(i128::MAX);
        let claimed = self.certificate.time_ps;
        if claimed != found {
            return Err(CertificateError::Time { claimed, found });
        }
        Ok(())
    }
}
