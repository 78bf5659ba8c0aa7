//! NVIDIA HGX H200, one NVLink domain.
//!
//! [STAS] is the network chapter of stas00/ml-engineering @744d01e, measured and read 2026-08.

use super::Chip;
use super::family::nvlink::NvLinkDomain;

/// The preset.
pub(super) static PRESET: NvLinkDomain = NvLinkDomain {
    name: "hgx_h200",
    title: "NVIDIA HGX H200: 8 H200 GPUs on 4 NVSwitch chips of the third generation",
    source: "ml-engineering network chapter (2026-08); NVIDIA H200 datasheet (2024); NCCL tuning.cc",
    assumed: "5/4/4/5 split of the links; split of the NVLink latency; HBM as the limit of reductions",
    nodes: 1,
    gpus_per_node: 8,
    // 18 NVLink4 links per GPU on 4 chips [STAS]; the split 5/4/4/5 is NVIDIA's figure, assumed.
    links_to_chip: &[5, 4, 4, 5],
    // NVLink4: 25 GB/s each way per link [STAS].
    link_Bps: 25_000_000_000,
    // NVLink SHARP [STAS].
    in_network: true,
    // ConnectX-7, 400 Gb/s per GPU [STAS].
    nic_Bps: 50_000_000_000,
    // H200 SXM: dense BF16, HBM3e [NVIDIA H200 datasheet, 2024].
    chip: Chip {
        bf16_flops: 989_000_000_000_000,
        memory_bytes: 141_000_000_000,
        memory_Bps: 4_800_000_000_000,
    },
};
