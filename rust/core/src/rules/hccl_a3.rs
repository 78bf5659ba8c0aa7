//! HCCL on Atlas A3, the generation of CM384 (`910_93`; cann-hcomm b5f3e5be).
//!
//! Thresholds on the bytes D of one rank's argument decide between one mesh of all ranks (small, or
//! the AI vector cores in charge), a flat NHR (small on several servers), and two levels: double
//! rings inside a server and the level 1 of the A2 model between servers, where NHR takes the place
//! of halving-doubling. Our two-level form has a ring inside: on switches both directions cost the
//! same. For one server alone a mesh stands for the double ring. Assumed: no zero copy, operator mode, equal servers, not deterministic.
//! Source: `reference/algorithms.md` 4.2.

use super::hccl_a2::level1;
use super::{Level1, Rule, Ruling, Situation, flat, mesh, two_level};
use crate::collective::Collective;
use crate::cost::Regime;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// With the AI vector cores in charge of communication (`HCCL_OP_EXPANSION_MODE=AIV`), or without.
#[derive(Debug)]
pub(super) struct HcclA3 {
    pub(super) aiv: bool,
}

impl Rule for HcclA3 {
    fn name(&self) -> &'static str {
        if self.aiv { "hccl-a3-aiv" } else { "hccl-a3" }
    }

    fn decide(&self, situation: &Situation) -> Option<Ruling> {
        let collective = situation.collective;
        if collective.moves_tokens() {
            return None;
        }
        if self.aiv && takes_vector_cores(situation) {
            return Some(mesh("AIV mesh", collective).by(Regime::Direct));
        }
        if collective == Collective::AllToAll {
            // AI CPU: a full mesh in groups of eight.
            return Some(Ruling::new("fullmesh in groups of 8", "grouped").by(Regime::Pair));
        }
        if situation.n_servers() == 1 && is_small_on_one_server(situation) {
            return Some(mesh("level0:fullmesh", collective));
        }
        if situation.n_servers() > 1 && is_small_on_servers(situation) {
            return Some(flat("flat NHR", collective, Level1::Nhr));
        }
        if matches!(collective, Collective::SendRecv | Collective::Barrier) {
            return Some(mesh("direct", collective).by(Regime::Pair));
        }
        if situation.n_servers() == 1
            && let Some(ruling) = double_ring(situation)
        {
            return Some(ruling);
        }
        let level1 = match level1(situation) {
            Level1::HalvingDoubling => Level1::Nhr,
            other => other,
        };
        Some(two_level(situation, "ring", level1))
    }
}

/// Whether the vector cores carry it out, in a mesh of all ranks of one superpod.
fn takes_vector_cores(situation: &Situation) -> bool {
    use Collective::{AllGather, AllReduce, AllToAll, ReduceScatter};
    if situation.n_pods() > 1 {
        return false;
    }
    let (d, ranks) = (situation.argument_bytes(), situation.n_ranks());
    let is_one_server = situation.n_servers() == 1;
    match situation.collective {
        AllReduce if is_one_server => d / situation.n_cards() <= MIB,
        AllReduce if ranks > 8 => d < 8 * MIB,
        AllReduce => d <= 512 * KIB,
        AllGather | ReduceScatter if is_one_server => d <= 512 * KIB,
        AllGather | ReduceScatter => {
            d <= match (ranks, situation.collective) {
                (..=6, _) => MIB,
                (..=16, _) => 512 * KIB,
                (_, AllGather) => 32 * KIB,
                _ => 128 * KIB,
            }
        }
        AllToAll => !is_one_server || d <= 512 * KIB,
        _ => false,
    }
}

/// Large data within one server. A broadcast scatters and gathers, a reduction the other way round
/// (cann-hcomm, the executors of broadcast by rings for `910_93` and of reduce by double rings), each
/// in as many steps as half an all-reduce. A flat ring would be bound by the ports of a die, 196 GB/s, but 204
/// to 207 were measured: a fifteenth of the bytes goes over the die-to-die link, as in our mesh.
/// HCCL waits in each of its steps all the same.
fn double_ring(situation: &Situation) -> Option<Ruling> {
    let n_steps = match situation.collective {
        Collective::AllReduce | Collective::Broadcast | Collective::Reduce => {
            2 * (situation.n_ranks() - 1)
        }
        Collective::AllGather | Collective::ReduceScatter => situation.n_ranks() - 1,
        _ => return None,
    };
    Some(mesh("level0:double ring", situation.collective).in_steps(n_steps))
}

fn is_small_on_one_server(situation: &Situation) -> bool {
    use Collective::{AllGather, AllReduce, ReduceScatter};
    let d = situation.argument_bytes();
    match situation.collective {
        AllReduce => d <= 512 * KIB * situation.n_ranks(),
        // Seven HCCS ports, one for each UB plane.
        AllGather | ReduceScatter => d <= 512 * KIB,
        _ => false,
    }
}

fn is_small_on_servers(situation: &Situation) -> bool {
    use Collective::{AllGather, AllReduce, ReduceScatter};
    let (d, cards, servers) = (
        situation.argument_bytes(),
        situation.n_cards(),
        situation.n_servers(),
    );
    let has_pods = situation.n_pods() > 1;
    match situation.collective {
        AllReduce if has_pods => d <= 16 * KIB * cards,
        AllReduce => d <= MIB * cards,
        AllGather if has_pods => d <= 16 * KIB,
        AllGather if cards.is_multiple_of(4) => d * servers <= MIB,
        AllGather => d * servers <= 512 * KIB,
        ReduceScatter => d * servers <= MIB,
        _ => false,
    }
}
