//! The machines that ship: one file each, found by name.

mod atlas_950;
mod cm384;
mod dgx_superpod;
mod dragonfly;
mod family;
mod fat_tree;
mod full_mesh;
mod gb200_nvl72;
mod gb300_nvl72;
mod hgx_a100;
mod hgx_b200;
mod hgx_b300;
mod hgx_h100;
mod hgx_h20;
mod hgx_h200;
mod hgx_h800;
mod star;
mod torus;

use super::error::FabricError;
use super::graph::Fabric;
use super::params::{ParamSpec, Params};
use crate::suggest;

/// What one endpoint computes and holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chip {
    /// Dense BF16, in operations per second.
    pub bf16_flops: u64,
    /// Capacity of its memory.
    pub memory_bytes: u64,
    /// Rate of its memory, in B/s.
    pub memory_Bps: u64,
}

/// A machine with parameters.
pub trait Preset: Sync {
    /// The name users type.
    fn name(&self) -> &'static str;
    /// What it is, in one line.
    fn title(&self) -> &'static str;
    /// Where its numbers come from.
    fn source(&self) -> &'static str;
    /// What of it is not published, and so assumed.
    fn assumed(&self) -> &'static str;
    /// What one endpoint computes and holds, where that is known.
    ///
    /// # Errors
    /// If a parameter is unknown or outside its range.
    fn chip(&self, params: &Params) -> Result<Option<Chip>, FabricError>;
    /// Its parameters.
    fn params(&self) -> &'static [ParamSpec];
    /// The fabric with these parameters; those left out take their defaults.
    ///
    /// # Errors
    /// If a parameter is unknown or outside its range.
    fn build(&self, params: &Params) -> Result<Fabric, FabricError>;
}

/// Every preset.
pub static PRESETS: &[&dyn Preset] = &[
    &cm384::Cm384,
    &atlas_950::Atlas950,
    &hgx_a100::PRESET,
    &hgx_h100::PRESET,
    &hgx_h200::PRESET,
    &hgx_h800::PRESET,
    &hgx_h20::PRESET,
    &hgx_b200::PRESET,
    &hgx_b300::PRESET,
    &gb200_nvl72::PRESET,
    &gb300_nvl72::PRESET,
    &dgx_superpod::DgxSuperpod,
    &fat_tree::FatTree,
    &torus::Torus,
    &full_mesh::FullMesh,
    &dragonfly::Dragonfly,
    &star::Star,
];

/// The preset of that name.
///
/// # Errors
/// If there is none; the error lists the nearest names.
pub fn lookup(name: &str) -> Result<&'static dyn Preset, FabricError> {
    let found = PRESETS.iter().find(|preset| preset.name() == name);
    found.copied().ok_or_else(|| FabricError::UnknownPreset {
        name: name.to_owned(),
        hint: suggest::hint(name, PRESETS.iter().map(|preset| preset.name())),
    })
}
