//! Time goes by: the first arrival foreseen, and what has arrived.

use super::Session;
use super::engine::{Engine, at_rung};
use crate::engine::fluid::EngineError;
use crate::engine::online::Foresight;
use crate::error::Error;
use crate::simulate::fits;

/// Asked after each event, with the number of flows under way, whether to stop there.
pub type Stop<'a> = &'a mut dyn FnMut(usize) -> bool;

/// The first arrival, for as long as nobody joins or leaves.
#[derive(Debug, Clone, Copy)]
pub(super) enum Promise {
    Stale,
    Made(Option<i128>),
}

/// Lets an engine of its own go on to a time.
pub(super) fn unless_stopped(
    engine: &mut Engine,
    time_ps: u64,
    stop: Stop<'_>,
) -> Result<(), Error> {
    let reached_ps = at_rung!(engine, online => online.advance_to(time_ps, stop));
    if reached_ps < time_ps {
        return Err(EngineError::Interrupted.into());
    }
    Ok(())
}

impl Session {
    /// When the first flow or collective will have arrived as things stand, rounded up to the
    /// picosecond; `None` without any.
    ///
    /// # Errors
    /// If that is beyond 63 bits, or a change before it leaves something under way without a path.
    pub fn next_event_ps(&mut self) -> Result<Option<u64>, Error> {
        self.next_event_ps_unless(&mut |_| false)
    }

    /// The same unless it is stopped, which changes nothing.
    ///
    /// # Errors
    /// As for [`Self::next_event_ps`], and [`EngineError::Interrupted`] if it is stopped.
    pub fn next_event_ps_unless(&mut self, stop: Stop<'_>) -> Result<Option<u64>, Error> {
        let first_ps = match self.promise {
            Promise::Made(first_ps) => first_ps,
            Promise::Stale => self.make_promise(stop)?,
        };
        self.promise = Promise::Made(first_ps);
        let in_range = |time_ps| fits(u128::try_from(time_ps).unwrap_or(u128::MAX));
        first_ps.map(in_range).transpose()
    }

    fn make_promise(&mut self, stop: Stop<'_>) -> Result<Option<i128>, Error> {
        let first_ps = self.unchanged_promise(stop)?;
        match self.changes.keys().next() {
            Some(&(change_ps, _))
                if first_ps.is_some_and(|first_ps| first_ps > change_ps.into()) =>
            {
                let mut fork = self.fork();
                fork.advance_to_unless(change_ps, stop)?;
                Ok(fork.next_event_ps_unless(stop)?.map(i128::from))
            }
            _ => Ok(first_ps),
        }
    }

    /// The first arrival if no link changes.
    fn unchanged_promise(&mut self, stop: Stop<'_>) -> Result<Option<i128>, Error> {
        self.run_to(self.now_ps, stop)?;
        loop {
            let known = self.arrivals.first().map(|arrival| arrival.time_ps);
            let foresight = at_rung!(&mut self.engine, online => online.foresee(known));
            let (first_ps, mut ahead) = match foresight {
                Foresight::Known(first_ps) => (first_ps, None),
                Foresight::Open => {
                    let mut ahead = self.engine.clone();
                    let run = at_rung!(&mut ahead, online => online.run_to_arrival(known, stop));
                    (run.ok_or(EngineError::Interrupted)?, Some(ahead))
                }
            };
            let is_decided = self.engine.is_decided();
            let is_decided = is_decided && ahead.as_mut().is_none_or(Engine::is_decided);
            if is_decided || !self.climb(stop)? {
                self.ahead = ahead;
                return Ok(first_ps);
            }
        }
    }

    /// Lets time go by; what has arrived by then, by time and number.
    ///
    /// # Errors
    /// If that time is past, or a change on the way leaves something under way without a path.
    pub fn advance_to(&mut self, time_ps: u64) -> Result<Vec<(u64, u64)>, Error> {
        self.advance_to_unless(time_ps, &mut |_| false)
    }

    /// The same unless it is stopped. The session then stands where it was stopped, and the next
    /// call tells what had arrived.
    ///
    /// # Errors
    /// As for [`Self::advance_to`], and [`EngineError::Interrupted`] if it is stopped.
    pub fn advance_to_unless(
        &mut self,
        time_ps: u64,
        stop: Stop<'_>,
    ) -> Result<Vec<(u64, u64)>, Error> {
        self.check_time(time_ps)?;
        while let Some(&(change_ps, _)) = self.changes.keys().next()
            && change_ps <= time_ps
        {
            self.run_to(change_ps, stop)?;
            let (_, change) = self.changes.pop_first().expect("its time was found");
            self.expect_otherwise();
            self.set_link_now(&change)?;
        }
        self.run_to(time_ps, stop)?;
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

    /// Lets happen what happens up to now.
    pub(super) fn run_to_now(&mut self) {
        let run = self.run_to(self.now_ps, &mut |_| false);
        run.expect("only a run that is stopped fails");
    }

    /// Lets happen what happens up to a time on links as they are, at whatever rung decides it.
    ///
    /// # Errors
    /// If it is stopped; the session then stands at the time that it has reached.
    fn run_to(&mut self, time_ps: u64, stop: Stop<'_>) -> Result<(), Error> {
        let ahead = self
            .ahead
            .take_if(|ahead| at_rung!(&*ahead, online => online.is_within(time_ps)));
        if let Some(ahead) = ahead {
            self.engine = ahead;
        }
        self.now_ps = at_rung!(&mut self.engine, online => online.advance_to(time_ps, stop));
        let is_there = self.now_ps == time_ps;
        self.decide(stop)?;
        at_rung!(&mut self.engine, online => {
            for arrival in online.take_arrivals() {
                if self.live.contains_key(&arrival.id) {
                    self.arrivals.insert(arrival);
                }
            }
        });
        if at_rung!(&self.engine, online => online.is_idle()) {
            self.rest();
        }
        if is_there {
            Ok(())
        } else {
            Err(EngineError::Interrupted.into())
        }
    }
}
