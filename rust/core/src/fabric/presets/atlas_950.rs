//! Huawei Atlas 950 `SuperPoD`: 8,192 Ascend 950DT in 128 compute cabinets on `UnifiedBus` 2.0.
//!
//! Announced for the end of 2026. Published: NPUs, cabinets, 2 TB/s per NPU in both directions, 16
//! PB/s in all, 2.1 us, all-optical between cabinets, memory. The wiring is not, and is assumed to
//! be that of CM384 at this size: 8 independent planes of two tiers, in each an L1 chip per cabinet
//! with 64 ports down and 64 up, and 64 L2 chips with a port to each cabinet, so that bandwidth is
//! the same everywhere, as the published total has it (8,192 x 2 TB/s = 16.4 PB/s).
//!
//! Sources: [KEY] Eric Xu's keynote, Huawei Connect, 2025-09-18, as reported; [BER]
//! lucaberton.com on the Atlas 950 `SuperPoD`.

use super::family::wires::{Cable, TIMING, Wires};
use super::{Chip, Preset};
use crate::fabric::error::FabricError;
use crate::fabric::graph::Fabric;
use crate::fabric::params::{ParamSpec, Params};
use crate::ids::NodeId;

/// Compute cabinets of a full pod [KEY, BER].
const CABINETS: u32 = 128;
/// NPUs of a cabinet: 8,192 over 128 [derived].
const NPUS: u32 = 64;
/// Planes [assumed].
const PLANES: u32 = 8;
/// L2 chips of a plane: as many as a cabinet has NPUs, so that L1 chips are 1:1 [assumed].
const L2_CHIPS: u32 = NPUS;
/// One port, B/s each way: 1 TB/s of an NPU [KEY: 2 TB/s both ways] over the planes.
const PORT_BPS: u64 = 1_000_000_000_000 / PLANES as u64;
/// Each switch passed, ps [as CM384, assumed].
const SWITCH_PS: u64 = 350_000;
/// NPU to L1, ps: what three switches leave of 2.1 us [BER; that it is between cabinets is assumed].
const NPU_UP_PS: u64 = 2_100_000 - 3 * SWITCH_PS;

/// An Ascend 950DT: 144 GB at 4 TB/s, 1 PFLOPS FP8 [KEY]; half of that for BF16 is assumed.
const NPU: Chip = Chip {
    bf16_flops: 500_000_000_000_000,
    memory_bytes: 144_000_000_000,
    memory_Bps: 4_000_000_000_000,
};

/// The preset.
pub(super) struct Atlas950;

impl Preset for Atlas950 {
    fn name(&self) -> &'static str {
        "atlas_950"
    }

    fn title(&self) -> &'static str {
        "Huawei Atlas 950 SuperPoD: 8,192 Ascend 950DT on UnifiedBus 2.0 (announced)"
    }

    fn source(&self) -> &'static str {
        "Huawei Connect keynote (2025-09-18), as reported; lucaberton.com"
    }

    fn assumed(&self) -> &'static str {
        "8 planes of two tiers without oversubscription; split of the latency; BF16 rate as half \
         of FP8; HBM as the limit of reductions"
    }

    fn chip(&self, params: &Params) -> Result<Option<Chip>, FabricError> {
        params.resolved(self.name(), self.params())?;
        Ok(Some(NPU))
    }

    fn params(&self) -> &'static [ParamSpec] {
        const PARAMS: &[ParamSpec] = &[
            ParamSpec::int(
                "cabinets",
                "compute cabinets of 64 NPUs",
                1,
                CABINETS as i64,
                CABINETS as i64,
            ),
            TIMING,
        ];
        PARAMS
    }

    fn build(&self, params: &Params) -> Result<Fabric, FabricError> {
        let params = params.resolved(self.name(), self.params())?;
        let cabinets = params.int("cabinets") as u32;
        let timing = params.text(TIMING.name);
        let title = format!("Atlas 950 SuperPoD, {cabinets} cabinets, timing {timing}");
        let mut wires = Wires::new(self.name(), &title, &params);
        wire(&mut wires, cabinets);
        wires.builder.build()
    }
}

fn wire(wires: &mut Wires, cabinets: u32) {
    let cabinet_level = wires.builder.level("cabinet");
    let supernode = wires.builder.level("supernode");
    let [npu, l1] = ["npu", "l1"].map(|name| wires.kinds(name));
    let cable = |(up, down), plane, up_ps| Cable {
        up,
        down,
        plane: Some(plane),
        rate_Bps: PORT_BPS,
        up_ps,
        down_ps: SWITCH_PS,
    };
    let mut l1_of_plane: Vec<Vec<NodeId>> = vec![Vec::new(); PLANES as usize];
    for cabinet in 0..cabinets {
        let npus: Vec<NodeId> = (0..NPUS)
            .map(|index| {
                let name = format!("cab{cabinet:03}/npu{index:02}");
                wires.endpoint(name, NPU.memory_Bps / 3)
            })
            .collect();
        let mut inside = npus.clone();
        for plane in 0..PLANES {
            let chip = wires.switch(format!("cab{cabinet:03}/l1.{plane}"));
            for &id in &npus {
                wires.cable(id, chip, &cable(npu, plane, NPU_UP_PS));
            }
            l1_of_plane[plane as usize].push(chip);
            inside.push(chip);
        }
        for id in inside {
            wires.builder.place(id, cabinet_level, cabinet);
            wires.builder.place(id, supernode, 0);
        }
    }
    for (plane, chips) in (0..PLANES).zip(&l1_of_plane) {
        for index in 0..L2_CHIPS {
            let l2 = wires.switch(format!("l2.{plane}.{index}"));
            wires.builder.place(l2, supernode, 0);
            for &chip in chips {
                wires.cable(chip, l2, &cable(l1, plane, SWITCH_PS));
            }
        }
    }
}
