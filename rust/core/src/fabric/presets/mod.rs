//! The machines that ship: one file each, found by name.

mod cm384;

use super::error::FabricError;
use super::graph::Fabric;
use super::params::{ParamSpec, Params};
use crate::suggest;

/// A machine with parameters.
pub trait Preset: Sync {
    /// The name users type.
    fn name(&self) -> &'static str;
    /// What it is, in one line.
    fn title(&self) -> &'static str;
    /// Where its numbers come from.
    fn source(&self) -> &'static str;
    /// Its parameters.
    fn params(&self) -> &'static [ParamSpec];
    /// The fabric with these parameters; those left out take their defaults.
    ///
    /// # Errors
    /// If a parameter is unknown or outside its range.
    fn build(&self, params: &Params) -> Result<Fabric, FabricError>;
}

/// Every preset.
pub static PRESETS: &[&dyn Preset] = &[&cm384::Cm384];

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
