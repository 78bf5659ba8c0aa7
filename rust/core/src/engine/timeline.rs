//! What an engine returns: when each operation was released and served.

use super::number::Number;
use super::workload::Workload;

/// Times in exact picoseconds, at one rung of the number ladder.
#[derive(Debug, Clone)]
pub struct Timeline<N> {
    /// When each operation's predecessors were through.
    pub released: Vec<N>,
    /// When each operation's last byte was served.
    pub served: Vec<N>,
    /// The route that each operation's last byte took; empty where routes never change.
    pub served_on: Vec<u32>,
    /// Events processed.
    pub n_events: u64,
    /// Comparisons that this rung could not decide.
    pub n_ambiguous: u64,
}

/// A time in whole picoseconds that this rung could not round: it straddles an integer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Straddles;

impl<N: Number> Timeline<N> {
    /// How long the last byte of an operation was under way.
    pub fn latency_ps(&self, workload: &Workload, op: usize) -> u64 {
        let route = self.served_on.get(op).unwrap_or(&workload.op_routes[op]);
        workload.latencies_ps[*route as usize]
    }

    /// When the last byte of an operation arrived.
    pub fn arrived(&self, workload: &Workload, op: usize) -> N {
        let latency = self.latency_ps(workload, op);
        if latency == 0 {
            return self.served[op].clone();
        }
        self.served[op].add(&N::from_int(latency.into()))
    }

    /// The exact time rounded up to the picosecond, once.
    pub fn ceil_ps(time: &N) -> Result<i128, Straddles> {
        time.ceil().ok_or(Straddles)
    }
}
