//! The active flows, which resources they cross, and which of these holds each of them back.
//!
//! Both solvers work on this one table, so that either may take over from the other.

use crate::csr::Csr;
use crate::engine::workload::{Incidence, Workload};

/// No bottleneck yet.
pub(super) const NONE: u32 = u32::MAX;

/// What stands where a slot's route has ended.
const UNUSED: Incidence = Incidence {
    resource: NONE,
    weight: 0,
};

/// One flow crossing a resource.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    pub(super) slot: u32,
    /// Which incidence of the flow's route this is.
    place: u32,
    /// What holds the flow back; a copy, so that a scan of the members is sequential.
    pub(super) bottleneck: u32,
}

/// One active flow.
#[derive(Clone, Copy, Debug)]
struct Flow {
    op: u32,
    route: u32,
    bottleneck: u32,
    /// Position in the list of active flows.
    position: u32,
}

/// Where the routes are written.
#[derive(Debug, Clone)]
enum Routes<'w> {
    /// In a workload: a flow says which row is its route.
    Listed(&'w Csr<Incidence>),
    /// With the slots, `stride` apart: a flow says how long its route is.
    Own(Vec<Incidence>),
}

impl Routes<'_> {
    #[inline]
    fn of(&self, slot: u32, route: u32, stride: usize) -> &[Incidence] {
        match self {
            Self::Listed(routes) => routes.row(route as usize),
            Self::Own(rows) => &rows[slot as usize * stride..][..route as usize],
        }
    }
}

/// All active flows, by slot; slots are used again.
#[derive(Debug, Clone)]
pub(super) struct Flows<'w> {
    routes: Routes<'w>,
    slots: Vec<Flow>,
    free: Vec<u32>,
    active: Vec<u32>,
    members: Vec<Vec<Member>>,
    /// Of each slot, where it stands in the member list of each resource of its route.
    places: Vec<u32>,
    /// Length of the longest route, the distance of two slots.
    stride: usize,
}

impl<'w> Flows<'w> {
    pub(super) fn new(workload: &'w Workload) -> Self {
        Self {
            routes: Routes::Listed(&workload.routes),
            slots: Vec::new(),
            free: Vec::new(),
            active: Vec::new(),
            members: vec![Vec::new(); workload.capacities.len()],
            places: Vec::new(),
            stride: workload.routes.rows().map(<[_]>::len).max().unwrap_or(0),
        }
    }

    /// No flows on no resources; flows bring their routes along.
    pub(super) fn open() -> Self {
        Self {
            routes: Routes::Own(Vec::new()),
            slots: Vec::new(),
            free: Vec::new(),
            active: Vec::new(),
            members: Vec::new(),
            places: Vec::new(),
            stride: 0,
        }
    }

    pub(super) fn add_resource(&mut self) {
        self.members.push(Vec::new());
    }

    /// Multiplies all weights on a resource.
    pub(super) fn rescale(&mut self, resource: u32, factor: u64) {
        let Routes::Own(rows) = &mut self.routes else {
            unreachable!("the scales of a workload are final");
        };
        for member in &self.members[resource as usize] {
            rows[member.slot as usize * self.stride + member.place as usize].weight *= factor;
        }
    }

    /// Adds a flow that nothing holds back yet.
    pub(super) fn enter(&mut self, op: u32, route: u32) -> u32 {
        let slot = self.take_slot(op, route);
        self.list(slot);
        slot
    }

    /// Adds a flow with a route of its own, likewise.
    pub(super) fn enter_own(&mut self, op: u32, route: &[Incidence]) -> u32 {
        if route.len() > self.stride {
            self.widen(route.len());
        }
        let slot = self.take_slot(op, route.len() as u32);
        let Routes::Own(rows) = &mut self.routes else {
            unreachable!("the routes of a workload are listed");
        };
        rows.resize(self.slots.len() * self.stride, UNUSED);
        rows[slot as usize * self.stride..][..route.len()].copy_from_slice(route);
        self.list(slot);
        slot
    }

    /// Moves the slots apart, for routes of so many resources.
    fn widen(&mut self, stride: usize) {
        self.places = apart(&self.places, self.stride, stride, 0);
        if let Routes::Own(rows) = &mut self.routes {
            *rows = apart(rows, self.stride, stride, UNUSED);
        }
        self.stride = stride;
    }

    fn take_slot(&mut self, op: u32, route: u32) -> u32 {
        let flow = Flow {
            op,
            route,
            bottleneck: NONE,
            position: self.active.len() as u32,
        };
        let slot = if let Some(slot) = self.free.pop() {
            self.slots[slot as usize] = flow;
            slot
        } else {
            self.slots.push(flow);
            self.places.resize(self.slots.len() * self.stride, 0);
            self.slots.len() as u32 - 1
        };
        self.active.push(slot);
        slot
    }

    /// Lists a flow with the members of its resources.
    fn list(&mut self, slot: u32) {
        let route = self.slots[slot as usize].route;
        let places = &mut self.places[slot as usize * self.stride..];
        let route = self.routes.of(slot, route, self.stride);
        for (place, incidence) in route.iter().enumerate() {
            let members = &mut self.members[incidence.resource as usize];
            places[place] = members.len() as u32;
            members.push(Member {
                slot,
                place: place as u32,
                bottleneck: NONE,
            });
        }
    }

    /// Removes a flow.
    pub(super) fn leave(&mut self, slot: u32) {
        let at = slot as usize * self.stride;
        let route = self.slots[slot as usize].route;
        let route = self.routes.of(slot, route, self.stride);
        for (place, incidence) in route.iter().enumerate() {
            let members = &mut self.members[incidence.resource as usize];
            let position = self.places[at + place];
            members.swap_remove(position as usize);
            if let Some(moved) = members.get(position as usize) {
                self.places[moved.slot as usize * self.stride + moved.place as usize] = position;
            }
        }
        let position = self.slots[slot as usize].position;
        self.active.swap_remove(position as usize);
        if let Some(&moved) = self.active.get(position as usize) {
            self.slots[moved as usize].position = position;
        }
        self.free.push(slot);
    }

    /// Says what holds a flow back from now on.
    pub(super) fn assign(&mut self, slot: u32, bottleneck: u32) {
        self.slots[slot as usize].bottleneck = bottleneck;
        let at = slot as usize * self.stride;
        let route = self.slots[slot as usize].route;
        let route = self.routes.of(slot, route, self.stride);
        for (place, incidence) in route.iter().enumerate() {
            let position = self.places[at + place] as usize;
            self.members[incidence.resource as usize][position].bottleneck = bottleneck;
        }
    }

    /// The slots of the active flows.
    pub(super) fn active(&self) -> &[u32] {
        &self.active
    }

    /// How many slots have ever been in use.
    pub(super) fn n_slots(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn op(&self, slot: u32) -> u32 {
        self.slots[slot as usize].op
    }

    pub(super) fn route_of(&self, slot: u32) -> u32 {
        self.slots[slot as usize].route
    }

    pub(super) fn bottleneck(&self, slot: u32) -> u32 {
        self.slots[slot as usize].bottleneck
    }

    /// The resources that a flow crosses.
    #[inline]
    pub(super) fn crossed(&self, slot: u32) -> &[Incidence] {
        let route = self.slots[slot as usize].route;
        self.routes.of(slot, route, self.stride)
    }

    /// The flows that cross a resource.
    pub(super) fn members(&self, resource: u32) -> &[Member] {
        &self.members[resource as usize]
    }

    /// The weight of a member on the resource in whose list it stands.
    pub(super) fn weight(&self, member: &Member) -> u64 {
        self.crossed(member.slot)[member.place as usize].weight
    }
}

/// Rows of length `old` as rows of length `new`.
fn apart<T: Copy>(items: &[T], old: usize, new: usize, filler: T) -> Vec<T> {
    if old == 0 {
        return Vec::new();
    }
    let mut moved = vec![filler; items.len() / old * new];
    for (from, to) in items.chunks_exact(old).zip(moved.chunks_exact_mut(new)) {
        to[..old].copy_from_slice(from);
    }
    moved
}
