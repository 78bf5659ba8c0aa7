//! NVIDIA HGX B200, one NVLink domain.
//!
//! [DGX] is the table of nvidia.com/en-us/data-center/dgx-b200 as quoted on 2026-08-17 and in 2026-05: two
//! switch chips, 14.4 TB/s, 1,440 GB at 64 TB/s, eight 400 Gb/s NICs; [HGX] that of .../hgx: 36 PFLOPS
//! BF16 with sparsity. [STAS] is the network chapter of stas00/ml-engineering @744d01e, read 2026-08.

use super::Chip;
use super::family::nvlink::NvLinkDomain;

/// The preset.
pub(super) static PRESET: NvLinkDomain = NvLinkDomain {
    name: "hgx_b200",
    title: "NVIDIA HGX B200: 8 B200 GPUs on 2 NVLink switch chips of the fourth generation",
    source: "NVIDIA DGX B200 and HGX pages (2026-08); ml-engineering network chapter (2026-08); NCCL tuning.cc",
    assumed: "split of the NVLink latency; HBM as the limit of reductions",
    nodes: 1,
    gpus_per_node: 8,
    // 18 NVLink5 links per GPU [STAS] on two chips [DGX]: 9 to each, as all GPUs are alike [derived].
    links_to_chip: &[9; 2],
    // NVLink5: 50 GB/s each way per link [STAS].
    link_Bps: 50_000_000_000,
    // NVLink SHARP [STAS].
    in_network: true,
    // ConnectX-7, 400 Gb/s per GPU [DGX].
    nic_Bps: 50_000_000_000,
    // Of each of 8 GPUs, dense being half of sparse: 36 / 2 / 8 [HGX]; 1,440 / 8, 64 / 8 [DGX].
    chip: Chip {
        bf16_flops: 2_250_000_000_000_000,
        memory_bytes: 180_000_000_000,
        memory_Bps: 8_000_000_000_000,
    },
};
