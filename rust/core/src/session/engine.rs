//! The engine of a session at whatever rung of the number ladder decides, and what it is told.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::engine::ladder::Rung;
use crate::engine::number::{Extended, Pair, Rational};
use crate::engine::online::{Course, Online, Wires};

/// What the engine is told, to be told again in a replay.
#[derive(Debug, Clone)]
pub(super) enum Command {
    /// A task starts. The time and the bytes are a flow's; a graph has its own.
    Inject {
        id: u64,
        course: Course,
        size_bytes: u64,
        ready_ps: u64,
    },
    Cancel {
        id: u64,
    },
    /// All tasks go on on other resources, those of so many changes before.
    Rewire {
        n_changes: usize,
        courses: Arc<BTreeMap<u64, Course>>,
    },
}

impl Command {
    /// How many operations it lets in.
    pub(super) fn n_ops(&self) -> usize {
        match self {
            Self::Inject {
                course: Course::Graph(graph),
                ..
            } => graph.n_ops(),
            _ => 1,
        }
    }
}

/// The engine at one rung.
#[derive(Debug, Clone)]
pub(super) enum Engine {
    Pair(Box<Online<Pair>>),
    Extended(Box<Online<Extended>>),
    Rational(Box<Online<Rational>>),
}

/// Applies a generic expression to the engine of any rung.
macro_rules! at_rung {
    ($engine:expr, $online:ident => $body:expr) => {
        match $engine {
            $crate::session::engine::Engine::Pair($online) => $body,
            $crate::session::engine::Engine::Extended($online) => $body,
            $crate::session::engine::Engine::Rational($online) => $body,
        }
    };
}
pub(super) use at_rung;

impl Engine {
    pub(super) fn new(rung: Rung, wires: &Wires) -> Self {
        let mut engine = match rung {
            Rung::Pair => Self::Pair(Box::default()),
            Rung::Extended => Self::Extended(Box::default()),
            Rung::Rational => Self::Rational(Box::default()),
        };
        at_rung!(&mut engine, online => online.learn(wires));
        engine
    }

    pub(super) fn rung(&self) -> Rung {
        match self {
            Self::Pair(_) => Rung::Pair,
            Self::Extended(_) => Rung::Extended,
            Self::Rational(_) => Rung::Rational,
        }
    }

    /// Whether everything so far is decided.
    pub(super) fn is_decided(&mut self) -> bool {
        at_rung!(self, online => online.n_open() == 0 && !online.is_over_budget())
    }

    /// Does what it is told, at a time that it has reached.
    pub(super) fn apply(&mut self, command: &Command, wires: &Wires, now_ps: u64) {
        at_rung!(self, online => match command {
            Command::Inject { id, course, size_bytes, ready_ps } => {
                online.learn(wires);
                match course {
                    Course::Flow(path) => online.inject(*id, path.clone(), *size_bytes, *ready_ps),
                    Course::Graph(graph) => online.inject_graph(*id, graph.clone()),
                }
            }
            Command::Cancel { id } => online.cancel(*id, now_ps),
            Command::Rewire { courses, .. } => online.rewire(wires, courses, now_ps),
        });
    }
}
