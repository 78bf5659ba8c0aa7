//! Options of algorithms: what is allowed, what is worth trying, and the checks.
//!
//! The default number of chunks of pipelined algorithms is ours: chunks of 512 KiB, at most 64 of
//! them, after NCCL's step size of its Simple protocol (4 MiB buffer / 8 steps, NCCL 2.28).

use super::{About, OptionError};
use crate::collective::{OptionValue, Options, Problem};

/// What values an option takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OptionKind {
    /// A whole number from `low` to `high`.
    Int {
        /// Smallest value.
        low: i64,
        /// Largest value.
        high: i64,
    },
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// Any word; the algorithm checks it against the team.
    Text,
}

/// One option of an algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OptionSpec {
    /// Its name.
    pub name: &'static str,
    /// What it chooses, and the default.
    pub summary: &'static str,
    /// What values it takes.
    pub kind: OptionKind,
    /// Values worth trying beside the default when the fastest is looked for.
    pub candidates: &'static [Candidate],
}

/// A value of an option, as a constant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Candidate {
    /// A whole number.
    Int(i64),
    /// A word.
    Text(&'static str),
}

impl Candidate {
    fn value(self) -> OptionValue {
        match self {
            Self::Int(value) => OptionValue::Int(value),
            Self::Text(word) => OptionValue::Text(word.to_owned()),
        }
    }
}

/// Every combination of the defaults and candidates of the options that `given` leaves open, the
/// defaults first.
pub(super) fn combinations(about: &About, given: &Options) -> Vec<Options> {
    let mut all = vec![given.clone()];
    for spec in about.options {
        if given.iter().any(|(name, _)| name == spec.name) {
            continue;
        }
        let tried = spec.candidates.iter().map(|each| each.value());
        let tried: Vec<OptionValue> = tried.collect();
        let with = |options: &Options| {
            let varied = |value: &OptionValue| options.clone().with(spec.name, value.clone());
            let varied: Vec<Options> = tried.iter().map(varied).collect();
            varied
        };
        let varied: Vec<Options> = all.iter().flat_map(with).collect();
        all.extend(varied);
    }
    all
}

/// The option `chunks` of pipelined algorithms.
pub(in crate::algorithms) const CHUNKS: OptionSpec = OptionSpec {
    name: "chunks",
    summary: "number of pipelined chunks K; by default ceil(S / 512 KiB), at most 64",
    kind: OptionKind::Int {
        low: 1,
        high: 65_536,
    },
    candidates: &[
        Candidate::Int(1),
        Candidate::Int(4),
        Candidate::Int(16),
        Candidate::Int(64),
    ],
};

const DEFAULT_CHUNK_BYTES: u64 = 512 * 1024;
const DEFAULT_MAX_CHUNKS: u64 = 64;

/// The option `chunks` or its default for `size_bytes`.
pub(in crate::algorithms) fn default_chunks(problem: &Problem, size_bytes: u64) -> u32 {
    let by_size = size_bytes
        .div_ceil(DEFAULT_CHUNK_BYTES)
        .clamp(1, DEFAULT_MAX_CHUNKS);
    let chosen = problem.options.int(CHUNKS.name);
    chosen.map_or(by_size as u32, |chunks| chunks as u32)
}

/// Whether all options are known and their values allowed.
pub(super) fn check(about: &About, options: &Options) -> Result<(), OptionError> {
    for (name, value) in options.iter() {
        let spec = about.options.iter().find(|spec| spec.name == name);
        let spec = spec.ok_or_else(|| OptionError::Unknown {
            algorithm: about.name,
            name: name.to_owned(),
            allowed: about.options.iter().map(|spec| spec.name).collect(),
        })?;
        if !spec.kind.accepts(value) {
            return Err(OptionError::Value {
                algorithm: about.name,
                name: name.to_owned(),
                allowed: spec.kind.describe(),
                got: match value {
                    OptionValue::Int(value) => value.to_string(),
                    OptionValue::Text(value) => format!("'{value}'"),
                },
            });
        }
    }
    Ok(())
}

impl OptionKind {
    fn accepts(self, value: &OptionValue) -> bool {
        match (self, value) {
            (Self::Int { low, high }, OptionValue::Int(value)) => (low..=high).contains(value),
            (Self::OneOf(words), OptionValue::Text(value)) => words.contains(&value.as_str()),
            (Self::Text, OptionValue::Text(_)) => true,
            _ => false,
        }
    }

    /// The allowed values in words.
    pub fn describe(self) -> String {
        match self {
            Self::Int { low, high } => format!("a whole number in {low}..={high}"),
            Self::OneOf(words) => format!("one of {}", words.join(", ")),
            Self::Text => "a word".to_owned(),
        }
    }
}
