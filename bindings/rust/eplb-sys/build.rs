// SPDX-License-Identifier: MIT
//! Finds libeplb: in `EPLB_LIB_DIR`, or else through pkg-config. With the feature `dlopen` there is nothing to find.

use std::env;
use std::process::{exit, Command};

fn main() {
    for name in ["EPLB_LIB_DIR", "PKG_CONFIG", "PKG_CONFIG_PATH", "PKG_CONFIG_LIBDIR", "PKG_CONFIG_SYSROOT_DIR"] {
        println!("cargo:rerun-if-env-changed={}", name);
    }
    println!("cargo:rerun-if-changed=build.rs");
    if env::var_os("CARGO_FEATURE_DLOPEN").is_some() {
        return;
    }
    let directory = env::var("EPLB_LIB_DIR").unwrap_or_else(|_| {
        let wanted = format!("eplb >= {}.{}", env!("CARGO_PKG_VERSION_MAJOR"), env!("CARGO_PKG_VERSION_MINOR"));
        pkg_config(&["--exists", "--print-errors", &wanted]);
        pkg_config(&["--variable=libdir", "eplb"])
    });
    println!("cargo:rustc-link-search=native={}", directory);
    println!("cargo:rustc-link-lib=dylib=eplb");
}

fn pkg_config(arguments: &[&str]) -> String {
    let program = env::var("PKG_CONFIG").unwrap_or_else(|_| "pkg-config".to_owned());
    let why = match Command::new(&program).args(arguments).output() {
        Ok(output) if output.status.success() => return String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => format!("{} cannot be run: {}", program, error),
    };
    eprintln!("libeplb was not found: set PKG_CONFIG_PATH to the directory of eplb.pc, or EPLB_LIB_DIR to that of");
    eprintln!("libeplb.so, or use the feature dlopen, which needs neither.\n{}", why);
    exit(1)
}
