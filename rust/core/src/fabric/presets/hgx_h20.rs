//! NVIDIA HGX H20, one NVLink domain.
//!
//! NVIDIA publishes no data sheet of the H20. [TH] is Tom's Hardware on the H20, L20 and L2 (2024-02), which
//! quotes a seller's; [STAS] is the network chapter of stas00/ml-engineering @744d01e, read 2026-08.

use super::Chip;
use super::family::nvlink::NvLinkDomain;

/// The preset.
pub(super) static PRESET: NvLinkDomain = NvLinkDomain {
    name: "hgx_h20",
    title: "NVIDIA HGX H20: 8 H20 GPUs on 4 NVSwitch chips of the third generation",
    source: "a seller's data sheet as quoted by Tom's Hardware (2024-02) and TweakTown (2024-01); NCCL tuning.cc",
    assumed: "wiring and NVLink SHARP as H100; NIC; chip figures as reported; split of the NVLink latency; HBM as the limit of reductions",
    nodes: 1,
    gpus_per_node: 8,
    // NVLink of 900 GB/s both ways [TweakTown, 2024-01], so 18 links [derived], wired as H100 [assumed].
    links_to_chip: &[5, 4, 4, 5],
    // NVLink4: 25 GB/s each way per link [STAS].
    link_Bps: 25_000_000_000,
    // NVLink SHARP, as the same chip does it for H100 [assumed].
    in_network: true,
    // ConnectX-7, 400 Gb/s per GPU [typical, assumed].
    nic_Bps: 50_000_000_000,
    // H20: dense BF16, HBM3 [TH].
    chip: Chip {
        bf16_flops: 148_000_000_000_000,
        memory_bytes: 96_000_000_000,
        memory_Bps: 4_000_000_000_000,
    },
};
