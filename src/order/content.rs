//! What an order says, as bytes to be hashed: the same for the same content, however it was written.

use serde_json::{Map, Number, Value};

/// A list of records, each a name and a value with their lengths, so that no two contents have the same bytes.
///
/// Independent of the order of JSON keys and of serde_json's features, which decide how numbers and keys are kept.
/// The bytes are hashed and the hash is stored: a change here makes a new version of the digest.
pub(in crate::order) struct Content(Vec<u8>);

impl Content {
    pub(in crate::order) fn new() -> Self {
        Self(Vec::new())
    }

    pub(in crate::order) fn record(&mut self, name: &str, value: &str) {
        self.text(name);
        self.text(value);
    }

    pub(in crate::order) fn optional(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.record(name, value);
        }
    }

    /// An object of the writer's choice; an empty one says nothing.
    pub(in crate::order) fn object(&mut self, name: &str, map: &Map<String, Value>) {
        if !map.is_empty() {
            self.text(name);
            self.members(map);
        }
    }

    pub(in crate::order) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Null => self.0.push(b'n'),
            Value::Bool(false) => self.0.push(b'f'),
            Value::Bool(true) => self.0.push(b't'),
            Value::Number(value) => {
                self.0.push(b'd');
                self.text(&number(value));
            }
            Value::String(text) => {
                self.0.push(b's');
                self.text(text);
            }
            Value::Array(items) => {
                self.0.push(b'a');
                self.length(items.len());
                for item in items {
                    self.value(item);
                }
            }
            Value::Object(map) => {
                self.0.push(b'o');
                self.members(map);
            }
        }
    }

    fn members(&mut self, map: &Map<String, Value>) {
        let mut members: Vec<_> = map.iter().collect();
        members.sort_unstable_by_key(|(key, _)| *key);
        self.length(members.len());
        for (key, value) in members {
            self.text(key);
            self.value(value);
        }
    }

    fn text(&mut self, text: &str) {
        self.length(text.len());
        self.0.extend_from_slice(text.as_bytes());
    }

    fn length(&mut self, length: usize) {
        // A usize is at most 64 bits wide on every platform of Rust.
        self.0.extend_from_slice(&(length as u64).to_be_bytes());
    }
}

/// One text for one number. A float is told by 15 digits: readers with and without `arbitrary_precision` may differ in
/// the 17th.
fn number(number: &Number) -> String {
    if let Some(whole) = number.as_u64() {
        return whole.to_string();
    }
    if let Some(whole) = number.as_i64() {
        return whole.to_string();
    }
    match number.as_f64() {
        Some(0.0) => "0".to_owned(),
        Some(float) => format!("{float:.14e}"),
        None => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn bytes(json: &str) -> Vec<u8> {
        let mut content = Content::new();
        content.value(&serde_json::from_str(json).unwrap());
        content.into_bytes()
    }

    #[test]
    fn the_order_of_keys_and_the_writing_of_numbers_do_not_matter() {
        assert_eq!(
            bytes(r#"{"a": {"x": 1, "y": 2}, "b": [1.50, 1e2, -0, 0.0]}"#),
            bytes(r#"{"b": [1.5, 100.0, 0, -0.0], "a": {"y": 2, "x": 1}}"#)
        );
        assert_eq!(bytes("14.31"), [&b"d\0\0\0\0\0\0\0\x12"[..], b"1.43100000000000e1"].concat());
    }

    #[test]
    fn different_contents_have_different_bytes() {
        let contents = [
            "1",
            "2",
            "-1",
            "1.5",
            "\"1\"",
            "true",
            "false",
            "null",
            "[]",
            "{}",
            "\"\"",
            r#"["a", "b"]"#,
            r#"["ab"]"#,
            r#"["b", "a"]"#,
            r#"[["a"], "b"]"#,
            r#"[["a", "b"]]"#,
            r#"{"a": "b"}"#,
            r#"{"a": null}"#,
            r#"{"b": "a"}"#,
            r#"{"ab": ""}"#,
        ];
        let distinct: std::collections::HashSet<_> = contents.iter().map(|json| bytes(json)).collect();
        assert_eq!(distinct.len(), contents.len());
    }

    #[test]
    fn an_empty_object_says_nothing() {
        let mut content = Content::new();
        content.object("extra", &Map::new());
        content.optional("email", None);
        assert!(content.into_bytes().is_empty());
        let mut content = Content::new();
        content.object("extra", json!({"a": 1}).as_object().unwrap());
        assert!(!content.into_bytes().is_empty());
    }
}
