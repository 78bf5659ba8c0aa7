//! Forms: the terms that a time is the sum of, per regime.
//!
//! | regime | microseconds |
//! | --- | --- |
//! | ll | launch + H `ll_step` + peers `peer` + (B + 15 min(B, 16 KiB)) / `ll_rate`, B = W + C |
//! | direct | launch + H `ll_step` + W / `ll_rate` |
//! | mid | launch + H `mid_step` + W / (0.92 `bulk_rate`) + ramp(W) / `bulk_rate` + C / `copy_rate` |
//! | bulk | launch + bulk + H `bulk_step` + (W + ramp(W)) / `bulk_rate` + C / `copy_rate` + R / `reduce_rate` |
//! | pair | launch + H `bulk_step` + (W + ramp(W)) / `pair_rate` + C / `copy_rate` |
//! | switch | launch + bulk + 4 `bulk_step` + (V + ramp(V)) / `switch_rate`, V = (n+1)/n S |
//! | read, write | read or write + traversals `hop` + bytes / its rate |
//!
//! ramp(x) = sqrt(`ramp_bytes` x): cut into chunks of the best size, a pipeline of a steps costs
//! a + x/rate + 2 sqrt(a x/rate). Of LL the first 16 KiB go through one of 16 channels. LL128 carries
//! 120 bytes in 128, less what its tuner takes off: 0.92. Source: `reference/fidelity.md` 1.

use super::{Moe, Parameter, Parameters, Regime, Shape};

/// Bytes of a small transfer that one channel carries alone, and the other channels there would be.
const ONE_CHANNEL_BYTES: f64 = 16384.0;
const FURTHER_CHANNELS: f64 = 15.0;
/// Of LL128: `src/graph/tuning.cc` of NCCL.
const MID_SHARE: f64 = 0.92;
/// Copy in, reduce, broadcast, copy out.
const SWITCH_STEPS: f64 = 4.0;

/// What happens during a term.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TermKind {
    /// The endpoint is busy and the network is not.
    Endpoint,
    /// Bytes leave the endpoint: the network, where it is slower, takes longer at the same time.
    Transfer,
}

/// A term of a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Term {
    /// Its name.
    pub name: &'static str,
    /// What happens meanwhile.
    pub kind: TermKind,
    /// Microseconds.
    pub us: f64,
}

impl Term {
    /// What it is, in a few words.
    pub fn meaning(&self) -> &'static str {
        match self.name {
            "launch" => "start and end of the collective",
            "set-up" => "of the bulk kernel",
            "steps" => "send, flag and poll, step after step",
            "peers" => "issue to each peer",
            "transfer" => "bytes at the rate of the protocol, or the network where it is slower",
            "ramp" => "what the kernel loses until it is at full rate",
            "copy" => "the rank's own block",
            "channel" => "the first 16 KiB, which one channel carries alone",
            "reduction" => "adding up what arrived",
            "access" => "endpoints of the access",
            "hops" => "switches, there and back",
            "sync" => "ranks waiting for each other",
            "incast" => "several ranks at one receiver",
            "conversion" => "of the tokens to a narrower format",
            other => other,
        }
    }
}

/// A cost before its parameters are known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Form {
    /// A collective in a regime of kernels.
    Collective(Regime, Shape),
    /// Loads from memory far away, or stores to it.
    Memory {
        /// Whether they are stores.
        is_write: bool,
        /// Switches on the way there and back, each counted each time.
        n_traversals: f64,
        /// Bytes.
        size_bytes: f64,
    },
    /// Tokens to their experts or back.
    Moe(Moe),
}

/// The sum of terms, in order.
pub fn total_us(terms: &[Term]) -> f64 {
    terms.iter().map(|term| term.us).sum()
}

pub(super) fn endpoint(name: &'static str, us: f64) -> Term {
    Term {
        name,
        kind: TermKind::Endpoint,
        us,
    }
}

pub(super) fn transfer(us: f64) -> Term {
    Term {
        name: "transfer",
        kind: TermKind::Transfer,
        us,
    }
}

impl Form {
    /// The terms with these parameters, in order; those of parameters that do not apply are zero.
    pub fn terms(&self, parameters: &Parameters) -> Vec<Term> {
        match self {
            Self::Collective(regime, shape) => collective(*regime, shape, parameters),
            Self::Memory {
                is_write,
                n_traversals,
                size_bytes,
            } => {
                let (latency, rate) = if *is_write {
                    (Parameter::Write, Parameter::WriteRate)
                } else {
                    (Parameter::Read, Parameter::ReadRate)
                };
                vec![
                    endpoint("access", parameters.us(latency)),
                    endpoint("hops", n_traversals * parameters.us(Parameter::Hop)),
                    transfer(parameters.bytes_us(*size_bytes, rate)),
                ]
            }
            Self::Moe(moe) => moe.terms(parameters),
        }
    }

    /// Microseconds in all.
    pub fn time_us(&self, parameters: &Parameters) -> f64 {
        total_us(&self.terms(parameters))
    }
}

fn collective(regime: Regime, shape: &Shape, of: &Parameters) -> Vec<Term> {
    use Parameter::{
        Bulk, BulkRate, BulkStep, CopyRate, Launch, LlRate, LlStep, MidStep, PairRate, Peer, Ramp,
        ReduceRate, SwitchRate,
    };
    let (sent, own, steps) = (shape.sent_bytes, shape.own_bytes, shape.n_steps);
    let launch = endpoint("launch", of.us(Launch));
    let ramp = |bytes: f64, rate| {
        let ramp_bytes = (of.us(Ramp) * 1e3 * bytes).sqrt();
        endpoint("ramp", of.bytes_us(ramp_bytes, rate))
    };
    let copy = endpoint("copy", of.bytes_us(own, CopyRate));
    match regime {
        Regime::Ll => {
            let alone = FURTHER_CHANNELS * (sent + own).min(ONE_CHANNEL_BYTES);
            vec![
                launch,
                endpoint("steps", steps * of.us(LlStep)),
                endpoint("peers", shape.n_peers * of.us(Peer)),
                transfer(of.bytes_us(sent, LlRate)),
                endpoint("copy", of.bytes_us(own, LlRate)),
                endpoint("channel", of.bytes_us(alone, LlRate)),
            ]
        }
        Regime::Direct => vec![
            launch,
            endpoint("steps", steps * of.us(LlStep)),
            transfer(of.bytes_us(sent, LlRate)),
        ],
        Regime::Mid => vec![
            launch,
            endpoint("steps", steps * of.us(MidStep)),
            transfer(of.bytes_us(sent / MID_SHARE, BulkRate)),
            ramp(sent, BulkRate),
            copy,
        ],
        Regime::Bulk => vec![
            launch,
            endpoint("set-up", of.us(Bulk)),
            endpoint("steps", steps * of.us(BulkStep)),
            transfer(of.bytes_us(sent, BulkRate)),
            ramp(sent, BulkRate),
            copy,
            endpoint("reduction", of.bytes_us(shape.reduced_bytes, ReduceRate)),
        ],
        Regime::Pair | Regime::Read | Regime::Write => vec![
            launch,
            endpoint("steps", steps * of.us(BulkStep)),
            transfer(of.bytes_us(sent, PairRate)),
            ramp(sent, PairRate),
            copy,
        ],
        Regime::Switch => {
            let volume = (shape.n_ranks + 1.0) / shape.n_ranks * shape.size_bytes;
            vec![
                launch,
                endpoint("set-up", of.us(Bulk)),
                endpoint("steps", SWITCH_STEPS * of.us(BulkStep)),
                transfer(of.bytes_us(volume, SwitchRate)),
                ramp(volume, SwitchRate),
            ]
        }
    }
}
