//! NVIDIA HGX H20, one NVLink domain.
//!
//! [STAS] is the network chapter of stas00/ml-engineering @744d01e, measured and read 2026-08.

use super::Chip;
use super::family::nvlink::NvLinkDomain;

/// The preset.
pub(super) static PRESET: NvLinkDomain = NvLinkDomain {
    name: "hgx_h20",
    title: "NVIDIA HGX H20: 8 H20 GPUs on 4 NVSwitch chips of the third generation",
    source: "public reports of the H20 (2024); NCCL tuning.cc",
    assumed: "wiring as H100; NIC; chip figures as reported; split of the NVLink latency; HBM as the limit of reductions",
    nodes: 1,
    gpus_per_node: 8,
    // 18 NVLink4 links per GPU on 4 chips, wired as the H100 [assumed].
    links_to_chip: &[5, 4, 4, 5],
    // NVLink4: 25 GB/s each way per link [STAS].
    link_Bps: 25_000_000_000,
    // NVLink SHARP [STAS].
    in_network: true,
    // ConnectX-7, 400 Gb/s per GPU [typical, assumed].
    nic_Bps: 50_000_000_000,
    // H20: dense BF16, HBM3 [standard figures as reported, assumed].
    chip: Chip {
        bf16_flops: 148_000_000_000_000,
        memory_bytes: 96_000_000_000,
        memory_Bps: 4_000_000_000_000,
    },
};
