//! Mixture of experts: what a dispatch or a combine costs at the endpoint.
//!
//! launch + `sync` log2 E + remote / `pair_rate` (1 + `lockstep` I) + local / `copy_rate`; a combine also
//! adds up all that it receives, all / `reduce_rate`; a dispatch that narrows its tokens reads them
//! once, input / `convert_rate`. E are the ranks, I is how much the busiest receiver exceeds the
//! average if all ranks send token i at the same moment. Source: `reference/fidelity.md` 1.

use super::form::{Term, endpoint, transfer};
use super::{Parameter, Parameters};

/// Tokens go out as BF16.
const BF16_BYTES: f64 = 2.0;

/// To the experts, or back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Tokens to their experts.
    Dispatch,
    /// Results back to their tokens.
    Combine,
}

/// A dispatch or a combine, balanced over the ranks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moe {
    /// Which way.
    pub operation: Operation,
    /// E, ranks that hold experts.
    pub n_ranks: f64,
    /// T, tokens of one rank.
    pub tokens_per_rank: f64,
    /// Elements of a token.
    pub hidden: f64,
    /// Copies of a token that travel: `top_k`, or the ranks that it goes to.
    pub copies: f64,
    /// Bytes of a copy, scales and metadata included.
    pub bytes_per_token: f64,
    /// I, the incast of ranks in step.
    pub incast: f64,
}

impl Moe {
    pub(super) fn terms(&self, of: &Parameters) -> Vec<Term> {
        let all = self.tokens_per_rank * self.copies * self.bytes_per_token;
        let local = all / self.n_ranks;
        let remote = all - local;
        let bf16_bytes = BF16_BYTES * self.hidden;
        let remote_us = of.bytes_us(remote, Parameter::PairRate);
        let lockstep = of.get(Parameter::Lockstep).unwrap_or(0.0);
        let mut terms = vec![
            endpoint("launch", of.us(Parameter::Launch)),
            endpoint("sync", of.us(Parameter::Sync) * self.n_ranks.log2()),
            transfer(remote_us),
            endpoint("incast", remote_us * lockstep * self.incast),
            endpoint("copy", of.bytes_us(local, Parameter::CopyRate)),
        ];
        match self.operation {
            Operation::Combine => {
                terms.push(endpoint(
                    "reduction",
                    of.bytes_us(all, Parameter::ReduceRate),
                ));
            }
            Operation::Dispatch if self.bytes_per_token < bf16_bytes => {
                let input = self.tokens_per_rank * bf16_bytes;
                terms.push(endpoint(
                    "conversion",
                    of.bytes_us(input, Parameter::ConvertRate),
                ));
            }
            Operation::Dispatch => {}
        }
        terms
    }
}
