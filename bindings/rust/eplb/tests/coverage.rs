// SPDX-License-Identifier: MIT
//! Whatever the header has, this crate makes use of.

use std::collections::BTreeSet;
use test_support::{read_json, repository};

/// The identifiers in the sources of this crate.
fn words() -> BTreeSet<String> {
    let files = std::fs::read_dir(repository().join("bindings/rust/eplb/src")).expect("the sources");
    let texts = files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
    texts
        .flat_map(|text| text.split(|c: char| !c.is_alphanumeric() && c != '_').map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

#[test]
fn every_function_and_field_is_used() {
    let header = read_json("tests/abi/layout.json");
    let words = words();
    let functions = header.get("functions").array().iter().map(|f| f.get("name").str());
    let fields = header.get("structs").object().iter().flat_map(|(_, s)| s.get("fields").object());
    let unused: Vec<&str> = functions
        .chain(fields.map(|(name, _)| name.as_str()))
        .filter(|name| !["struct_size", "reserved"].contains(name) && !words.contains(*name))
        .collect();
    assert!(unused.is_empty(), "not used: {:?}", unused);
}
