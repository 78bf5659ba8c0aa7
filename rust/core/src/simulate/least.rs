//! The least time that any algorithm could take for what runs.

use super::Work;
use super::placing::rank_nodes;
use crate::bounds::{self, Bound, Demand, Volume};
use crate::collective::Collective;
use crate::error::Error;
use crate::fabric::Fabric;
use crate::ids::NodeId;
use crate::schedule::{ChunkRange, ChunkSizes, Outline};

/// The bound of the jobs: each job needs its own time from its first start on.
pub(super) fn any_algorithm_bound(fabric: &Fabric, work: &Work) -> Result<Bound, Error> {
    let Work::Jobs(jobs) = work else {
        return Ok(Bound {
            time_ps: 0,
            binding: "flows of their own have no other algorithm".into(),
        });
    };
    let mut best: Option<Bound> = None;
    for (job, nodes) in jobs.iter().zip(rank_nodes(fabric, jobs)?) {
        let mut bound = bounds::bound(fabric, &demand(&job.outline(), &nodes));
        if bound.time_ps > 0 {
            bound.time_ps += u128::from(job.starts_ps.iter().copied().min().unwrap_or(0));
        }
        if best
            .as_ref()
            .is_none_or(|best| bound.time_ps > best.time_ps)
        {
            best = Some(bound);
        }
    }
    Ok(best.unwrap_or(Bound {
        time_ps: 0,
        binding: "nothing to do".into(),
    }))
}

/// What a schedule's collective must move, from its chunk sizes.
fn demand<'a>(schedule: &Outline, nodes: &'a [NodeId]) -> Demand<'a> {
    let collective = schedule.collective;
    let n = nodes.len() as u64;
    let n_blocks = collective.n_blocks(schedule.n_ranks);
    let per_block = schedule.n_chunks / n_blocks;
    let block = |index: u64| {
        schedule
            .sizes
            .size_of(ChunkRange::span(index * per_block, per_block as u32))
    };
    let whole_bytes = matches!(schedule.sizes, ChunkSizes::Each { .. });
    let volume = match collective {
        Collective::Barrier => Volume::Signals,
        Collective::Dispatch | Collective::Combine => {
            let traffic = schedule.traffic.expect("a schedule of tokens has them");
            Volume::Tokens(traffic.tokens.clone())
        }
        Collective::AllToAll if whole_bytes => {
            Volume::Counts((0..n_blocks).map(|index| block(index).0 as u64).collect())
        }
        // Blocks count in units of 1/n byte, which makes an equal part of S/n exactly S.
        _ if n_blocks == 1 => {
            let (numerator, denominator) = block(0);
            Volume::Blocks(vec![numerator / u128::from(denominator); nodes.len()])
        }
        _ => Volume::Blocks(
            (0..n)
                .map(|index| {
                    let (numerator, denominator) = block(index);
                    numerator * u128::from(n) / u128::from(denominator)
                })
                .collect(),
        ),
    };
    Demand {
        collective,
        nodes,
        root: schedule.root.index(),
        volume,
    }
}
