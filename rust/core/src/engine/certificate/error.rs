//! What a certificate can be wrong about.

use crate::engine::symmetry::PartitionError;

/// Why a certificate does not prove its run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// The classes are not equitable.
    #[error("its classes are not of operations that behave alike: {0}")]
    Partition(#[from] PartitionError),
    /// An operation's route is not the one that fabric and routing give.
    #[error(
        "operation {op}: its route in the certificate is not the one that fabric and routing give"
    )]
    Route {
        /// The operation.
        op: u32,
    },
    /// A record names an operation, resource or level that does not exist.
    #[error("event {event}: a record names something that does not exist")]
    Malformed {
        /// The event.
        event: usize,
    },
    /// The times do not increase.
    #[error("event {event}: its time does not come after the one before")]
    Order {
        /// The event.
        event: usize,
    },
    /// Routes change at a time at which the certificate has no event.
    #[error("event {event}: routes have changed at {at_ps} ps, without an event then")]
    Change {
        /// The event.
        event: usize,
        /// When they change.
        at_ps: u64,
    },
    /// An operation starts at another time than its predecessors allow.
    #[error("event {event}: operation {op} does not start when its predecessors are through")]
    Release {
        /// The event.
        event: usize,
        /// The operation.
        op: u32,
    },
    /// An operation ends before or after its bytes are through.
    #[error("event {event}: the bytes served to operation {op} are not its size")]
    Bytes {
        /// The event.
        event: usize,
        /// The operation.
        op: u32,
    },
    /// An active operation has no bottleneck, or one that is not on its route.
    #[error("event {event}: operation {op} has no bottleneck on its route")]
    Bottleneck {
        /// The event.
        event: usize,
        /// The operation.
        op: u32,
    },
    /// A resource carries more than it can.
    #[error("event {event}: resource {resource} is loaded beyond its capacity")]
    Overload {
        /// The event.
        event: usize,
        /// The resource.
        resource: u32,
    },
    /// A resource holds operations back without being saturated.
    #[error("event {event}: resource {resource} holds operations back but is not saturated")]
    Unsaturated {
        /// The event.
        event: usize,
        /// The resource.
        resource: u32,
    },
    /// An operation on a resource is faster than those it holds back.
    #[error(
        "event {event}: operation {op} is faster than those that resource {resource} holds back"
    )]
    Faster {
        /// The event.
        event: usize,
        /// The resource.
        resource: u32,
        /// The faster operation.
        op: u32,
    },
    /// An operation never ends.
    #[error("operation {op} is not served at the end")]
    Unserved {
        /// The operation.
        op: u32,
    },
    /// The claimed time is not the last arrival.
    #[error("the claimed time of {claimed} ps is not the last arrival, {found} ps")]
    Time {
        /// What the certificate claims.
        claimed: i128,
        /// What its events give.
        found: i128,
    },
}
