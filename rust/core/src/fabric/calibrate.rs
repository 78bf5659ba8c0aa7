//! Calibrated fabrics: a machine together with what one library costs on it.
//!
//! The graph stays as it is. Collectives run on its [`Fabric::wires`], where endpoints answer at once
//! and reduce at any rate: those costs are in the calibration, which was fitted to whole collectives
//! within one switch domain. Latency beyond the first and last link stays with the network.

use std::sync::Arc;

use super::element::NodeKind;
use super::error::FabricError;
use super::graph::Fabric;
use crate::cost::Calibration;

impl Fabric {
    /// The same machine with a calibration, which takes the place of another one.
    ///
    /// # Errors
    /// If a number is outside its range.
    pub fn calibrated(&self, calibration: Calibration) -> Result<Self, FabricError> {
        calibration.check()?;
        Ok(self.with_calibration(Some(Arc::new(calibration))))
    }

    /// The same machine without one.
    #[must_use]
    pub fn uncalibrated(&self) -> Self {
        self.with_calibration(None)
    }

    /// What is left to the network where a calibration speaks for the endpoints.
    pub(super) fn bare_wires(&self) -> Self {
        let is_endpoint = |node: crate::ids::NodeId| self.node(node).kind == NodeKind::Endpoint;
        self.with_content(|content| {
            for link in &mut content.links {
                if is_endpoint(link.src) || is_endpoint(link.dst) {
                    link.latency_ps = 0;
                }
            }
            content.software_ps = 0;
            content.reduction_rate_Bps.fill(None);
            content.calibration = None;
        })
    }

    fn with_calibration(&self, calibration: Option<Arc<Calibration>>) -> Self {
        self.with_content(|content| content.calibration = calibration)
    }
}
