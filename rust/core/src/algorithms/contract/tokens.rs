//! What the algorithms that move tokens share: slots, windows, and the exchange between pairs.

use super::{OptionKind, OptionSpec};
use crate::collective::{Collective, Copies, Grain, Layout, Payload, Problem, Tokens};
use crate::ids::RankId;
use crate::schedule::{ChunkRange, Program};

/// What the chunks of tokens are and take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slots {
    /// What they are.
    pub layout: Layout,
    /// Bytes of a chunk of data.
    pub slot_bytes: u64,
    /// Bytes of a status block for each expert that it speaks of.
    pub status_bytes: u64,
}

impl Slots {
    /// A chunk per token and expert, as large as it is, and no status.
    pub(in crate::algorithms) fn of(problem: &Problem) -> Self {
        let slot_bytes = match &problem.payload {
            Payload::Tokens(tokens) => tokens.bytes_per_token(),
            _ => 0,
        };
        Self {
            layout: Layout {
                grain: Grain::Expert,
                has_status: false,
            },
            slot_bytes,
            status_bytes: 0,
        }
    }
}

/// The option `window`.
pub(in crate::algorithms) const WINDOW: OptionSpec = OptionSpec {
    name: "window",
    summary: "tokens of a rank in flight: a token waits until the one that many before it is out; by default all are sent at once",
    kind: OptionKind::Int {
        low: 1,
        high: 65_536,
    },
    candidates: &[],
};

/// The option `local`.
pub(in crate::algorithms) const LOCAL: OptionSpec = OptionSpec {
    name: "local",
    summary: "what becomes of tokens whose experts are on their own rank: copy (the default) in its memory, or skip",
    kind: OptionKind::OneOf(&["copy", "skip"]),
    candidates: &[],
};

/// The option `messages`.
pub(in crate::algorithms) const MESSAGES: OptionSpec = OptionSpec {
    name: "messages",
    summary: "one message per token (the default), or all that a rank has for a peer in one",
    kind: OptionKind::OneOf(&["token", "peer"]),
    candidates: &[],
};

/// The tokens of a checked problem.
///
/// # Panics
/// If the problem is about something else.
pub(in crate::algorithms) fn tokens<'a>(problem: &'a Problem) -> &'a Tokens {
    match &problem.payload {
        Payload::Tokens(tokens) => tokens,
        _ => unreachable!("check() has seen that dispatch and combine have tokens"),
    }
}

/// Whether own copies are made in memory.
pub(in crate::algorithms) fn copies_local(problem: &Problem) -> bool {
    problem.options.text(LOCAL.name) != Some("skip")
}

/// Steps and queues of tokens in flight.
#[derive(Clone, Copy)]
pub(in crate::algorithms) struct Window {
    /// Tokens in flight.
    pub(in crate::algorithms) size: Option<u32>,
}

impl Window {
    pub(in crate::algorithms) fn of(problem: &Problem) -> Self {
        let size = problem.options.int(WINDOW.name);
        Self {
            size: size.map(|size| size as u32),
        }
    }

    /// Queues of a rank: the place in the window of each token in flight.
    pub(in crate::algorithms) fn n_queues(self) -> u32 {
        self.size.unwrap_or(1)
    }

    /// Step and queue of a rank's i-th token.
    pub(in crate::algorithms) fn place(self, i: u32) -> (u32, u32) {
        self.size.map_or((0, 0), |size| (i / size, i % size))
    }

    /// Steps that the tokens of all ranks take.
    pub(in crate::algorithms) fn n_steps(self, tokens: &Tokens) -> u32 {
        let ranks = (0..tokens.n_ranks()).map(RankId);
        let longest = ranks.map(|rank| tokens.of_rank(rank).len() as u32).max();
        match longest.unwrap_or(0) {
            0 => 0,
            longest => self.place(longest - 1).0 + 1,
        }
    }
}

/// What a rank sends where every chunk of data is due at one rank: of a dispatch its tokens, of a
/// combine what its experts made of the others'. Peers are addressed in the order r + 1, r + 2, ...
pub(in crate::algorithms) fn exchange(
    problem: &Problem,
    copies: &Copies,
    rank: RankId,
    program: &mut Program,
) {
    let n = problem.n_ranks();
    let by_peer = problem.options.text(MESSAGES.name) == Some("peer");
    let is_combine = problem.collective == Collective::Combine;
    let copies_local = copies_local(problem) && !is_combine;
    let mut send = |step, queue, to: RankId, chunks| {
        program.queue(queue);
        if to != rank {
            program.send(step, to, chunks);
        } else if copies_local {
            program.local(step, chunks);
        }
    };
    if by_peer {
        for peer in (1..=n).map(|distance| RankId((rank.0 + distance) % n)) {
            let range = if is_combine {
                copies.between(peer, rank)
            } else {
                copies.between(rank, peer)
            };
            if !range.is_empty() {
                send(
                    0,
                    0,
                    peer,
                    ChunkRange::span(range.start, range.len() as u32),
                );
            }
        }
        return;
    }
    let (tokens, window) = (tokens(problem), Window::of(problem));
    // Number of the token in its rank, distance of the peer, the peer, the chunk.
    let mut messages: Vec<(u32, u32, RankId, u32)> = Vec::new();
    let mut push = |source: RankId, token: u32, peer: RankId, chunk| {
        let distance = (peer.0 + n - 1 - rank.0) % n;
        messages.push((token - tokens.of_rank(source).start, distance, peer, chunk));
    };
    if is_combine {
        for &chunk in copies.due_at(rank) {
            if let Some(token) = copies.token(chunk) {
                let source = copies.source(chunk);
                push(source, token, source, chunk);
            }
        }
    } else {
        for token in tokens.of_rank(rank) {
            for &chunk in copies.of_token(token) {
                push(rank, token, copies.ends(chunk)[0], chunk);
            }
        }
    }
    messages.sort_unstable();
    for (i, _, peer, chunk) in messages {
        let (step, queue) = window.place(i);
        send(step, queue, peer, ChunkRange::one(chunk));
    }
    program.queue(0);
}
