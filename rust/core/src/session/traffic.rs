//! What joins and leaves: flows, collectives, and links that change.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::engine::{Command, at_rung};
use super::layout::{Collective, Layout, Work};
use super::{Session, SessionError};
use crate::charge::{Charge, Traffic};
use crate::engine::online::{Arrival, Course, Tail};
use crate::error::Error;
use crate::fabric::routing::pinned_links;
use crate::fabric::{Fabric, LinkChange};
use crate::ids::NodeId;
use crate::placement::Occurrences;
use crate::schedule::{Op, Schedule};
use crate::simulate::fits;

impl Session {
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
    /// number. It arrives when its last rank is through, on a calibrated fabric with what the library
    /// adds there as it is now.
    ///
    /// # Errors
    /// If a time is past or beyond 63 bits, no live path joins two ranks, or the library of a
    /// calibrated fabric has no such collective.
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
        let last_start_ps = starts_ps.iter().copied().max().unwrap_or(0);
        let tail = tail(&self.layout.fabric, schedule, endpoints, last_start_ps)?;
        let nodes = self.fabric.rank_nodes(endpoints)?;
        let (before, after) = self.occurrences_of(schedule, &nodes);
        let work = Work::Collective(Arc::new(Collective {
            schedule: schedule.clone(),
            nodes,
            starts_ps: starts_ps.to_vec(),
            before,
            tail,
        }));
        let course = self.layout.course(&work)?;
        self.occurrences.extend(after);
        Ok(self.start(work, course, 0, last_start_ps))
    }

    /// How many flows of each of its pairs there were before a schedule, and are after it.
    fn occurrences_of(
        &self,
        schedule: &Schedule,
        nodes: &[NodeId],
    ) -> (Occurrences, BTreeMap<(u32, u32), u64>) {
        let counts = self.layout.counts_occurrences();
        let (mut before, mut after) = (Occurrences::default(), BTreeMap::new());
        for transfer in 0..schedule.len() {
            if !counts || schedule.op()[transfer] == Op::Local {
                continue;
            }
            let (src, dst) = (schedule.src()[transfer], schedule.dst()[transfer]);
            let pair = (nodes[src.index()].0, nodes[dst.index()].0);
            let known = self.occurrences.get(&pair).copied().unwrap_or(0);
            before.insert(pair, known);
            *after.entry(pair).or_insert(known) += 1;
        }
        (before, after)
    }

    fn start(&mut self, work: Work, course: Course, size_bytes: u64, ready_ps: u64) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.live.insert(id, work);
        if let Course::Graph(graph) = &course
            && graph.n_ops() == 0
        {
            let time_ps = graph.tail().end_ps(ready_ps.into());
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
        if change.at_ps > self.now_ps {
            self.fabric.after(&change, self.rates_bps.clone())?;
            self.changes.insert((change.at_ps, self.version), change);
            self.version += 1;
            self.expect_otherwise();
            return Ok(());
        }
        self.run_to_now();
        self.set_link_now(&change)
    }

    /// Changes links at the time that has been reached.
    pub(super) fn set_link_now(&mut self, change: &LinkChange) -> Result<(), Error> {
        let (fabric, rates_bps) = self.fabric.after(change, self.rates_bps.clone())?;
        self.rewire(Arc::new(fabric), self.layout.has_single_links)?;
        self.rates_bps = rates_bps;
        Ok(())
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
        let n_changes = self.history.keep_wires(before.wires);
        self.command(Command::Rewire {
            n_changes,
            courses: Arc::new(courses),
        });
        Ok(())
    }
}

/// What the library of a calibrated fabric adds to a collective.
fn tail(
    fabric: &Fabric,
    schedule: &Schedule,
    endpoints: &[u32],
    last_start_ps: u64,
) -> Result<Tail, Error> {
    let traffic = Traffic::new(schedule, 1, schedule.outline(), endpoints);
    let Some(charge) = Charge::of(fabric, &traffic)? else {
        return Ok(Tail::default());
    };
    Ok(Tail {
        lag_ps: charge.lag_ps(),
        not_before_ps: fits(charge.earliest_ps(last_start_ps))?,
    })
}
