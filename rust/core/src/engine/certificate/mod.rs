//! The optimality proof of a run: every event, every rate, every bottleneck.
//!
//! A certificate lists, event by event, which operations started and ended, which resource holds
//! each of them back from then on, and the new level of each resource whose level changed. It is
//! enough to re-check with sums and comparisons alone that the rates between any two events are
//! the max-min fair allocation ([`check`]), without trusting or repeating the engine's search.
//!
//! Where links change at a time, the same holds phase by phase: the check moves what is under way to
//! the routes that the workload has from then on, with what is left of it, and demands a bottleneck
//! there for each.
//!
//! Where operations behave alike, the certificate is that of the quotient, and lists the classes:
//! the check proves them equitable before it replays one operation per class.

mod check;
mod error;
mod replay;

pub use check::check;
pub use error::CertificateError;

use super::number::{Extended, Number};
use super::observer::Observer;
use super::symmetry::Partition;
use super::workload::{Change, Incidence, Workload};
use crate::csr::Csr;

/// What one record of an event says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record {
    /// An operation that loads nothing was released and served.
    Passed {
        /// The operation.
        op: u32,
    },
    /// An operation was released and is served from now on.
    Entered {
        /// The operation.
        op: u32,
    },
    /// An operation's last byte was served.
    Left {
        /// The operation.
        op: u32,
    },
    /// A resource holds an operation back from now on.
    Bottleneck {
        /// The operation.
        op: u32,
        /// The resource.
        resource: u32,
    },
    /// The operations that a resource holds back have another rate from now on.
    Level {
        /// The resource.
        resource: u32,
        /// Index into the certificate's levels, in bytes per second.
        level: u32,
    },
}

/// The proof of a run, in the order in which it happened.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// The classes of operations and resources, where the records and routes are of classes.
    pub partition: Option<Partition>,
    /// Exact time of each event in picoseconds.
    pub times: Vec<Extended>,
    /// Records of each event.
    pub records: Csr<Record>,
    /// Levels that the records name.
    pub levels: Vec<Extended>,
    /// Route of each operation.
    pub op_routes: Vec<u32>,
    /// Later routes, where links change while operations run.
    pub changes: Vec<Change>,
    /// Resources and weights of each route.
    pub routes: Csr<Incidence>,
    /// The finish of the last operation, rounded up to the picosecond.
    pub time_ps: i128,
    /// Comparisons that the run itself left open. Where there are none, none may be open in the
    /// check; otherwise the check proves the rates up to the error of its numbers.
    pub n_ambiguous: u64,
}

impl Certificate {
    /// Nothing recorded yet, for a run of `workload`.
    pub fn new(workload: &Workload) -> Self {
        Self {
            partition: None,
            times: Vec::new(),
            records: Csr::default(),
            levels: Vec::new(),
            op_routes: workload.op_routes.clone(),
            changes: workload.changes.clone(),
            routes: workload.routes.clone(),
            time_ps: 0,
            n_ambiguous: 0,
        }
    }
}

/// Writes a certificate while an engine runs.
#[derive(Debug)]
pub struct Recorder {
    certificate: Certificate,
    pending: Vec<Record>,
}

impl Recorder {
    /// Ready to watch a run of `workload`.
    pub fn new(workload: &Workload) -> Self {
        Self {
            certificate: Certificate::new(workload),
            pending: Vec::new(),
        }
    }

    /// The certificate of the finished run, whose last arrival is at `time_ps`, and which left
    /// `n_ambiguous` comparisons open.
    pub fn finish(mut self, time_ps: i128, n_ambiguous: u64) -> Certificate {
        self.certificate.time_ps = time_ps;
        self.certificate.n_ambiguous = n_ambiguous;
        self.certificate
    }
}

impl<N: Number> Observer<N> for Recorder {
    fn passed(&mut self, op: u32, _now: &N) {
        self.pending.push(Record::Passed { op });
    }

    fn entered(&mut self, op: u32, _now: &N) {
        self.pending.push(Record::Entered { op });
    }

    fn left(&mut self, op: u32, _now: &N) {
        self.pending.push(Record::Left { op });
    }

    fn moved(&mut self, op: u32, resource: u32) {
        self.pending.push(Record::Bottleneck { op, resource });
    }

    fn relevelled(&mut self, resource: u32, level: &N) {
        self.pending.push(Record::Level {
            resource,
            level: self.certificate.levels.len() as u32,
        });
        self.certificate.levels.push(level.to_extended());
    }

    fn settled(&mut self, now: &N) {
        self.certificate.times.push(now.to_extended());
        self.certificate.records.push_row(self.pending.drain(..));
    }
}
