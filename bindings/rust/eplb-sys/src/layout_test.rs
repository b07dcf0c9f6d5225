// SPDX-License-Identifier: MIT
//! Compares what `declare!` declared with what the library's own tests know about the header. Both are written as lines
//! of one form, and every line must be on both sides: what has no counterpart has no equal line.

use crate::declared;
use std::collections::BTreeSet;
use test_support::{read_json, Json};

pub struct Function {
    pub name: &'static str,
    pub parameters: &'static [(&'static str, &'static str)],
    /// Empty for none.
    pub returns: &'static str,
}

pub struct Struct {
    pub name: &'static str,
    pub size: usize,
    pub fields: Vec<Field>,
}

pub struct Field {
    pub name: &'static str,
    pub r#type: &'static str,
    pub offset: usize,
    pub size: usize,
}

/// Offset and size of a field.
macro_rules! field {
    ($struct:ident, $field:ident) => {{
        fn size_at<T>(_: *const T) -> usize {
            std::mem::size_of::<T>()
        }
        let example = std::mem::MaybeUninit::<$struct>::uninit();
        // SAFETY: only the address is taken.
        let at = unsafe { std::ptr::addr_of!((*example.as_ptr()).$field) };
        (at as usize - example.as_ptr() as usize, size_at(at))
    }};
}
pub(crate) use field;

fn function_line(kind: &str, name: &str, parameters: Vec<(String, String)>, returns: &str) -> String {
    let parameters: Vec<String> = parameters.iter().map(|(name, of)| format!("{}: {}", name, of)).collect();
    format!("{} {}({}) -> {}", kind, name, parameters.join(", "), returns)
}

fn field_line(of: &str, name: &str, r#type: &str, offset: i64, size: i64) -> String {
    format!("struct {} has at {} in {} bytes {}: {}", of, offset, size, name, r#type)
}

/// The declared side. Compilers differ in the white space of `stringify!`.
fn declared_lines() -> BTreeSet<String> {
    let plain = |text: &str| text.replace(' ', "").replace("r#", "");
    let mut lines = BTreeSet::new();
    for (kind, functions) in [("callback", declared::CALLBACKS), ("function", declared::FUNCTIONS)] {
        for f in functions {
            let parameters = f.parameters.iter().map(|(name, of)| (plain(name), plain(of))).collect();
            lines.insert(function_line(kind, f.name, parameters, &plain(f.returns)));
        }
    }
    for (name, value) in declared::CONSTANTS {
        lines.insert(format!("constant {} = {}", name, value));
    }
    for s in declared::structs() {
        lines.insert(format!("struct {} of {} bytes", s.name, s.size));
        for f in s.fields {
            lines.insert(field_line(s.name, &plain(f.name), &plain(f.r#type), f.offset as i64, f.size as i64));
        }
    }
    lines
}

/// The type of Rust for one of C, without white space.
fn rust_type(c: &str) -> String {
    if let Some((element, count)) = c.strip_suffix(']').and_then(|array| array.split_once('[')) {
        return format!("[{};{}]", rust_type(element), count);
    }
    if let Some(target) = c.strip_suffix('*') {
        return match target.trim_end().strip_prefix("const ") {
            Some(target) => format!("*const{}", rust_type(target)),
            None => format!("*mut{}", rust_type(target.trim_end())),
        };
    }
    match c {
        "int32_t" => "i32",
        "uint32_t" => "u32",
        "int64_t" => "i64",
        "uint64_t" => "u64",
        "size_t" => "usize",
        "float" => "f32",
        "double" => "f64",
        "char" => "c_char",
        "void" => "c_void",
        ours if ours.starts_with("eplb_") => ours,
        other => panic!("the C type {} is not known here", other),
    }
    .to_owned()
}

/// The header's side.
fn header_lines(header: &Json) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    for (part, content) in header.object() {
        match part.as_str() {
            "version" => assert_eq!(content.str(), env!("CARGO_PKG_VERSION"), "the crate has the header's version"),
            "functions" | "callbacks" => {
                for f in content.array() {
                    let parameters = f.get("parameters").array().iter();
                    let parameters =
                        parameters.map(|p| (p.get("name").str().to_owned(), rust_type(p.get("type").str()))).collect();
                    let returns = match f.get("returns").str() {
                        "void" => String::new(),
                        other => rust_type(other),
                    };
                    let kind = part.trim_end_matches('s');
                    lines.insert(function_line(kind, f.get("name").str(), parameters, &returns));
                }
            }
            "constants" => {
                for (name, value) in content.object() {
                    lines.insert(format!("constant {} = {}", name, value.int()));
                }
            }
            "structs" => {
                for (of, s) in content.object() {
                    lines.insert(format!("struct {} of {} bytes", of, s.get("size").int()));
                    for (name, f) in s.get("fields").object() {
                        let (offset, size) = (f.get("offset").int(), f.get("size").int());
                        lines.insert(field_line(of, name, &rust_type(f.get("type").str()), offset, size));
                    }
                }
            }
            other => panic!("the header has {}, which are not known here", other),
        }
    }
    lines
}

#[test]
fn every_item_of_the_header_is_declared_as_it_is_there() {
    let header = header_lines(&read_json("tests/abi/layout.json"));
    let declared = declared_lines();
    let missing: Vec<_> = header.difference(&declared).collect();
    let unknown: Vec<_> = declared.difference(&header).collect();
    assert!(
        missing.is_empty() && unknown.is_empty(),
        "not declared: {:#?}\nnot in the header: {:#?}",
        missing,
        unknown
    );
    assert!(header.len() > 100, "the file has been read");
}
