//! NVIDIA GB200 NVL72, one NVLink domain.
//!
//! [PAGE] is the table of nvidia.com/en-us/data-center/gb200-nvl72 as quoted on 2026-08-17: of the rack
//! 360 PFLOPS BF16 with sparsity, 13.4 TB of HBM at 576 TB/s, NVLink 130 TB/s. [BCM] is NVIDIA's Base
//! Command Manager manual for Mission Control, chapter 8. [STAS] is the network chapter of
//! stas00/ml-engineering @744d01e, measured and read 2026-08.

use super::Chip;
use super::family::nvlink::NvLinkDomain;

/// The preset.
pub(super) static PRESET: NvLinkDomain = NvLinkDomain {
    name: "gb200_nvl72",
    title: "NVIDIA GB200 NVL72: 72 B200 GPUs of 18 trays on 18 NVLink switch chips",
    source: "NVIDIA GB200 NVL72 page (2026-08) and Base Command Manager manual; setloop.io (2025); ml-engineering network chapter (2026-08); NCCL tuning.cc",
    assumed: "one NIC of 400 Gb/s per GPU; split of the NVLink latency; HBM as the limit of reductions",
    nodes: 18,
    gpus_per_node: 4,
    // 18 NVLink5 links per GPU [STAS], 9 switch trays [BCM] of two chips [setloop.io, 2025]. One link to
    // each chip: 18 x 7.2 TB/s = 72 x 1.8 TB/s = 130 TB/s [PAGE] leaves no other wiring [derived].
    links_to_chip: &[1; 18],
    // NVLink5: 50 GB/s each way per link [STAS].
    link_Bps: 50_000_000_000,
    // NVLink SHARP [STAS].
    in_network: true,
    // ConnectX-7, 400 Gb/s per GPU [STAS]; [PAGE] has no number [assumed].
    nic_Bps: 50_000_000_000,
    // Of each of 72 GPUs, dense being half of sparse: 360 / 2 / 72, 13.4 / 72, 576 / 72 [PAGE].
    chip: Chip {
        bf16_flops: 2_500_000_000_000_000,
        memory_bytes: 186_000_000_000,
        memory_Bps: 8_000_000_000_000,
    },
};
