//! The active flows, which resources they cross, and which of these holds each of them back.
//!
//! Both solvers work on this one table, so that either may take over from the other.

use std::borrow::Cow;

use crate::csr::Csr;
use crate::engine::workload::{Incidence, Workload};

/// No bottleneck yet.
pub(super) const NONE: u32 = u32::MAX;

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

/// All active flows, by slot; slots are used again.
#[derive(Debug, Clone)]
pub(super) struct Flows<'w> {
    /// A workload's, or those that have been added so far.
    routes: Cow<'w, Csr<Incidence>>,
    slots: Vec<Flow>,
    free: Vec<u32>,
    active: Vec<u32>,
    members: Vec<Vec<Member>>,
    /// Of each slot, where it stands in the member list of each resource of its route.
    places: Vec<u32>,
    /// Length of the longest route, the distance of two slots in `places`.
    stride: usize,
}

impl<'w> Flows<'w> {
    pub(super) fn new(workload: &'w Workload) -> Self {
        Self {
            routes: Cow::Borrowed(&workload.routes),
            slots: Vec::new(),
            free: Vec::new(),
            active: Vec::new(),
            members: vec![Vec::new(); workload.capacities.len()],
            places: Vec::new(),
            stride: workload.routes.rows().map(<[_]>::len).max().unwrap_or(0),
        }
    }

    /// No flows on no resources yet.
    pub(super) fn open() -> Self {
        Self {
            routes: Cow::Owned(Csr::default()),
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

    /// Adds a route; a longer one than all before moves the slots apart.
    pub(super) fn add_route(&mut self, route: impl IntoIterator<Item = Incidence>) {
        let routes = self.routes.to_mut();
        routes.push_row(route);
        let length = routes.row(routes.n_rows() - 1).len();
        if length > self.stride {
            let mut places = vec![0; self.slots.len() * length];
            for slot in 0..self.slots.len() {
                let old = &self.places[slot * self.stride..(slot + 1) * self.stride];
                places[slot * length..][..self.stride].copy_from_slice(old);
            }
            (self.places, self.stride) = (places, length);
        }
    }

    /// Multiplies all weights on a resource.
    pub(super) fn rescale(&mut self, resource: u32, factor: u64) {
        for incidence in self.routes.to_mut().items_mut() {
            if incidence.resource == resource {
                incidence.weight *= factor;
            }
        }
    }

    /// Adds a flow that nothing holds back yet.
    pub(super) fn enter(&mut self, op: u32, route: u32) -> u32 {
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
        let places = &mut self.places[slot as usize * self.stride..];
        for (place, incidence) in self.routes.row(route as usize).iter().enumerate() {
            let members = &mut self.members[incidence.resource as usize];
            places[place] = members.len() as u32;
            members.push(Member {
                slot,
                place: place as u32,
                bottleneck: NONE,
            });
        }
        self.active.push(slot);
        slot
    }

    /// Removes a flow.
    pub(super) fn leave(&mut self, slot: u32) {
        let at = slot as usize * self.stride;
        let route = self.routes.row(self.slots[slot as usize].route as usize);
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
        let route = self.routes.row(self.slots[slot as usize].route as usize);
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

    pub(super) fn bottleneck(&self, slot: u32) -> u32 {
        self.slots[slot as usize].bottleneck
    }

    /// The resources that a flow crosses.
    #[inline]
    pub(super) fn route(&self, slot: u32) -> &[Incidence] {
        self.routes.row(self.slots[slot as usize].route as usize)
    }

    /// The flows that cross a resource.
    pub(super) fn members(&self, resource: u32) -> &[Member] {
        &self.members[resource as usize]
    }

    /// The weight of a member on the resource in whose list it stands.
    pub(super) fn weight(&self, member: &Member) -> u64 {
        self.route(member.slot)[member.place as usize].weight
    }
}
