//! NVIDIA HGX H800, one NVLink domain.
//!
//! [DS25] is Zhao et al. (DeepSeek-AI), "Insights into DeepSeek-V3", ISCA 2025, arXiv 2505.09343, section
//! 4.1. [STAS] is the network chapter of stas00/ml-engineering @744d01e, measured and read 2026-08.

use super::Chip;
use super::family::nvlink::NvLinkDomain;

/// The preset.
pub(super) static PRESET: NvLinkDomain = NvLinkDomain {
    name: "hgx_h800",
    title: "NVIDIA HGX H800: 8 H800 GPUs on 4 NVSwitch chips of the third generation",
    source: "DeepSeek-AI at ISCA 2025 (arXiv 2505.09343); DeepEP README (2025-02); NVIDIA H100 datasheet (2023); NCCL tuning.cc",
    assumed: "2 links to each chip; chip figures and NVLink SHARP as H100; split of the NVLink latency; HBM as the limit of reductions",
    nodes: 1,
    gpus_per_node: 8,
    // 400 GB/s both ways per GPU instead of 900 [DS25], so 8 NVLink4 links [derived], of which 160 GB/s
    // each way are usable [DeepEP README]; 2 to each of 4 chips [assumed].
    links_to_chip: &[2; 4],
    // NVLink4: 25 GB/s each way per link [STAS].
    link_Bps: 25_000_000_000,
    // NVLink SHARP, as the same chip does it for H100 [assumed].
    in_network: true,
    // ConnectX-7, 400 Gb/s per GPU [DS25].
    nic_Bps: 50_000_000_000,
    // as the H100, from which the H800 differs in NVLink and FP64 [DS25]; no data sheet read [assumed].
    chip: Chip {
        bf16_flops: 989_000_000_000_000,
        memory_bytes: 80_000_000_000,
        memory_Bps: 3_350_000_000_000,
    },
};
