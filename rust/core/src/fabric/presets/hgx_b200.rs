//! NVIDIA HGX B200, one NVLink domain.
//!
//! [STAS] is the network chapter of stas00/ml-engineering @744d01e, measured and read 2026-08.

use super::Chip;
use super::family::nvlink::NvLinkDomain;

/// The preset.
pub(super) static PRESET: NvLinkDomain = NvLinkDomain {
    name: "hgx_b200",
    title: "NVIDIA HGX B200: 8 B200 GPUs on 2 NVLink switch chips of the fourth generation",
    source: "ml-engineering network chapter (2026-08); NVIDIA DGX B200 datasheet (2024); NCCL tuning.cc",
    assumed: "split of the NVLink latency; HBM as the limit of reductions",
    nodes: 1,
    gpus_per_node: 8,
    // 18 NVLink5 links per GPU, 9 to each of 2 chips [kontronn.com on the HGX B200 board, 2024].
    links_to_chip: &[9; 2],
    // NVLink5: 50 GB/s each way per link [STAS].
    link_Bps: 50_000_000_000,
    // NVLink SHARP [STAS].
    in_network: true,
    // ConnectX-7, 400 Gb/s per GPU [STAS: P6-B200 8 x 400G].
    nic_Bps: 50_000_000_000,
    // HGX B200: dense BF16, HBM3e [NVIDIA DGX B200 datasheet, 2024].
    chip: Chip {
        bf16_flops: 2_250_000_000_000_000,
        memory_bytes: 180_000_000_000,
        memory_Bps: 7_700_000_000_000,
    },
};
