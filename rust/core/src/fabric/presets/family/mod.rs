//! What several presets share.

pub(super) mod nvlink;
pub(super) mod wires;
