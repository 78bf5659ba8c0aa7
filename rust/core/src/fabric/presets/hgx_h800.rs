//! NVIDIA HGX H800, one NVLink domain.
//!
//! [STAS] is the network chapter of stas00/ml-engineering @744d01e, measured and read 2026-08.

use super::Chip;
use super::family::nvlink::NvLinkDomain;

/// The preset.
pub(super) static PRESET: NvLinkDomain = NvLinkDomain {
    name: "hgx_h800",
    title: "NVIDIA HGX H800: 8 H800 GPUs on 4 NVSwitch chips of the third generation",
    source: "DeepEP README (2025-02); NVIDIA H100 datasheet (2023); NCCL tuning.cc",
    assumed: "2 links to each chip; chip figures as H100; split of the NVLink latency; HBM as the limit of reductions",
    nodes: 1,
    gpus_per_node: 8,
    // 8 NVLink4 links per GPU, 200 GB/s [DeepEP README: 160 usable]; 2 to each of 4 chips assumed.
    links_to_chip: &[2; 4],
    // NVLink4: 25 GB/s each way per link [STAS].
    link_Bps: 25_000_000_000,
    // NVLink SHARP [STAS].
    in_network: true,
    // ConnectX-7, 400 Gb/s per GPU [DeepEP README].
    nic_Bps: 50_000_000_000,
    // as the H100, from which the H800 differs in NVLink [standard figure, assumed].
    chip: Chip {
        bf16_flops: 989_000_000_000_000,
        memory_bytes: 80_000_000_000,
        memory_Bps: 3_350_000_000_000,
    },
};
