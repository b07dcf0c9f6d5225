// SPDX-License-Identifier: MIT
//! The repository's test data, for the tests of both crates. A reader of JSON is all that they need, so they do
//! without a dependency. Whatever is wrong with a file is a panic: it fails the test.

use std::path::{Path, PathBuf};

/// The repository: `EPLB_SOURCE` of the environment, or where this crate lies in it.
pub fn repository() -> PathBuf {
    match std::env::var_os("EPLB_SOURCE") {
        Some(source) => source.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.."),
    }
}

/// Reads a JSON file of the repository.
pub fn read_json(path: &str) -> Json {
    let file = repository().join(path);
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {}", file.display(), error));
    Json::parse(&text)
}

/// A JSON value; members of objects are in the order of the file.
#[derive(Debug, Clone, PartialEq)]
pub enum Json {
    Null,
    Bool(bool),
    Number(f64),
    String(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    pub fn parse(text: &str) -> Json {
        let mut reader = Reader { text, at: 0 };
        let value = reader.value();
        assert_eq!(reader.peek(), None, "more than one value, at byte {}", reader.at);
        value
    }

    pub fn get(&self, name: &str) -> &Json {
        let member = self.object().iter().find(|(key, _)| key == name);
        &member.unwrap_or_else(|| panic!("no {} in {:?}", name, self)).1
    }

    pub fn object(&self) -> &[(String, Json)] {
        match self {
            Json::Object(members) => members,
            other => panic!("not an object: {:?}", other),
        }
    }

    pub fn array(&self) -> &[Json] {
        match self {
            Json::Array(elements) => elements,
            other => panic!("not an array: {:?}", other),
        }
    }

    pub fn str(&self) -> &str {
        match self {
            Json::String(text) => text,
            other => panic!("not a string: {:?}", other),
        }
    }

    pub fn int(&self) -> i64 {
        match self {
            Json::Number(number) if number.fract() == 0.0 && number.abs() < (1i64 << 53) as f64 => *number as i64,
            other => panic!("not an integer: {:?}", other),
        }
    }

    pub fn usize(&self) -> usize {
        self.int().try_into().expect("not negative")
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    /// The next byte that is not white space.
    fn peek(&mut self) -> Option<u8> {
        let rest = &self.text.as_bytes()[self.at..];
        self.at += rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, expected: &str) {
        self.peek();
        assert!(self.text[self.at..].starts_with(expected), "expected {} at byte {}", expected, self.at);
        self.at += expected.len();
    }

    fn value(&mut self) -> Json {
        match self.peek() {
            Some(b'{') => Json::Object(self.list('{', '}', |reader| {
                let name = reader.string();
                reader.take(":");
                (name, reader.value())
            })),
            Some(b'[') => Json::Array(self.list('[', ']', Reader::value)),
            Some(b'"') => Json::String(self.string()),
            Some(b't') => self.word("true", Json::Bool(true)),
            Some(b'f') => self.word("false", Json::Bool(false)),
            Some(b'n') => self.word("null", Json::Null),
            _ => self.number(),
        }
    }

    fn word(&mut self, word: &str, value: Json) -> Json {
        self.take(word);
        value
    }

    fn list<T>(&mut self, open: char, close: char, element: impl Fn(&mut Self) -> T) -> Vec<T> {
        self.take(&open.to_string());
        let mut out = Vec::new();
        while self.peek() != Some(close as u8) {
            if !out.is_empty() {
                self.take(",");
            }
            out.push(element(self));
        }
        self.take(&close.to_string());
        out
    }

    /// Names and sentences of the test data need no escapes; one is an error rather than misread.
    fn string(&mut self) -> String {
        self.take("\"");
        let rest: &'a str = &self.text[self.at..];
        let length = rest.find('"').expect("a string that ends");
        self.at += length + 1;
        assert!(!rest[..length].contains('\\'), "an escape in {}", &rest[..length]);
        rest[..length].to_owned()
    }

    fn number(&mut self) -> Json {
        let rest = &self.text[self.at..];
        let length = rest.find(|c: char| !matches!(c, '0'..='9' | '+' | '-' | '.' | 'e' | 'E')).unwrap_or(rest.len());
        self.at += length;
        Json::Number(rest[..length].parse().unwrap_or_else(|_| panic!("not a number: {:?}", &rest[..length])))
    }
}
