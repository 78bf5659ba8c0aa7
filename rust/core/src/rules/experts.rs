//! Libraries of expert parallelism: they dispatch and combine, and have no other collective.

use super::{Rule, Ruling, Situation};

#[derive(Debug)]
pub(super) struct Experts;

impl Rule for Experts {
    fn name(&self) -> &'static str {
        "experts"
    }

    fn decide(&self, _situation: &Situation) -> Option<Ruling> {
        None
    }
}
