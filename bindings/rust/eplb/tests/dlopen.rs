// SPDX-License-Identifier: MIT
//! Loading at run time: every way in which it fails, and then the one in which it does not. One test, since a process
//! loads the library once.
#![cfg(feature = "dlopen")]

use eplb::{load, load_from, version, Shape, Status};
use std::path::Path;
use std::process::Command;

/// A library that says it is version 0.0.1.
fn old_library() -> std::path::PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (source, library) = (directory.join("old.c"), directory.join("libeplb_old.so"));
    std::fs::write(&source, "int eplb_version(void) { return 1; }\n").unwrap();
    let mut compiler = Command::new(std::env::var("CC").unwrap_or_else(|_| "cc".to_owned()));
    assert!(compiler.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).status().unwrap().success());
    library
}

#[test]
fn a_library_is_loaded_once_if_it_can_be_used() {
    let refused = |file: &Path| {
        let error = load_from(file).unwrap_err();
        assert_eq!(error.status(), Status::UNAVAILABLE);
        error.to_string()
    };
    assert!(refused(Path::new("/nowhere/libeplb.so")).contains("/nowhere/libeplb.so"));
    assert!(refused(Path::new("a\0b")).contains("not the name of a file"));
    assert!(refused(Path::new("libc.so.6")).contains("eplb_version"));
    assert_eq!(refused(&old_library()), "libeplb 0.0.1 was found, but this program needs 0.1.0 or later");

    load().unwrap();
    assert!(version().unwrap() >= 100);
    let _ = Shape::new();
    assert!(refused(Path::new("libeplb.so.0")).contains("loaded already"));
}
