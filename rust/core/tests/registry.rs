//! The registry of algorithms: the folder and the slice agree, names are unique, docs are there.

use std::collections::BTreeSet;
use std::path::Path;

use cm_core::algorithms::{ALGORITHMS, Algorithm, algorithms_for, lookup};
use cm_core::collective::Collective;

#[test]
fn every_file_is_registered_under_its_own_name() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/algorithms");
    let files: BTreeSet<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file() && path.file_stem().unwrap() != "mod")
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    let names: BTreeSet<String> = ALGORITHMS.iter().map(|a| a.name().to_owned()).collect();
    assert_eq!(names.len(), ALGORITHMS.len(), "names are unique");
    assert_eq!(files, names);
}

#[test]
fn every_algorithm_is_documented() {
    for algorithm in ALGORITHMS {
        let about = algorithm.about();
        assert!(!about.collectives.is_empty(), "{}", about.name);
        let mut texts = vec![about.summary, about.source, about.constraint];
        texts.extend(about.options.iter().map(|option| option.summary));
        for &collective in about.collectives {
            texts.push(algorithm.steps_formula(collective));
            texts.push(algorithm.bytes_formula(collective));
        }
        assert!(texts.iter().all(|text| !text.is_empty()), "{}", about.name);
    }
}

#[test]
fn every_collective_has_an_algorithm() {
    for &collective in Collective::ALL {
        let found: Vec<&dyn Algorithm> = algorithms_for(collective).collect();
        assert!(!found.is_empty(), "{}", collective.name());
    }
}

#[test]
fn an_unknown_name_suggests_the_nearest() {
    assert!(lookup("ring").is_ok());
    let error = lookup("binomialtree").unwrap_err().to_string();
    assert!(error.contains("did you mean binomial_tree"), "{error}");
}
