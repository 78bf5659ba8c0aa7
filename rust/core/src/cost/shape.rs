//! Shapes: what a collective asks of each of its ranks.
//!
//! With S the size in the sense of nccl-tests and n ranks: W bytes over the wire, C = S/n of its own,
//! H steps that wait for each other, R bytes reduced locally. Source: `reference/fidelity.md` 1; rows
//! of broadcast, reduce, gather, scatter and barrier follow from the ring and the direct exchange.

use super::Regime;
use crate::collective::Collective;

/// What one rank does in a collective.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shape {
    /// n, ranks.
    pub n_ranks: f64,
    /// S, in the sense of nccl-tests.
    pub size_bytes: f64,
    /// W, what a rank sends over the wire.
    pub sent_bytes: f64,
    /// C, the rank's own block, copied where it is.
    pub own_bytes: f64,
    /// R, what a rank reduces locally.
    pub reduced_bytes: f64,
    /// H, dependent steps.
    pub n_steps: f64,
    /// Peers that a rank sends to one by one; 0 in a ring.
    pub n_peers: f64,
}

impl Shape {
    /// The shape of a collective as a library carries it out in a regime; tokens have a form of
    /// their own, `Moe`, which this one only resembles.
    pub fn of(collective: Collective, regime: Regime, n_ranks: u32, size_bytes: u64) -> Self {
        use Collective::{
            AllGather, AllReduce, AllToAll, Barrier, Broadcast, Combine, Dispatch, Gather, Reduce,
            ReduceScatter, Scatter, SendRecv,
        };
        let (n, size) = (f64::from(n_ranks), size_bytes as f64);
        let part = (n - 1.0) / n * size;
        let n_steps = match (collective, regime) {
            (Barrier, _) => f64::from(n_ranks.next_power_of_two().ilog2()),
            (AllReduce, Regime::Direct) => 2.0,
            (_, Regime::Direct)
            | (AllToAll | Gather | Scatter | SendRecv | Dispatch | Combine, _) => 1.0,
            (AllReduce, _) => 2.0 * (n - 1.0),
            (AllGather | ReduceScatter | Broadcast | Reduce, _) => n - 1.0,
        };
        let (sent_bytes, reduced_bytes) = match collective {
            AllReduce => (2.0 * part, part),
            ReduceScatter => (part, part),
            AllGather | AllToAll | Gather | Scatter | Dispatch => (part, 0.0),
            Combine => (part, size),
            Broadcast | SendRecv => (size, 0.0),
            Reduce => (size, size),
            Barrier => (0.0, 0.0),
        };
        Self {
            n_ranks: n,
            size_bytes: size,
            sent_bytes,
            reduced_bytes,
            own_bytes: match collective {
                Broadcast | Reduce | SendRecv | Barrier => 0.0,
                _ => size / n,
            },
            n_steps,
            n_peers: match collective {
                AllToAll | Gather | Scatter => n - 1.0,
                _ => 0.0,
            },
        }
    }
}
