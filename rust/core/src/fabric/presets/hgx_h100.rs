//! NVIDIA HGX H100, one NVLink domain.
//!
//! [HC34] is NVIDIA, "The NVLink-Network Switch", Hot Chips 34, 2022-08. [STAS] is the network chapter of stas00/ml-engineering @744d01e,
//! measured and read 2026-08.

use super::Chip;
use super::family::nvlink::NvLinkDomain;

/// The preset.
pub(super) static PRESET: NvLinkDomain = NvLinkDomain {
    name: "hgx_h100",
    title: "NVIDIA HGX H100: 8 H100 GPUs on 4 NVSwitch chips of the third generation",
    source: "NVIDIA at Hot Chips 34 (2022-08); ml-engineering network chapter (2026-08); NVIDIA H100 datasheet (2023); NCCL tuning.cc",
    assumed: "split of the NVLink latency; HBM as the limit of reductions",
    nodes: 1,
    gpus_per_node: 8,
    // 18 NVLink4 links per GPU on 4 chips [STAS], of which 5, 4, 4 and 5 go to each [HC34].
    links_to_chip: &[5, 4, 4, 5],
    // NVLink4: 25 GB/s each way per link [STAS].
    link_Bps: 25_000_000_000,
    // NVLink SHARP [HC34].
    in_network: true,
    // ConnectX-7, 400 Gb/s per GPU [NVIDIA DGX H100/H200 user guide].
    nic_Bps: 50_000_000_000,
    // H100 SXM: dense BF16 (1,979 with sparsity), HBM3 [NVIDIA H100 datasheet, 2023].
    chip: Chip {
        bf16_flops: 989_000_000_000_000,
        memory_bytes: 80_000_000_000,
        memory_Bps: 3_350_000_000_000,
    },
};
