//! `HCCL_ALGO`: how a user tells HCCL to take an algorithm.
//!
//! The variable reads `<op>=level0:NA;level1:<word>`: what happens between servers; inside a server
//! HCCL decides by itself. Source: `reference/algorithms.md` 4.2.

use crate::collective::{Collective, Options};

/// The value of `HCCL_ALGO` that comes nearest to an algorithm; none where HCCL has nothing like it.
pub fn hccl_algo(collective: Collective, algorithm: &str, options: &Options) -> Option<String> {
    let operation = match collective {
        Collective::AllReduce => "allreduce",
        Collective::ReduceScatter => "reducescatter",
        Collective::AllGather => "allgather",
        Collective::Broadcast => "broadcast",
        Collective::Reduce => "reduce",
        Collective::Scatter => "scatter",
        Collective::AllToAll => "alltoall",
        Collective::Gather
        | Collective::SendRecv
        | Collective::Barrier
        | Collective::Dispatch
        | Collective::Combine => return None,
    };
    let between = match algorithm {
        "hierarchical" => options.text("inter").unwrap_or("ring"),
        flat => flat,
    };
    let word = match (between, collective) {
        ("shift" | "xor", Collective::AllToAll) => "pairwise",
        (_, Collective::AllToAll) => return None,
        ("ring" | "bidirectional_ring", _) => "ring",
        ("nhr", _) => "NHR",
        ("nb", _) => "NB",
        ("halving_doubling" | "rabenseifner", _) => "H-D_R",
        ("ahc", _) => "AHC",
        ("pipeline", _) => "pipeline",
        _ => return None,
    };
    Some(format!("{operation}=level0:NA;level1:{word}"))
}
