//! Programs: what a rank does, written by an algorithm.
//!
//! An algorithm is SPMD: asked for rank r, it writes what r sends. Three combinators spare writing
//! anything twice. `phase` puts step counts one behind another. `transposed` reverses time and
//! direction, which turns an all-gather into a reduce-scatter, a broadcast into a reduce, a scatter
//! into a gather (transposition theorem, `reference/algorithms.md` section 1; for trees already in
//! Thakur et al. 2005). `embedded` runs the program of a sub-team inside a larger one.

use super::{ChunkRange, Op};
use crate::ids::RankId;

/// One message as an algorithm or a user states it, before ordering and edges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Send {
    /// The step, from 0.
    pub step: u32,
    /// From whom.
    pub src: RankId,
    /// To whom.
    pub dst: RankId,
    /// Which chunks.
    pub chunks: ChunkRange,
    /// What the destination does.
    pub op: Op,
}

/// The sends of all ranks asked so far.
#[derive(Debug, Default)]
pub struct Program {
    rank: Option<RankId>,
    /// Steps of the enclosing phases that are complete.
    base: u32,
    sends: Vec<Send>,
    /// The queue that sends go to, and those of the sends so far; empty while there is but one.
    queue: u32,
    queues: Vec<u32>,
}

impl Program {
    /// An empty program with room for `n_sends` messages.
    pub fn with_capacity(n_sends: usize) -> Self {
        Self {
            rank: None,
            base: 0,
            sends: Vec::with_capacity(n_sends),
            queue: 0,
            queues: Vec::new(),
        }
    }

    /// Turns to `rank`: what follows is what this rank sends, from step 0.
    pub fn begin(&mut self, rank: RankId) {
        self.rank = Some(rank);
        self.base = 0;
        self.queue = 0;
    }

    /// Turns to one of the rank's queues, in which a send waits for those of earlier steps; the
    /// queues do not wait for each other. A program that names none has one.
    pub fn queue(&mut self, queue: u32) {
        self.queue = queue;
        if queue > 0 && self.queues.is_empty() {
            self.queues = vec![0; self.sends.len()];
        }
    }

    /// Forgets what was written.
    pub fn clear(&mut self) {
        self.sends.clear();
        self.queues.clear();
    }

    /// The messages written so far.
    pub fn sends(&self) -> &[Send] {
        &self.sends
    }

    /// The messages written so far.
    pub fn into_sends(self) -> Vec<Send> {
        self.sends
    }

    /// The messages written so far, and their queues if there are several.
    pub fn into_queued_sends(self) -> (Vec<Send>, Vec<u32>) {
        (self.sends, self.queues)
    }

    /// The rank sends `chunks` to `to`, which stores them.
    #[inline]
    pub fn send(&mut self, step: u32, to: RankId, chunks: ChunkRange) {
        self.push(step, to, chunks, Op::Copy);
    }

    /// One message for each of `ranges`, all to `to`, which stores them.
    #[inline]
    pub fn send_each(
        &mut self,
        step: u32,
        to: RankId,
        ranges: impl IntoIterator<Item = ChunkRange>,
    ) {
        for chunks in ranges {
            self.send(step, to, chunks);
        }
    }

    /// The rank sends `chunks` to `to`, which adds them to its own.
    #[inline]
    pub fn reduce(&mut self, step: u32, to: RankId, chunks: ChunkRange) {
        self.push(step, to, chunks, Op::Reduce);
    }

    #[inline]
    fn push(&mut self, step: u32, dst: RankId, chunks: ChunkRange, op: Op) {
        if self.queue > 0 || !self.queues.is_empty() {
            self.queues.push(self.queue);
        }
        self.sends.push(Send {
            step: self.base + step,
            src: self.rank.expect("a program begins with a rank"),
            dst,
            chunks,
            op,
        });
    }

    /// The rank copies or sums `chunks` in its own memory.
    pub fn local(&mut self, step: u32, chunks: ChunkRange) {
        let own = self.rank.expect("a program begins with a rank");
        self.push(step, own, chunks, Op::Local);
    }

    /// A phase of `n_steps` steps: within `write` steps count from 0, afterwards from its end.
    ///
    /// # Panics
    /// If `write` uses a step beyond the phase.
    pub fn phase(&mut self, n_steps: u32, write: impl FnOnce(&mut Self)) {
        self.bounded(n_steps, write);
    }

    /// A phase with time and direction reversed: "r sends c to d at step s" becomes "d sends c to
    /// r at step L - 1 - s" of L, stored or added as `op` says.
    ///
    /// # Panics
    /// If `write` uses a step beyond the phase.
    pub fn transposed(&mut self, n_steps: u32, op: Op, write: impl FnOnce(&mut Self)) {
        let base = self.base;
        let first = self.bounded(n_steps, write);
        for send in &mut self.sends[first..] {
            send.step = base + (n_steps - 1 - (send.step - base));
            std::mem::swap(&mut send.src, &mut send.dst);
            send.op = op;
        }
    }

    /// Runs `write` and turns back to the step at which it began: what follows runs beside it.
    pub fn side_by_side(&mut self, write: impl FnOnce(&mut Self)) {
        let base = self.base;
        write(self);
        self.base = base;
    }

    /// The program of the sub-team `ranks`, in which this rank is number `local`. `chunks_of`
    /// appends the chunks of the whole that one chunk of the sub-team stands for, all as many; a
    /// message for scattered chunks becomes one message per progression.
    pub fn embedded(
        &mut self,
        ranks: &[RankId],
        local: RankId,
        chunks_of: impl Fn(u64, &mut Vec<u64>),
        write: impl FnOnce(&mut Self),
    ) {
        assert!(self.queues.is_empty(), "sub-teams have one queue");
        let first = self.sends.len();
        let outer = self.rank.replace(local);
        write(self);
        self.rank = outer;
        let inner = self.sends.split_off(first);
        for send in inner {
            for range in ranges_of(send.chunks, &chunks_of) {
                self.sends.push(Send {
                    src: ranks[send.src.index()],
                    dst: ranks[send.dst.index()],
                    chunks: range,
                    ..send
                });
            }
        }
    }

    /// Runs `write`, moves the base behind its `n_steps` steps; the index of its first send.
    fn bounded(&mut self, n_steps: u32, write: impl FnOnce(&mut Self)) -> usize {
        let (base, first) = (self.base, self.sends.len());
        write(self);
        self.base = base + n_steps;
        let last = self.sends[first..].iter().map(|send| send.step).max();
        assert!(
            last.is_none_or(|last| last < self.base),
            "a phase of {n_steps} steps uses step {}",
            last.unwrap_or(base) - base
        );
        first
    }
}

/// Progressions of the chunks that those of an inner message stand for: one of all if that is one,
/// else those of each inner chunk or those across all of them, whichever are fewer. What is alike
/// for two ranks of the sub-team is cut alike, which sorting the chunks would not do.
fn ranges_of(inner: ChunkRange, chunks_of: &impl Fn(u64, &mut Vec<u64>)) -> Vec<ChunkRange> {
    let mut chunks = Vec::new();
    for chunk in inner.iter() {
        let first = chunks.len();
        chunks_of(chunk, &mut chunks);
        chunks[first..].sort_unstable();
    }
    let width = chunks.len() / inner.count as usize;
    if width == 0 {
        return Vec::new();
    }
    let lists = chunks.chunks_exact(width);
    let in_each = || lists.clone().flat_map(ChunkRange::cover).collect();
    if inner.count == 1 {
        return in_each();
    }
    // How far apart neighbors of the inner numbering are, and how far it is around all of them.
    let mut pair = Vec::new();
    chunks_of(0, &mut pair);
    pair.sort_unstable();
    let second = pair.len();
    chunks_of(1, &mut pair);
    pair[second..].sort_unstable();
    let apart = pair
        .get(second)
        .zip(pair.first())
        .map(|(b, a)| b.abs_diff(*a));
    let apart = apart.unwrap_or(1);
    let window = [apart * inner.window];
    if width > 1
        && let Some(stride) = chunks[1].checked_sub(chunks[0])
        && let Ok(stride) = u32::try_from(stride)
        && let Some(whole) = ChunkRange::from_sequence(&chunks, stride, &window)
    {
        return vec![whole];
    }
    let stride = u32::try_from(apart * u64::from(inner.stride));
    let column = |place: usize| {
        let across: Vec<u64> = lists.clone().map(|list| list[place]).collect();
        ChunkRange::from_sequence(&across, stride.ok()?, &window)
    };
    let in_each: Vec<ChunkRange> = in_each();
    if width >= in_each.len() {
        return in_each;
    }
    let columns: Option<Vec<ChunkRange>> = (0..width).map(column).collect();
    columns.unwrap_or(in_each)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transposed_phase_runs_backward_in_time_and_direction() {
        // Rank 0 sends chunk 5 to rank 2 at step 1 of 3; transposed: 2 sends to 0 at step 1 + 1,
        // counted from the 4 steps before it.
        let mut program = Program::default();
        program.begin(RankId(0));
        program.phase(4, |_| {});
        program.transposed(3, Op::Reduce, |p| {
            p.send(0, RankId(2), ChunkRange::one(5u32));
        });
        let expected = Send {
            step: 6,
            src: RankId(2),
            dst: RankId(0),
            chunks: ChunkRange::one(5u32),
            op: Op::Reduce,
        };
        assert_eq!(program.into_sends(), [expected]);
    }

    #[test]
    fn an_embedded_program_sends_one_message_per_progression() {
        // Local rank 1 of {4, 7} sends local chunk 0, which stands for chunks 2, 5 and 8.
        let mut program = Program::default();
        program.begin(RankId(7));
        let chunks_of = |_, out: &mut Vec<u64>| out.extend([8, 2, 5]);
        program.embedded(&[RankId(4), RankId(7)], RankId(1), chunks_of, |p| {
            p.send(0, RankId(0), ChunkRange::one(0u32));
        });
        let sends = program.into_sends();
        assert_eq!(sends.len(), 1);
        assert_eq!((sends[0].src, sends[0].dst), (RankId(7), RankId(4)));
        assert_eq!(sends[0].chunks.iter().collect::<Vec<_>>(), [2, 5, 8]);
    }
}
