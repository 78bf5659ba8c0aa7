//! NVIDIA GB300 NVL72, one NVLink domain.
//!
//! [PAGE] is the table of nvidia.com/en-us/data-center/gb300-nvl72 as quoted on 2026-08-17: of the rack
//! 360 PFLOPS BF16 with sparsity, 20 TB at 576 TB/s, NVLink 130 TB/s; 800 Gb/s for each GPU. [STAS] is
//! the network chapter of stas00/ml-engineering @744d01e, measured and read 2026-08.

use super::Chip;
use super::family::nvlink::NvLinkDomain;

/// The preset.
pub(super) static PRESET: NvLinkDomain = NvLinkDomain {
    name: "gb300_nvl72",
    title: "NVIDIA GB300 NVL72: 72 B300 GPUs of 18 trays on 18 NVLink switch chips",
    source: "NVIDIA GB300 NVL72 page (2026-08); ml-engineering network chapter (2026-08); NCCL tuning.cc",
    assumed: "split of the NVLink latency; HBM as the limit of reductions",
    nodes: 18,
    gpus_per_node: 4,
    // 18 NVLink5 links per GPU, one to each of 18 chips, as the GB200 NVL72: the same 130 TB/s [PAGE].
    links_to_chip: &[1; 18],
    // NVLink5: 50 GB/s each way per link [STAS].
    link_Bps: 50_000_000_000,
    // NVLink SHARP [STAS].
    in_network: true,
    // ConnectX-8, 800 Gb/s per GPU [PAGE].
    nic_Bps: 100_000_000_000,
    // Of each of 72 GPUs, dense being half of sparse: 360 / 2 / 72, 576 / 72 [PAGE]; 288 GB HBM3e, which
    // [PAGE] rounds to 20 TB in all [NVIDIA at GTC 2025].
    chip: Chip {
        bf16_flops: 2_500_000_000_000_000,
        memory_bytes: 288_000_000_000,
        memory_Bps: 8_000_000_000_000,
    },
};
