//! NVIDIA HGX B300, one NVLink domain.
//!
//! [HGX] is the table of nvidia.com/en-us/data-center/hgx as quoted in 2025: 36 PFLOPS BF16 with sparsity,
//! up to 2.3 TB, NVLink 14.4 TB/s, networking 1.6 TB/s. [STAS] is the network chapter of
//! stas00/ml-engineering @744d01e, measured and read 2026-08.

use super::Chip;
use super::family::nvlink::NvLinkDomain;

/// The preset.
pub(super) static PRESET: NvLinkDomain = NvLinkDomain {
    name: "hgx_b300",
    title: "NVIDIA HGX B300: 8 B300 GPUs on 2 NVLink switch chips of the fourth generation",
    source: "NVIDIA HGX page (2025); ml-engineering network chapter (2026-08); NCCL tuning.cc",
    assumed: "two chips as HGX B200; memory rate as GB300; split of the NVLink latency; HBM as the limit of reductions",
    nodes: 1,
    gpus_per_node: 8,
    // 18 NVLink5 links per GPU [STAS]; 9 to each of 2 chips as the HGX B200 [assumed].
    links_to_chip: &[9; 2],
    // NVLink5: 50 GB/s each way per link [STAS].
    link_Bps: 50_000_000_000,
    // NVLink SHARP [STAS].
    in_network: true,
    // ConnectX-8, 800 Gb/s per GPU [HGX: 1.6 TB/s both ways for 8].
    nic_Bps: 100_000_000_000,
    // Of each of 8 GPUs, dense being half of sparse: 36 / 2 / 8, 2.3 / 8 [HGX]; its rate as GB300 [assumed].
    chip: Chip {
        bf16_flops: 2_250_000_000_000_000,
        memory_bytes: 288_000_000_000,
        memory_Bps: 8_000_000_000_000,
    },
};
