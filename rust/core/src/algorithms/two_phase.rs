//! Two-phase: every token once to each node, and from there on to the ranks of its experts.
//!
//! Dispatch, phase 1: rank l of a node sends a token once to rank l of each other node where some of
//! its experts are (over the scale-out network); phase 2: that rank, or the token's own rank on its
//! own node, sends it once to each rank of its node that has some of its experts. Combine is
//! the transpose: partial sums at the forwarder, then at the origin. A level cuts the ranks into
//! nodes; where nodes differ in size, rank l of a larger one uses rank l mod m of one with m. Of T
//! tokens per rank that choose k of E experts on N nodes at random, T (N-1) (1 - C(E - E/N, k) /
//! C(E, k)) leave the node.
//! Source: `DeepEP`, normal kernels (deepseek-ai/DeepEP); `reference/algorithms.md` 3.15.

use super::contract::{
    About, Algorithm, LOCAL, OptionKind, OptionSpec, Slots, Unsupported, WINDOW, Window,
    copies_local, level_of, place_of, tokens,
};
use crate::collective::{Collective, Grain, Layout, Problem};
use crate::ids::RankId;
use crate::schedule::{ChunkRange, Op, Program};

/// The two-phase exchange.
#[derive(Debug)]
pub(super) struct TwoPhase;

const LEVEL: &str = "level";

static ABOUT: About = About {
    name: "two_phase",
    summary: "every token once to each node, forwarded there to the ranks of its experts",
    source: "DeepEP normal kernels",
    constraint: "a level of groups",
    collectives: &[Collective::Dispatch, Collective::Combine],
    options: &[
        OptionSpec {
            name: LEVEL,
            summary: "the level whose groups are the nodes; by default node, else the outermost level with several groups of several ranks",
            kind: OptionKind::Text,
            candidates: &[],
        },
        WINDOW,
        LOCAL,
    ],
};

impl Algorithm for TwoPhase {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn steps_formula(&self, _collective: Collective) -> &'static str {
        "2 ceil(T/window)"
    }

    fn bytes_formula(&self, _collective: Collective) -> &'static str {
        "T (nodes + ranks reached) bytes_per_token"
    }

    fn supports(&self, problem: &Problem) -> Result<(), Unsupported> {
        groups(problem).map(|_| ())
    }

    fn slots(&self, problem: &Problem) -> Slots {
        Slots {
            layout: Layout {
                grain: Grain::Token,
                has_status: false,
            },
            ..Slots::of(problem)
        }
    }

    fn n_chunks(&self, problem: &Problem) -> u32 {
        tokens(problem).n_tokens()
    }

    fn n_steps(&self, problem: &Problem) -> u32 {
        2 * Window::of(problem).n_steps(tokens(problem))
    }

    fn n_transfers(&self, problem: &Problem) -> u64 {
        // A node is reached for the sake of a rank there.
        2 * tokens(problem).n_copies()
    }

    fn rank_program(&self, problem: &Problem, rank: RankId, program: &mut Program) {
        let write = |p: &mut Program| dispatch(problem, rank, p);
        match problem.collective {
            Collective::Combine => program.transposed(self.n_steps(problem), Op::Reduce, write),
            _ => write(program),
        }
    }
}

fn dispatch(problem: &Problem, rank: RankId, program: &mut Program) {
    let (tokens, window) = (tokens(problem), Window::of(problem));
    let layout = TwoPhase.slots(problem).layout;
    let copies = tokens.copies(layout);
    let groups = groups(problem).expect("supports() has found the level");
    let (home, place) = place_of(groups, rank);
    let mut group_of = vec![0; problem.n_ranks() as usize];
    for (x, group) in groups.iter().enumerate() {
        for member in group {
            group_of[member.index()] = x;
        }
    }
    let mut is_due = vec![false; groups.len()];
    for (i, token) in (0..).zip(tokens.of_rank(rank)) {
        let (step, queue) = window.place(i);
        program.queue(queue);
        is_due.fill(false);
        for end in copies.ends(token) {
            is_due[group_of[end.index()]] = true;
        }
        let others = (1..groups.len()).map(|distance| (home + distance) % groups.len());
        for x in others.filter(|&x| is_due[x]) {
            let forwarder = groups[x][place % groups[x].len()];
            program.send(step, forwarder, ChunkRange::one(token));
        }
    }
    // What it forwards: its own tokens, and those of the ranks of its place on other nodes.
    let n_steps = window.n_steps(tokens);
    // What a combine has at the origin is there already when the sum begins.
    let copies_local = copies_local(problem) && problem.collective == Collective::Dispatch;
    let size = groups[home].len();
    for (x, group) in groups.iter().enumerate() {
        let forwarded = group.iter().enumerate().filter(|&(l, &source)| {
            if x == home {
                source == rank
            } else {
                l % size == place
            }
        });
        for (_, &source) in forwarded {
            for (i, token) in (0..).zip(tokens.of_rank(source)) {
                let (step, queue) = window.place(i);
                program.queue(window.n_queues() + queue);
                for &end in copies.ends(token) {
                    if end != rank && group_of[end.index()] == home {
                        program.send(n_steps + step, end, ChunkRange::one(token));
                    } else if end == rank && source == rank && copies_local {
                        program.local(n_steps + step, ChunkRange::one(token));
                    }
                }
            }
        }
    }
}

fn groups<'a>(problem: &Problem<'a>) -> Result<&'a [Vec<RankId>], Unsupported> {
    let level = level_of(ABOUT.name, problem, problem.options.text(LEVEL))?;
    Ok(&level.groups)
}
