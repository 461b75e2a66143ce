//! Reads what is JSON, keeps it to the letter, and says where it is not.

use super::*;

fn of(json: &str) -> Box<RawValue> {
    serde_json::from_str(json).unwrap()
}

fn refused(bytes: &[u8]) -> String {
    document(bytes).unwrap_err().to_string()
}

#[test]
fn a_syntax_error_is_told_by_line_and_column_without_content() {
    assert_eq!(
        refused(b"{\n  \"token\": secret}"),
        "is not valid JSON, see line 2, column 12"
    );
    for wrong in [
        &b"{} x"[..],
        b"",
        b"\"\xff\"",
        b"01",
        b"1.",
        b"[1,]",
        b"{\"a\":1,}",
        b"\"\x01\"",
    ] {
        assert!(document(wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn endless_nesting_is_refused_and_no_panic() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(document(nested(127).as_bytes()).is_ok());
    assert!(refused(nested(128).as_bytes()).ends_with(": is nested too deeply"));
    assert!(refused(nested(100_000).as_bytes()).ends_with(": is nested too deeply"));
    assert!(document("[".repeat(10_000).as_bytes()).is_err());
}

#[test]
fn the_same_key_twice_in_one_object_is_refused() {
    let twice = br#"{"a": {"x": 1}, "b": [{}, {"x": 1, "y": 2.5, "\u0078": 3}]}"#;
    assert_eq!(refused(twice), "b[1].x: is there twice");
    assert!(document(br#"[{"x": -1.5e3}, {"x": null}, true, "t"]"#).is_ok());
}

#[test]
fn half_a_surrogate_pair_is_refused_by_place_and_read_by_a_lenient_reader() {
    assert_eq!(
        refused(br#"{"a": ["\ud800"]}"#),
        "a[0]: must not have half a surrogate pair"
    );
    assert_eq!(
        refused(br#"{"\ud800": 1}"#),
        "must not have half a surrogate pair in a key"
    );
    let object = Object::lenient(&of(r#"{"a\ud800": "b\udfff\/"}"#)).unwrap();
    let (key, raw) = object.iter().next().unwrap();
    assert!(key.starts_with('a'));
    assert!(string(raw).unwrap().ends_with('/'));
}

#[test]
fn a_byte_order_mark_of_utf_8_is_passed_over_and_one_of_utf_16_is_named() {
    assert_eq!(document(b"\xef\xbb\xbf {} ").unwrap().get(), "{}");
    for utf_16 in [&b"\xff\xfe{\0}\0"[..], b"\xfe\xff\0{\0}"] {
        assert!(refused(utf_16).contains("UTF-16"), "{utf_16:?}");
    }
}

#[test]
fn a_number_has_the_digits_that_were_written() {
    for digits in [
        "14.310",
        "1e400",
        "-0.0",
        "12345678901234567890123",
        "14.309999999999999",
    ] {
        let raw = of(digits);
        assert_eq!(number(&raw), Some(digits));
    }
    assert_eq!(number(&of("\"1\"")), None);
}

#[test]
fn of_twins_a_lenient_reader_takes_the_last() {
    let twins = of(r#"{"a": 1, "\u0061": 2}"#);
    assert!(Object::read(&twins, Reading::Strict, "").is_err());
    assert_eq!(
        Object::lenient(&twins).unwrap().get("a").unwrap().get(),
        "2"
    );
}

#[test]
fn a_pointer_leads_through_objects_and_lists() {
    let document = of(r#"{"a/b": [{"~": 1}, {"": {"x": 2, "x": 3}}], "0": {"01": 4}}"#);
    for (pointer, expected) in [
        ("/a~1b/0/~0", Some("1")),
        ("/a~1b/1//x", Some("3")),
        ("/0/01", Some("4")),
        ("/a~1b/01", None),
        ("/a~1b/+1", None),
        ("/a~1b/2", None),
        ("/a~1b/-", None),
        ("/x", None),
        ("/0/01/2", None),
    ] {
        assert_eq!(
            pointed(&document, pointer).map(RawValue::get),
            expected,
            "{pointer}"
        );
    }
}

#[test]
fn only_the_space_between_the_parts_goes() {
    let raw = of("{ \"a b\" : [ 1.50 ,\n\t\"c \\\" d\\\\\" , {} ] }");
    assert_eq!(compact(&raw).get(), r#"{"a b":[1.50,"c \" d\\",{}]}"#);
}
