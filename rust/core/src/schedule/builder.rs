//! `ScheduleBuilder`: from loose sends to a well-formed schedule.
//!
//! All validity rules of a schedule sit here. Sends are ordered by (step, source, emission), those
//! without bytes are dropped, and edges that are not given are derived. A transfer depends on every
//! earlier-step write to any (source, chunk) that it carries: a copy or reduction that arrives
//! there. It follows all transfers of its source's previous active step.

use std::ops::Range;

use rustc_hash::FxHashMap;

use super::frame::{Everybody, Frame};
use super::locations::Locations;
use super::parts::check_edges;
use super::{ChunkSizes, Schedule, ScheduleError, Send};
use crate::collective::{Collective, Traffic};
use crate::csr::Csr;
use crate::ids::RankId;

/// A schedule holds about 45 bytes per transfer, building and verifying it another 100: this many
/// transfers need about 10 GB.
pub(crate) const MAX_TRANSFERS: u64 = 64_000_000;
/// Building and verifying hold about 24 bytes per chunk moved.
pub(crate) const MAX_CHUNK_MOVES: u64 = 256_000_000;
/// Four bytes each.
const MAX_EDGES: u64 = 1_000_000_000;

/// The makings of a schedule.
#[derive(Clone, Debug)]
pub struct ScheduleBuilder {
    /// What is computed.
    pub collective: Collective,
    /// The algorithm's name, or a user's word.
    pub algorithm: String,
    /// Ranks in the team.
    pub n_ranks: u32,
    /// The root of a rooted collective, rank 0 of another.
    pub root: RankId,
    /// Chunks that the data is divided into.
    pub n_chunks: u64,
    /// Their sizes.
    pub sizes: ChunkSizes,
    /// The tokens that move, if that is what does.
    pub traffic: Option<Traffic>,
    /// Who sends what, in any order.
    pub sends: Vec<Send>,
    /// The queue of its source that each send is in; empty where every source has one.
    pub queues: Vec<u32>,
    /// Data edges between positions in `sends`; derived if absent.
    pub depends_on: Option<Csr<u32>>,
    /// Order edges between positions in `sends`; derived if absent.
    pub follows: Option<Csr<u32>>,
    /// Steps whose reductions and multicasts are done by switches.
    pub in_network: Vec<Range<u32>>,
}

impl ScheduleBuilder {
    /// Checks, orders and links the sends.
    pub fn build(self) -> Result<Schedule, ScheduleError> {
        let frame = Everybody {
            n_ranks: self.n_ranks,
        };
        self.build_in(&frame)
    }

    /// The same for sends of the ranks whose state `frame` keeps.
    pub(super) fn build_in(self, frame: &impl Frame) -> Result<Schedule, ScheduleError> {
        self.check_header()?;
        self.check_sends()?;
        for (column, edges) in [("depends_on", &self.depends_on), ("follows", &self.follows)] {
            if let Some(edges) = edges {
                check_edges(column, edges)?;
            }
        }
        let mut schedule = Schedule {
            collective: self.collective,
            algorithm: self.algorithm,
            n_ranks: self.n_ranks,
            root: self.root,
            n_chunks: self.n_chunks,
            sizes: self.sizes,
            traffic: self.traffic,
            step: Vec::new(),
            src: Vec::new(),
            dst: Vec::new(),
            chunks: Vec::new(),
            op: Vec::new(),
            depends_on: Csr::default(),
            follows: Csr::default(),
            in_network: self.in_network,
        };
        let order = order_of_live(&schedule, &self.sends, &self.queues);
        let sends = &self.sends;
        schedule.step = order.iter().map(|&i| sends[i as usize].step).collect();
        schedule.src = order.iter().map(|&i| sends[i as usize].src).collect();
        schedule.dst = order.iter().map(|&i| sends[i as usize].dst).collect();
        schedule.chunks = order.iter().map(|&i| sends[i as usize].chunks).collect();
        schedule.op = order.iter().map(|&i| sends[i as usize].op).collect();
        schedule.depends_on = match &self.depends_on {
            Some(edges) => {
                check_step_order("depends_on", edges, sends, |a, b| a.step < b.step)?;
                renumbered(edges, sends, &order)
            }
            None => derived_depends_on(&schedule, frame)?,
        };
        schedule.follows = match &self.follows {
            Some(edges) => {
                check_step_order("follows", edges, sends, |a, b| a.step < b.step)?;
                renumbered(edges, sends, &order)
            }
            None if self.queues.is_empty() => derived_follows(&schedule)?,
            None => follows_in_queues(&schedule, |t| self.queues[order[t] as usize])?,
        };
        Ok(schedule)
    }

    fn check_header(&self) -> Result<(), ScheduleError> {
        let (collective, n_ranks, n_chunks) = (self.collective, self.n_ranks, self.n_chunks);
        let pair = collective == Collective::SendRecv;
        if n_ranks == 0 || (pair && n_ranks != 2) {
            return Err(ScheduleError::WrongTeam {
                collective,
                needs: if pair {
                    "exactly 2 ranks"
                } else {
                    "at least 1 rank"
                },
                n_ranks,
            });
        }
        if self.root.0 >= n_ranks {
            return Err(ScheduleError::RankOutOfRange {
                what: "root",
                transfer: 0,
                rank: self.root.0,
                n_ranks,
            });
        }
        let n_blocks = collective.n_blocks(n_ranks);
        if n_chunks == 0 || !n_chunks.is_multiple_of(n_blocks) {
            return Err(ScheduleError::ChunksPerBlock {
                collective,
                n_blocks,
                n_chunks,
            });
        }
        let needs = match &self.traffic {
            Some(_) if !collective.moves_tokens() => Some("no tokens"),
            None if collective.moves_tokens() => Some("tokens"),
            Some(traffic) if u64::from(traffic.copies().len().max(1)) != n_chunks => {
                Some("as many chunks as its tokens have")
            }
            _ => None,
        };
        if let Some(needs) = needs {
            return Err(ScheduleError::WrongTokens {
                collective,
                n_chunks,
                needs,
            });
        }
        if !self.sizes.fits(n_chunks) {
            return Err(ScheduleError::SizesMismatch { n_chunks });
        }
        Ok(())
    }

    fn check_sends(&self) -> Result<(), ScheduleError> {
        within("transfers", self.sends.len() as u64, MAX_TRANSFERS)?;
        let mut moves = 0;
        for (transfer, send) in self.sends.iter().enumerate() {
            for (what, rank) in [("src", send.src), ("dst", send.dst)] {
                if rank.0 >= self.n_ranks {
                    return Err(ScheduleError::RankOutOfRange {
                        what,
                        transfer,
                        rank: rank.0,
                        n_ranks: self.n_ranks,
                    });
                }
            }
            let range = send.chunks;
            let is_inside = range.last() < self.n_chunks;
            if range.count == 0 || !range.is_distinct() || !is_inside {
                return Err(ScheduleError::ChunksOutOfRange {
                    transfer,
                    first: range.first,
                    count: range.count,
                    stride: range.stride,
                    window: range.window,
                    n_chunks: self.n_chunks,
                });
            }
            within("steps", u64::from(send.step), u64::from(u32::MAX - 1))?;
            moves += u64::from(range.count);
        }
        within("chunk moves", moves, MAX_CHUNK_MOVES)
    }
}

pub(crate) fn within(what: &'static str, got: u64, limit: u64) -> Result<(), ScheduleError> {
    if got > limit {
        return Err(ScheduleError::TooLarge { what, got, limit });
    }
    Ok(())
}

/// The sends that carry bytes (or a barrier's signal), in schedule order.
fn order_of_live(header: &Schedule, sends: &[Send], queues: &[u32]) -> Vec<u32> {
    let is_live = |send: &Send| send.chunks.iter().any(|chunk| header.is_live(chunk));
    let queue = |i: usize| queues.get(i).copied().unwrap_or(0);
    let mut keyed: Vec<(u64, u32, u32)> = sends
        .iter()
        .enumerate()
        .filter(|(_, send)| is_live(send))
        .map(|(i, send)| {
            let place = u64::from(send.step) << 32 | u64::from(send.src.0);
            (place, queue(i), i as u32)
        })
        .collect();
    keyed.sort_unstable();
    keyed.into_iter().map(|(_, _, i)| i).collect()
}

fn check_step_order(
    column: &'static str,
    edges: &Csr<u32>,
    sends: &[Send],
    is_before: impl Fn(&Send, &Send) -> bool,
) -> Result<(), ScheduleError> {
    for (transfer, row) in edges.rows().enumerate() {
        let send = &sends[transfer];
        let late = |&&other: &&u32| !is_before(&sends[other as usize], send);
        if let Some(&other) = row.iter().find(late) {
            return Err(ScheduleError::EdgeNotEarlier {
                column,
                transfer,
                step: send.step,
                other,
                other_step: sends[other as usize].step,
            });
        }
    }
    Ok(())
}

/// Edges between schedule positions; a dropped transfer hands its own edges on to those after it.
fn renumbered(edges: &Csr<u32>, sends: &[Send], order: &[u32]) -> Csr<u32> {
    const DROPPED: u32 = u32::MAX;
    let mut position = vec![DROPPED; sends.len()];
    for (new, &old) in order.iter().enumerate() {
        position[old as usize] = new as u32;
    }
    let mut inherited: Vec<Vec<u32>> = vec![Vec::new(); sends.len()];
    let resolve = |row: &[u32], inherited: &[Vec<u32>]| {
        let mut resolved: Vec<u32> = Vec::with_capacity(row.len());
        for &other in row {
            match position[other as usize] {
                DROPPED => resolved.extend(&inherited[other as usize]),
                new => resolved.push(new),
            }
        }
        resolved.sort_unstable();
        resolved.dedup();
        resolved
    };
    // Edges lead to earlier steps, so in step order what is inherited is known in time.
    let mut dropped: Vec<usize> = (0..sends.len())
        .filter(|&i| position[i] == DROPPED)
        .collect();
    dropped.sort_by_key(|&i| sends[i].step);
    for old in dropped {
        inherited[old] = resolve(edges.row(old), &inherited);
    }
    let mut result = Csr::with_capacity(order.len(), edges.n_items());
    for &old in order {
        result.push_row(resolve(edges.row(old as usize), &inherited));
    }
    result
}

fn derived_depends_on(schedule: &Schedule, frame: &impl Frame) -> Result<Csr<u32>, ScheduleError> {
    let n = schedule.len();
    let mut written = Locations::new(schedule, frame.n_rows());
    let mut edges = Csr::with_capacity(n, n);
    let mut row: Vec<u32> = Vec::new();
    let live = |t: usize| {
        let chunks = schedule.chunks[t].iter();
        chunks.filter(|&chunk| schedule.is_live(chunk))
    };
    for step in schedule.step_ranges() {
        for t in step.clone() {
            let row_of_src = frame.home(schedule.src[t]).row;
            for chunk in live(t) {
                if let Some(slot) = written.find(row_of_src, chunk) {
                    row.extend(written.writers(slot));
                }
            }
            row.sort_unstable();
            row.dedup();
            within("edges", (edges.n_items() + row.len()) as u64, MAX_EDGES)?;
            edges.push_row(row.drain(..));
        }
        // Nobody reads after the last step.
        for t in step.filter(|_| schedule.step.last() > schedule.step.first()) {
            let home = frame.home(schedule.dst[t]);
            for chunk in live(t) {
                let chunk = frame.chunk_home(chunk, home.element);
                written.write(home.row, chunk, t as u32);
            }
        }
    }
    Ok(edges)
}

fn derived_follows(schedule: &Schedule) -> Result<Csr<u32>, ScheduleError> {
    let mut edges = Csr::with_capacity(schedule.len(), schedule.len());
    let mut previous = vec![0..0u32; schedule.n_ranks as usize];
    for step in schedule.step_ranges() {
        let mut start = step.start;
        for sends in schedule.src[step].chunk_by(|a, b| a == b) {
            let end = start + sends.len();
            let before = &mut previous[sends[0].index()];
            let added = before.len() * sends.len();
            within("edges", (edges.n_items() + added) as u64, MAX_EDGES)?;
            for _ in sends {
                edges.push_row(before.clone());
            }
            *before = start as u32..end as u32;
            start = end;
        }
    }
    Ok(edges)
}

/// The same where a source has several queues, each in order by itself.
fn follows_in_queues(
    schedule: &Schedule,
    queue: impl Fn(usize) -> u32,
) -> Result<Csr<u32>, ScheduleError> {
    let mut edges = Csr::with_capacity(schedule.len(), schedule.len());
    let mut previous: FxHashMap<(RankId, u32), Range<u32>> = FxHashMap::default();
    for step in schedule.step_ranges() {
        let mut start = step.start;
        while start < step.end {
            let own = |t: usize| (schedule.src[t], queue(t));
            let n_alike = (start..step.end).take_while(|&t| own(t) == own(start));
            let end = start + n_alike.count();
            let before = previous.entry(own(start)).or_default();
            let added = before.len() * (end - start);
            within("edges", (edges.n_items() + added) as u64, MAX_EDGES)?;
            for _ in start..end {
                edges.push_row(before.clone());
            }
            *before = start as u32..end as u32;
            start = end;
        }
    }
    Ok(edges)
}
