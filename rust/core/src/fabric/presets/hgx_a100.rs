//! NVIDIA HGX A100, one NVLink domain.
//!
//! [STAS] is the network chapter of stas00/ml-engineering @744d01e, measured and read 2026-08.

use super::Chip;
use super::family::nvlink::NvLinkDomain;

/// The preset.
pub(super) static PRESET: NvLinkDomain = NvLinkDomain {
    name: "hgx_a100",
    title: "NVIDIA HGX A100: 8 A100 GPUs on 6 NVSwitch chips of the second generation",
    source: "ml-engineering network chapter (2026-08); NVIDIA A100 datasheet (2021-06); NCCL tuning.cc",
    assumed: "split of the NVLink latency; HBM as the limit of reductions",
    nodes: 1,
    gpus_per_node: 8,
    // 12 NVLink3 links per GPU, 2 to each of 6 chips [STAS].
    links_to_chip: &[2; 6],
    // NVLink3: 25 GB/s each way per link [STAS].
    link_Bps: 25_000_000_000,
    // NVLink SHARP came with the third generation of NVSwitch [STAS].
    in_network: false,
    // HDR InfiniBand, 200 Gb/s per GPU [DGX A100 datasheet, 2020].
    nic_Bps: 25_000_000_000,
    // A100 80 GB SXM: dense BF16, HBM2e [NVIDIA A100 datasheet, 2021-06].
    chip: Chip {
        bf16_flops: 312_000_000_000_000,
        memory_bytes: 80_000_000_000,
        memory_Bps: 2_039_000_000_000,
    },
};
