//! Memory semantics: a send is one read or one write of memory far away; there is nothing to choose.

use super::{Rule, Ruling, Situation, mesh};
use crate::collective::Collective;
use crate::cost::Regime;

/// The receiver reads, or the sender writes.
#[derive(Debug)]
pub(super) struct Memory {
    pub(super) is_write: bool,
}

impl Rule for Memory {
    fn name(&self) -> &'static str {
        if self.is_write {
            "remote-write"
        } else {
            "remote-read"
        }
    }

    fn decide(&self, situation: &Situation) -> Option<Ruling> {
        let regime = if self.is_write {
            Regime::Write
        } else {
            Regime::Read
        };
        let is_it = situation.collective == Collective::SendRecv;
        is_it.then(|| mesh(regime.name(), Collective::SendRecv).by(regime))
    }
}
