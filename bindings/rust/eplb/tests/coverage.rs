// SPDX-License-Identifier: MIT
//! Whatever the header has, this crate makes use of.

use std::collections::BTreeSet;
use test_support::{read_json, repository};

/// The identifiers of each source of this crate, without comments.
fn sources() -> Vec<BTreeSet<String>> {
    let files = std::fs::read_dir(repository().join("bindings/rust/eplb/src")).expect("the sources");
    let words_of = |text: String| {
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        code.flat_map(|line| line.split(|c: char| !c.is_alphanumeric() && c != '_')).map(str::to_owned).collect()
    };
    files.map(|file| words_of(std::fs::read_to_string(file.unwrap().path()).unwrap())).collect()
}

/// A field is used where its struct is named.
#[test]
fn every_function_and_field_is_used() {
    let header = read_json("tests/abi/layout.json");
    let sources = sources();
    let used_with = |name: &str, of: &str| sources.iter().any(|words| words.contains(of) && words.contains(name));
    let mut unused = Vec::new();
    for f in header.get("functions").array() {
        let name = f.get("name").str();
        if !used_with(name, name) {
            unused.push(name.to_owned());
        }
    }
    for (of, s) in header.get("structs").object() {
        for (field, _) in s.get("fields").object() {
            if !["struct_size", "reserved"].contains(&field.as_str()) && !used_with(field, of) {
                unused.push(format!("{}::{}", of, field));
            }
        }
    }
    assert!(unused.is_empty(), "not used: {:?}", unused);
}
