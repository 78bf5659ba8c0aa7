//! A calibration: the fitted numbers of one library on one machine, and how that library chooses.

use std::fmt::Write as _;

use super::{Parameter, Parameters, Quantity};

/// What NCCL's own tuner believes of a machine; it chooses by these and does not predict with them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tuning {
    /// Bus bandwidth of all channels.
    pub bus_GBs: f64,
    /// The most that LL carries.
    pub ll_max_GBs: f64,
    /// The most that LL128 carries: channels times the rate of one.
    pub mid_max_GBs: f64,
    /// Efficiency of the reduction in switches; none without them.
    pub switch_share: Option<f64>,
    /// Whether its links join all nodes of a supernode (NVL72), and not only the ranks of a node.
    pub spans_nodes: bool,
}

/// The fitted numbers of one library on one machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Calibration {
    /// The library, as users name it.
    pub library: String,
    /// The rule by which it chooses, one of `rules::RULES`.
    pub rule: String,
    /// What the rule knows of the machine beyond its links.
    pub tuning: Option<Tuning>,
    /// The numbers.
    pub parameters: Parameters,
}

/// Numbers that are no calibration.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CalibrationError {
    /// A rate or size that is not positive, or a time that is negative, or not finite.
    #[error("calibration: {parameter} must be {allowed}, got {value}")]
    Value {
        /// Which.
        parameter: &'static str,
        /// What it must be.
        allowed: &'static str,
        /// What it is.
        value: f64,
    },
}

impl Calibration {
    /// Checks the numbers.
    pub fn check(&self) -> Result<(), CalibrationError> {
        for (parameter, value) in self.parameters.iter() {
            let (is_fine, allowed) = match parameter.quantity() {
                Quantity::Rate => (value > 0.0, "finite and above 0"),
                Quantity::Time | Quantity::Size | Quantity::Share => {
                    (value >= 0.0, "finite and at least 0")
                }
            };
            if !is_fine || !value.is_finite() {
                return Err(CalibrationError::Value {
                    parameter: parameter.name(),
                    allowed,
                    value,
                });
            }
        }
        let Some(tuning) = self.tuning else {
            return Ok(());
        };
        let rates = [
            ("bus_GBs", tuning.bus_GBs),
            ("ll_max_GBs", tuning.ll_max_GBs),
            ("mid_max_GBs", tuning.mid_max_GBs),
            ("switch_share", tuning.switch_share.unwrap_or(1.0)),
        ];
        let wrong = rates
            .into_iter()
            .find(|(_, v)| !(*v > 0.0 && v.is_finite()));
        wrong.map_or(Ok(()), |(parameter, value)| {
            Err(CalibrationError::Value {
                parameter,
                allowed: "finite and above 0",
                value,
            })
        })
    }

    /// All that results follow from, as one text: equal for equal calibrations.
    pub fn canonical(&self) -> String {
        let mut text = format!("cm.calibration/1 {:?} {:?}", self.library, self.rule);
        if let Some(tuning) = self.tuning {
            write!(text, " {tuning:?}").expect("writing to a string never fails");
        }
        for (parameter, value) in self.parameters.iter() {
            let name = Parameter::name(parameter);
            write!(text, " {name}={value:?}").expect("writing to a string never fails");
        }
        text
    }
}
