//! The digest of a schedule: SHA-256 over its content, equal on every machine and in every process.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use super::{ChunkSizes, Schedule};
use crate::collective::Traffic;
use crate::csr::Csr;

impl Schedule {
    /// SHA-256 in hexadecimal over collective, team size, root, chunk sizes, transfers and edges;
    /// the algorithm's name is not part of it.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(b"cm.schedule/1");
        hash.update(self.collective.name());
        for number in [self.n_ranks, self.root.0] {
            hash.update(number.to_le_bytes());
        }
        // Chunks are numbers of four bytes, unless there are more than these can count.
        let is_wide = u32::try_from(self.n_chunks).is_err();
        let add_chunk = |hash: &mut Sha256, number: u64| {
            let bytes = number.to_le_bytes();
            hash.update(&bytes[..if is_wide { 8 } else { 4 }]);
        };
        if is_wide {
            hash.update(b"wide");
        }
        add_chunk(&mut hash, self.n_chunks);
        match &self.sizes {
            ChunkSizes::Equal {
                total_bytes,
                n_chunks,
            } => {
                hash.update(b"equal");
                hash.update(total_bytes.to_le_bytes());
                hash.update(n_chunks.to_le_bytes());
            }
            ChunkSizes::Each { offsets } => {
                hash.update(b"each");
                for offset in offsets {
                    hash.update(offset.to_le_bytes());
                }
            }
        }
        if let Some(copies) = self.traffic.as_ref().map(Traffic::copies) {
            hash.update(b"tokens");
            for chunk in 0..copies.len() {
                hash.update(copies.source(chunk).0.to_le_bytes());
                hash.update((copies.ends(chunk).len() as u32).to_le_bytes());
                for end in copies.ends(chunk) {
                    hash.update(end.0.to_le_bytes());
                }
            }
        }
        for transfer in 0..self.len() {
            let chunks = self.chunks[transfer];
            let (src, dst) = (self.src[transfer].0, self.dst[transfer].0);
            for number in [self.step[transfer], src, dst] {
                hash.update(number.to_le_bytes());
            }
            add_chunk(&mut hash, chunks.first);
            for number in [chunks.count, chunks.stride] {
                hash.update(number.to_le_bytes());
            }
            add_chunk(&mut hash, chunks.window);
            hash.update(self.op[transfer].name());
        }
        for edges in [&self.depends_on, &self.follows] {
            add_edges(&mut hash, edges);
        }
        // Only where there are any, so that other schedules keep their digests.
        for steps in &self.in_network {
            hash.update(b"in_network");
            hash.update(steps.start.to_le_bytes());
            hash.update(steps.end.to_le_bytes());
        }
        hash.finalize()
            .iter()
            .fold(String::with_capacity(64), |mut text, byte| {
                write!(text, "{byte:02x}").expect("writing to a string never fails");
                text
            })
    }
}

fn add_edges(hash: &mut Sha256, edges: &Csr<u32>) {
    let (start, items) = edges.parts();
    for number in start.iter().chain(items) {
        hash.update(number.to_le_bytes());
    }
}
