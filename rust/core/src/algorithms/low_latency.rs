//! Low latency: every token straight from its rank to each of its experts.
//!
//! Dispatch: one message per token and expert, all at once or so many tokens of a rank in flight;
//! combine: one message back for each, and at the origin one pass over all of them for the sum. A
//! library may send a token once to a rank that has several of its experts (`copies=rank`; then the
//! rank sums before it sends back), or all that it has for a peer in one message. With T tokens per
//! rank and k experts per token a rank sends at most T k tokens. With a window of 1 all ranks send
//! their i-th tokens at the same moment, which is an incast where these go to the same ranks.
//! Source: `DeepEP`, low-latency kernels (deepseek-ai/DeepEP); TensorRT-LLM, NVLink two-sided;
//! `reference/algorithms.md` 3.15.

use super::contract::{
    About, Algorithm, LOCAL, MESSAGES, OptionKind, OptionSpec, Slots, WINDOW, Window, exchange,
    tokens,
};
use crate::collective::{Collective, Grain, Layout, Problem};
use crate::ids::RankId;
use crate::schedule::{ChunkRange, Program};

/// The low-latency exchange.
#[derive(Debug)]
pub(super) struct LowLatency;

const COPIES: &str = "copies";

static ABOUT: About = About {
    name: "low_latency",
    summary: "every token goes straight to each of its experts, and back",
    source: "DeepEP low-latency kernels; TensorRT-LLM",
    constraint: "any n",
    collectives: &[Collective::Dispatch, Collective::Combine],
    options: &[
        OptionSpec {
            name: COPIES,
            summary: "one copy per expert (the default), or one per rank, however many experts it has",
            kind: OptionKind::OneOf(&["expert", "rank"]),
            candidates: &[],
        },
        MESSAGES,
        WINDOW,
        LOCAL,
    ],
};

impl Algorithm for LowLatency {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn steps_formula(&self, collective: Collective) -> &'static str {
        match collective {
            Collective::Combine => "ceil(T/window) + 1",
            _ => "ceil(T/window)",
        }
    }

    fn bytes_formula(&self, _collective: Collective) -> &'static str {
        "T k bytes_per_token"
    }

    fn slots(&self, problem: &Problem) -> Slots {
        let grain = match problem.options.text(COPIES) {
            Some("rank") => Grain::Rank,
            _ => Grain::Expert,
        };
        Slots {
            layout: Layout {
                grain,
                has_status: false,
            },
            ..Slots::of(problem)
        }
    }

    fn n_chunks(&self, problem: &Problem) -> u32 {
        tokens(problem).copies(self.slots(problem).layout).len()
    }

    fn n_steps(&self, problem: &Problem) -> u32 {
        let sums = u32::from(problem.collective == Collective::Combine);
        n_data_steps(problem) + sums
    }

    fn n_transfers(&self, problem: &Problem) -> u64 {
        tokens(problem).n_copies() + u64::from(problem.n_ranks())
    }

    fn rank_program(&self, problem: &Problem, rank: RankId, program: &mut Program) {
        let copies = tokens(problem).copies(self.slots(problem).layout);
        exchange(problem, copies, rank, program);
        let own = copies.data_of(rank);
        if problem.collective == Collective::Combine && !own.is_empty() {
            let all = ChunkRange::span(own.start, own.len() as u32);
            program.local(n_data_steps(problem), all);
        }
    }
}

/// Steps in which tokens travel.
pub(super) fn n_data_steps(problem: &Problem) -> u32 {
    if problem.options.text(MESSAGES.name) == Some("peer") {
        1
    } else {
        Window::of(problem).n_steps(tokens(problem))
    }
}
