//! Dependencies flow one way: reads the `use crate::` lines and fails on an upward one.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::{Path, PathBuf};

/// Top-level modules from the bottom up; a module may use those of lower layers, and itself.
const LAYERS: &[&[&str]] = &[
    &["ids", "csr", "splitmix", "suggest"],
    &["team"],
    &["collective"],
    &["cost"],
    &["fabric", "engine"],
    &["schedule"],
    &["algorithms", "placement", "bounds", "rules"],
    &["bracket", "charge", "plan"],
    &["simulate"],
    &["report", "question", "session"],
    &["explain", "sweep"],
];

/// `error` is the umbrella: it names every module's error and is used by the modules from
/// `plan` upwards.
const UMBRELLA: &str = "error";
const UMBRELLA_FROM: usize = 7;

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

/// The top-level modules that a source names after `crate::`.
fn used(source: &str) -> Vec<String> {
    source
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| line.split("crate::").skip(1))
        .map(|rest| {
            rest.chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect()
        })
        .collect()
}

#[test]
fn no_module_uses_a_higher_layer() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut broken = Vec::new();
    for file in files {
        let relative = file.strip_prefix(&root).unwrap();
        let module = relative
            .iter()
            .next()
            .unwrap()
            .to_str()
            .unwrap()
            .trim_end_matches(".rs");
        if module == "lib" || module == UMBRELLA {
            continue;
        }
        let own = layer(module).unwrap_or_else(|| panic!("module {module} is in no layer"));
        for other in used(&fs::read_to_string(&file).unwrap()) {
            let allowed = if other == UMBRELLA {
                own >= UMBRELLA_FROM
            } else {
                other == module || layer(&other).is_some_and(|other| other < own)
            };
            if !allowed {
                broken.push(format!("{} uses crate::{other}", relative.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn the_core_has_no_python_no_clock_and_no_files() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    for file in files {
        let source = fs::read_to_string(&file).unwrap();
        for word in [
            "pyo3",
            "std::fs",
            "std::time",
            "SystemTime",
            "println!",
            "static mut",
        ] {
            assert!(!source.contains(word), "{} mentions {word}", file.display());
        }
    }
}
