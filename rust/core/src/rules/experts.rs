//! Libraries of expert parallelism: they dispatch and combine, and have no other collective.

use super::{Rule, Ruling, Situation};
use crate::cost::Regime;

#[derive(Debug)]
pub(super) struct Experts;

impl Rule for Experts {
    fn name(&self) -> &'static str {
        "experts"
    }

    fn decide(&self, situation: &Situation) -> Option<Ruling> {
        let straight = || Ruling::new("straight to the experts", "low_latency").by(Regime::Pair);
        situation.collective.moves_tokens().then(straight)
    }
}
