//! What led to where a session is, to be gone through again with numbers of more digits.

use super::engine::{Command, Engine, at_rung};
use super::pass::{Stop, unless_stopped};
use super::{Promise, Session};
use crate::engine::ladder::{RATIONAL_MAX_OPS, Rung};
use crate::engine::online::Wires;
use crate::error::Error;

/// Commands kept to be replayed; at some 64 bytes each, 640 kB.
pub const HISTORY_MAX: usize = 10_000;

/// The commands since nothing was served last.
#[derive(Debug, Clone, Default)]
pub(super) struct History {
    /// Each with its time.
    commands: Vec<(u64, Command)>,
    /// The resources before each change.
    wires_before: Vec<Wires>,
    /// Whether there were more.
    is_cut_off: bool,
    has_outgrown_rationals: bool,
}

impl History {
    /// Keeps the resources as they were before a change; how many changes there were.
    pub(super) fn keep_wires(&mut self, before: Wires) -> usize {
        self.wires_before.push(before);
        self.wires_before.len()
    }

    fn is_too_long(&self) -> bool {
        self.commands.len() > HISTORY_MAX
    }

    fn n_ops(&self) -> usize {
        self.commands
            .iter()
            .map(|(_, command)| command.n_ops())
            .sum()
    }

    fn clear(&mut self) {
        self.commands.clear();
        self.wires_before.clear();
    }
}

impl Session {
    /// Does something now and takes note of it.
    pub(super) fn command(&mut self, command: Command) {
        self.engine.apply(&command, &self.layout.wires, self.now_ps);
        self.history.commands.push((self.now_ps, command));
        self.version += 1;
        self.expect_otherwise();
    }

    /// What was foreseen no longer holds.
    pub(super) fn expect_otherwise(&mut self) {
        self.ahead = None;
        self.promise = Promise::Stale;
    }

    /// Goes up the ladder until everything so far is decided, or the ladder ends.
    ///
    /// # Errors
    /// If it is stopped; then what is open stays so until the next call.
    pub(super) fn decide(&mut self, stop: Stop<'_>) -> Result<(), Error> {
        if self.history.is_too_long() {
            if !self.history.is_cut_off && self.engine.rung() != Rung::Extended {
                self.replay(Rung::Extended, stop)?;
            }
            self.history.is_cut_off = true;
            self.history.clear();
        }
        while !self.engine.is_decided() && self.climb(stop)? {}
        Ok(())
    }

    /// Replays what led here at the next affordable rung, or one down where rationals outgrew their
    /// budget; whether there is one.
    pub(super) fn climb(&mut self, stop: Stop<'_>) -> Result<bool, Error> {
        let is_affordable =
            self.history.n_ops() <= RATIONAL_MAX_OPS && !self.history.has_outgrown_rationals;
        let rung = match &self.engine {
            _ if self.history.is_cut_off => return Ok(false),
            Engine::Pair(_) => Rung::Extended,
            Engine::Extended(_) if is_affordable => Rung::Rational,
            Engine::Rational(online) if online.is_over_budget() => {
                self.history.has_outgrown_rationals = true;
                Rung::Extended
            }
            Engine::Extended(_) | Engine::Rational(_) => return Ok(false),
        };
        self.replay(rung, stop)?;
        Ok(true)
    }

    fn replay(&mut self, rung: Rung, stop: Stop<'_>) -> Result<(), Error> {
        let wires = |n_changes| {
            let before: &[Wires] = &self.history.wires_before;
            before.get(n_changes).unwrap_or(&self.layout.wires)
        };
        let mut n_changes = 0;
        let mut engine = Engine::new(rung, wires(0));
        for (time_ps, command) in &self.history.commands {
            unless_stopped(&mut engine, *time_ps, stop)?;
            if let Command::Rewire { n_changes: n, .. } = command {
                n_changes = *n;
            }
            engine.apply(command, wires(n_changes), *time_ps);
        }
        unless_stopped(&mut engine, self.now_ps, stop)?;
        self.engine = engine;
        self.ahead = None;
        Ok(())
    }

    /// Nothing is being served: nothing before counts any more.
    pub(super) fn rest(&mut self) {
        if self.history.commands.is_empty() && !self.history.is_cut_off {
            return;
        }
        self.history = History::default();
        if self.engine.rung() != Rung::Pair {
            self.n_open_before += at_rung!(&mut self.engine, online => online.n_open());
            self.engine = Engine::new(Rung::Pair, &self.layout.wires);
        }
    }
}
