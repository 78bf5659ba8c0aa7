//! The umbrella error: what may go wrong between a question and its answer.

use crate::algorithms::{PlanError, UnknownAlgorithm};
use crate::collective::UnknownCollective;
use crate::engine::certificate::CertificateError;
use crate::engine::fluid::EngineError;
use crate::engine::workload::WorkloadError;
use crate::fabric::FabricError;
use crate::fabric::routing::RoutingError;
use crate::placement::PlacementError;
use crate::rules::UnknownRule;
use crate::schedule::{ScheduleError, VerifyError};
use crate::session::SessionError;
use crate::team::TeamError;

/// Everything that may go wrong, by where it does.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An unknown collective.
    #[error(transparent)]
    Collective(#[from] UnknownCollective),
    /// An unknown algorithm.
    #[error(transparent)]
    Algorithm(#[from] UnknownAlgorithm),
    /// A problem that makes no sense, does not suit its algorithm, or has a bad option.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A table that is no schedule.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// A schedule that does not compute its collective.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// A bad fabric, selector, parameter or rank list.
    #[error(transparent)]
    Fabric(#[from] FabricError),
    /// A bad team.
    #[error(transparent)]
    Team(#[from] TeamError),
    /// No route.
    #[error(transparent)]
    Routing(#[from] RoutingError),
    /// A workload that cannot be built.
    #[error(transparent)]
    Workload(#[from] WorkloadError),
    /// A limit, or an interruption.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A certificate that proves nothing.
    #[error("the certificate does not prove the run: {0}")]
    Certificate(#[from] CertificateError),
    /// Links have failed that a transfer cannot do without.
    #[error(
        "transfer {transfer} from '{src}' to '{dst}' is to be served while no live path joins them, \
         from {since_ps} ps on"
    )]
    CutOff {
        /// Its number in its schedule, or the row of the flow.
        transfer: usize,
        /// The name of the source.
        src: String,
        /// The name of the destination.
        dst: String,
        /// When the links failed.
        since_ps: u64,
    },
    /// A bracket of a run whose links change.
    #[error("a bracket is of links that stay as they are; leave bracket or set_links out")]
    BracketOfChanges,
    /// A schedule for another number of ranks.
    #[error("the schedule has {schedule} ranks, but {endpoints} endpoints were given")]
    RankCount {
        /// Ranks of the schedule.
        schedule: u32,
        /// Endpoints given.
        endpoints: usize,
    },
    /// A list of start times of the wrong length.
    #[error("start_ps must have one entry or one per rank ({n_ranks}), got {got}")]
    StartCount {
        /// Ranks of the job.
        n_ranks: usize,
        /// Entries given.
        got: usize,
    },
    /// No algorithm suits the question.
    #[error("no algorithm for {collective} on {n_ranks} ranks: {reasons}")]
    NoAlgorithm {
        /// The collective.
        collective: &'static str,
        /// Ranks.
        n_ranks: u32,
        /// Why each one does not.
        reasons: String,
    },
    /// A library that has no such collective.
    #[error(
        "library '{library}' has no {collective}, so that nothing is known of its cost; take the fabric without the calibration"
    )]
    NotInLibrary {
        /// The library.
        library: String,
        /// The collective.
        collective: &'static str,
    },
    /// What a session refuses.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// A calibration whose rule is unknown.
    #[error(transparent)]
    Rule(#[from] UnknownRule),
    /// A time beyond what an i64 of picoseconds holds (106 days).
    #[error("the time of {time_ps} ps exceeds 2^63 ps (106 days); ask for a smaller size")]
    TimeOverflow {
        /// The time.
        time_ps: u128,
    },
    /// Bounds and brackets have no timeline.
    #[error(
        "engine 'bound' and a bracket give bounds only; use engine 'fluid' without a bracket for \
         times per transfer and link"
    )]
    NoTimeline,
}

impl Error {
    /// Whether the question is too large for the memory that it may take.
    pub fn is_too_large(&self) -> bool {
        matches!(
            self,
            Self::Engine(EngineError::MemoryLimit { .. })
                | Self::Plan(PlanError::Schedule(ScheduleError::TooLarge { .. }))
        )
    }
}

impl From<PlacementError> for Error {
    fn from(error: PlacementError) -> Self {
        match error {
            PlacementError::Routing(error) => error.into(),
            PlacementError::Workload(error) => error.into(),
        }
    }
}
