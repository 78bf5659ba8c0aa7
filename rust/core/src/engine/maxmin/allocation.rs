//! The allocation that both solvers maintain: which flows a resource holds back, and at what rate.

use super::flows::{Flows, NONE};
use crate::engine::number::{Ambiguity, Number};
use crate::engine::workload::Workload;

/// A flow whose bottleneck changed in the last repair.
#[derive(Clone, Copy, Debug)]
pub struct Move {
    /// The flow's slot.
    pub slot: u32,
    /// The resource that held it back before; none of the workload's for a new flow.
    pub from: u32,
    /// The resource that holds it back now.
    pub to: u32,
}

/// Active flows, bottlenecks and levels.
#[derive(Debug, Clone)]
pub(super) struct Allocation<'w, N> {
    pub(super) flows: Flows<'w>,
    pub(super) capacities: Vec<N>,
    /// Rate of the flows that each resource holds back.
    pub(super) levels: Vec<N>,
    /// How many flows each resource holds back.
    pub(super) held: Vec<u32>,
    pub(super) ambiguity: Ambiguity,
}

impl<'w, N: Number> Allocation<'w, N> {
    pub(super) fn new(workload: &'w Workload) -> Self {
        let n = workload.capacities.len();
        let capacities = workload.capacities.iter();
        Self {
            flows: Flows::new(workload),
            capacities: capacities.map(|&capacity| N::from_int(capacity)).collect(),
            levels: vec![N::zero(); n],
            held: vec![0; n],
            ambiguity: Ambiguity::default(),
        }
    }

    pub(super) fn open() -> Self {
        Self {
            flows: Flows::open(),
            capacities: Vec::new(),
            levels: Vec::new(),
            held: Vec::new(),
            ambiguity: Ambiguity::default(),
        }
    }

    pub(super) fn add_resource(&mut self, capacity: u128) {
        self.flows.add_resource();
        self.capacities.push(N::from_int(capacity));
        self.levels.push(N::zero());
        self.held.push(0);
    }

    /// The rate of a flow, `None` where nothing holds it back yet.
    pub(super) fn rate(&self, slot: u32) -> Option<&N> {
        let bottleneck = self.flows.bottleneck(slot);
        (bottleneck != NONE).then(|| &self.levels[bottleneck as usize])
    }

    /// The load of a resource, summed afresh.
    pub(super) fn load(&self, resource: u32) -> N {
        let members = self.flows.members(resource).iter();
        members.fold(N::zero(), |load, member| {
            let rate = &self.levels[member.bottleneck as usize];
            load.add(&rate.mul_int(self.flows.weight(member)))
        })
    }
}
