//! NVIDIA GB200 NVL72, one NVLink domain.
//!
//! [STAS] is the network chapter of stas00/ml-engineering @744d01e, measured and read 2026-08.

use super::Chip;
use super::family::nvlink::NvLinkDomain;

/// The preset.
pub(super) static PRESET: NvLinkDomain = NvLinkDomain {
    name: "gb200_nvl72",
    title: "NVIDIA GB200 NVL72: 72 B200 GPUs of 18 trays on 18 NVLink switch chips",
    source: "NVIDIA NVLink pages and setloop.io (2025); SemiAnalysis as reported (2025-04-16); NCCL tuning.cc",
    assumed: "split of the NVLink latency; HBM as the limit of reductions",
    nodes: 18,
    gpus_per_node: 4,
    // 18 NVLink5 links per GPU, one to each of the 18 chips of 9 switch trays: 18 x 7.2 TB/s = 72 x 1.8
    // TB/s leaves no other wiring [setloop.io on the NVL72, 2025; derived].
    links_to_chip: &[1; 18],
    // NVLink5: 50 GB/s each way per link [STAS].
    link_Bps: 50_000_000_000,
    // NVLink SHARP [STAS].
    in_network: true,
    // ConnectX-7, 400 Gb/s per GPU [STAS].
    nic_Bps: 50_000_000_000,
    // dense BF16 and HBM as SemiAnalysis compares them [2025-04-16, as reported].
    chip: Chip {
        bf16_flops: 2_500_000_000_000_000,
        memory_bytes: 192_000_000_000,
        memory_Bps: 8_000_000_000_000,
    },
};
