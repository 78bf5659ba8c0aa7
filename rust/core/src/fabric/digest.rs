//! The identity of a fabric: SHA-256 over one canonical byte string.
//!
//! Integers are little endian and of fixed width, strings carry their length, options a tag byte,
//! so that two different contents never serialize alike. Name and title are labels, not content:
//! a fabric degraded by factors of 1 is the fabric it came from.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::element::WHOLE_PPM;
use super::graph::Content;

/// Changes whenever the byte string means something else.
const FORMAT: &str = "cm.fabric.digest/1";

/// The digest in lower-case hexadecimal.
pub(super) fn of(content: &Content) -> String {
    let mut bytes = Vec::with_capacity(64 * (content.links.len() + content.nodes.len()));
    push_text(&mut bytes, FORMAT);
    push_u64(&mut bytes, content.nodes.len() as u64);
    for (node, reduction) in content.nodes.iter().zip(&content.reduction_rate_Bps) {
        push_text(&mut bytes, &node.name);
        push_text(&mut bytes, node.kind.name());
        push_option(&mut bytes, *reduction);
    }
    push_u64(&mut bytes, content.links.len() as u64);
    for link in &content.links {
        bytes.extend(link.src.0.to_le_bytes());
        bytes.extend(link.dst.0.to_le_bytes());
        push_text(&mut bytes, &content.kind_names[usize::from(link.kind.0)]);
        push_option(&mut bytes, link.plane.map(u64::from));
        push_u64(&mut bytes, link.nominal_rate_Bps);
        push_u64(&mut bytes, link.rate_Bps);
        push_u64(&mut bytes, link.latency_ps);
        bytes.push(u8::from(link.ordinary));
    }
    push_u64(&mut bytes, content.software_ps);
    push_u64(&mut bytes, content.levels.len() as u64);
    for level in &content.levels {
        push_text(&mut bytes, &level.name);
        for container in &level.container_of {
            push_option(&mut bytes, container.map(u64::from));
        }
    }
    // Last and only where there is any, so that other fabrics keep their digests.
    let in_network = content.in_network.iter().enumerate();
    for (node, _) in in_network.filter(|(_, in_network)| **in_network) {
        push_u64(&mut bytes, node as u64);
    }
    for (index, link) in content.links.iter().enumerate() {
        if link.weight_ppm != WHOLE_PPM {
            push_text(&mut bytes, "weight");
            push_u64(&mut bytes, index as u64);
            push_u64(&mut bytes, link.weight_ppm.into());
        }
    }
    if let Some(calibration) = &content.calibration {
        push_text(&mut bytes, &calibration.canonical());
    }
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(&bytes) {
        write!(hex, "{byte:02x}").expect("writing to a string cannot fail");
    }
    hex
}

fn push_u64(bytes: &mut Vec<u8>, value: u64) {
    bytes.extend(value.to_le_bytes());
}

fn push_text(bytes: &mut Vec<u8>, text: &str) {
    push_u64(bytes, text.len() as u64);
    bytes.extend(text.as_bytes());
}

fn push_option(bytes: &mut Vec<u8>, value: Option<u64>) {
    bytes.push(u8::from(value.is_some()));
    push_u64(bytes, value.unwrap_or(0));
}

#[cfg(test)]
mod tests {
    use crate::fabric::{FabricBuilder, Link, NodeKind};

    #[test]
    fn the_byte_string_is_the_one_described() {
        // Computed apart with Python's struct and hashlib: u64 lengths and counts, u32 ends, a tag
        // byte and a u64 per option, in the order of the file above.
        let mut builder = FabricBuilder::new("any name", "any title");
        let a = builder.node("a", NodeKind::Endpoint);
        let s = builder.node("s", NodeKind::Switch);
        builder.reduction_rate(a, 9);
        let pod = builder.level("pod");
        builder.place(a, pod, 77);
        let kind = builder.kind("cable");
        builder.link(Link {
            plane: Some(3),
            ..Link::new(a, s, kind, 10, 5)
        });
        let expected = "d267b4e1ae92b27f06f1f966fedde2ac2acbb14c2bbf88a5ad05bd4ad2fa14c0";
        assert_eq!(builder.build().unwrap().digest(), expected);
    }
}
