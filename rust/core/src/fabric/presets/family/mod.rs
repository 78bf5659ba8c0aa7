//! What several presets share.

pub(super) mod lattice;
pub(super) mod nvlink;
pub(super) mod wires;
