//! The parameters of the cost model: what each one means, in which unit.
//!
//! One set of names for all libraries. A library that lacks one does without: a time that is absent
//! costs nothing, a rate that is absent is no limit.

use crate::suggest;

/// What a parameter measures; its unit ends its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// Microseconds.
    Time,
    /// 10^9 bytes per second.
    Rate,
    /// 10^3 bytes.
    Size,
    /// A number without unit.
    Share,
}

macro_rules! parameters {
    ($($(#[doc = $doc:literal])+ $variant:ident, $name:literal, $quantity:ident, $meaning:literal;)+) => {
        /// A parameter of the cost model.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Parameter {
            $($(#[doc = $doc])+ $variant,)+
        }

        /// All parameters, in documentation order.
        pub const PARAMETERS: &[Parameter] = &[$(Parameter::$variant,)+];

        impl Parameter {
            /// The public name, unit last.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// What it measures.
            pub const fn quantity(self) -> Quantity {
                match self { $(Self::$variant => Quantity::$quantity,)+ }
            }

            /// What it means physically, in a few words.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)+ }
            }
        }
    };
}

parameters! {
    /// Launch.
    Launch, "launch_us", Time, "start and end of one collective";
    /// Synchronization.
    Sync, "sync_us", Time, "synchronization of experts, per doubling of the ranks";
    /// Issue.
    Peer, "peer_us", Time, "issue per peer of a small all-to-all";
    /// Step of the small protocol.
    LlStep, "ll_step_us", Time, "send and flag poll of the small protocol";
    /// Rate of the small protocol.
    LlRate, "ll_GBs", Rate, "payload of the small protocol, own block included";
    /// Step of the middle protocol.
    MidStep, "mid_step_us", Time, "step of the middle protocol (LL128)";
    /// Set-up of the large protocol.
    Bulk, "bulk_us", Time, "set-up of the bulk kernel";
    /// Step of the large protocol.
    BulkStep, "bulk_step_us", Time, "step of the bulk kernel: fence, post, poll";
    /// Rate of the large protocol.
    BulkRate, "bulk_GBs", Rate, "one rank in a bulk ring, for ever larger sizes";
    /// Rate of sends to every peer.
    PairRate, "pair_GBs", Rate, "one rank in bulk send and receive";
    /// Copies.
    CopyRate, "copy_GBs", Rate, "copy of the own block";
    /// Local reduction.
    ReduceRate, "reduce_GBs", Rate, "local reduction, where it is no part of the transfer";
    /// How slowly bulk kernels gain pace.
    Ramp, "ramp_kB", Size, "transfer at which a bulk kernel reaches half its rate";
    /// In-network reduction.
    SwitchRate, "switch_GBs", Rate, "in-network reduction, per direction";
    /// Conversion before a dispatch.
    ConvertRate, "convert_GBs", Rate, "conversion of the tokens to a narrower format";
    /// Incast of experts.
    Lockstep, "lockstep", Share, "share of the incast that ranks in step would cause";
    /// Read latency.
    Read, "read_us", Time, "endpoints of a remote read";
    /// Write latency.
    Write, "write_us", Time, "endpoints of a remote write";
    /// Switch latency.
    Hop, "hop_us", Time, "one traversal of a switch";
    /// Read rate.
    ReadRate, "read_GBs", Rate, "remote read of one endpoint";
    /// Write rate.
    WriteRate, "write_GBs", Rate, "remote write of one endpoint";
}

/// The name is not that of a parameter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown parameter '{name}'; {}", suggest::hint(name, PARAMETERS.iter().map(|p| p.name())))]
pub struct UnknownParameter {
    /// The name given.
    pub name: String,
}

impl Parameter {
    /// The parameter of that name.
    pub fn from_name(name: &str) -> Result<Self, UnknownParameter> {
        let found = PARAMETERS.iter().copied().find(|p| p.name() == name);
        found.ok_or_else(|| UnknownParameter {
            name: name.to_owned(),
        })
    }
}

/// A value for each parameter that applies.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Parameters {
    values: [Option<f64>; PARAMETERS.len()],
}

impl Parameters {
    /// Sets one parameter, in the unit that its name ends with.
    #[must_use]
    pub fn with(mut self, parameter: Parameter, value: f64) -> Self {
        self.values[parameter as usize] = Some(value);
        self
    }

    /// The value, if the parameter applies.
    pub fn get(&self, parameter: Parameter) -> Option<f64> {
        self.values[parameter as usize]
    }

    /// The parameters that apply, in documentation order.
    pub fn iter(&self) -> impl Iterator<Item = (Parameter, f64)> {
        let each = PARAMETERS.iter();
        each.filter_map(|&parameter| Some((parameter, self.get(parameter)?)))
    }

    /// Microseconds; 0 where it does not apply.
    pub(super) fn us(&self, parameter: Parameter) -> f64 {
        self.get(parameter).unwrap_or(0.0)
    }

    /// Microseconds for so many bytes at a rate; 0 where the rate does not apply.
    pub(super) fn bytes_us(&self, bytes: f64, rate: Parameter) -> f64 {
        // 1 GB/s is 1000 bytes per microsecond.
        self.get(rate).map_or(0.0, |rate| bytes / (rate * 1e3))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_end_with_the_unit_of_their_quantity() {
        for parameter in PARAMETERS {
            let suffix = match parameter.quantity() {
                Quantity::Time => "_us",
                Quantity::Rate => "_GBs",
                Quantity::Size => "_kB",
                Quantity::Share => "",
            };
            assert!(parameter.name().ends_with(suffix), "{}", parameter.name());
            assert_eq!(Parameter::from_name(parameter.name()), Ok(*parameter));
        }
    }

    #[test]
    fn what_is_absent_costs_nothing() {
        let none = Parameters::default();
        let some = none.with(Parameter::BulkRate, 4.0);
        // 2 MB at 4 GB/s: 500 us.
        let times = [
            none.us(Parameter::Launch),
            none.bytes_us(1e9, Parameter::BulkRate),
            some.bytes_us(2e6, Parameter::BulkRate),
        ];
        assert_eq!(times.map(f64::to_bits), [0.0, 0.0, 500.0].map(f64::to_bits));
    }
}
