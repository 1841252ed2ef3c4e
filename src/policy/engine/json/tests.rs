use super::*;
use proptest::prelude::*;

fn round(text: &str) -> String {
    Document::parse(text.as_bytes())
        .unwrap()
        .to_json()
        .unwrap()
        .to_string()
}

#[test]
fn documents_come_back_as_they_were() {
    for text in [
        "null",
        "[]",
        "{}",
        r#"{"a":[1,-2,"x",true,null,{"b":{}}],"n":18446744073709551615,"z":-9223372036854775808}"#,
        r#"{"n":9007199254740993}"#,
        r#"{"s":"\u0000é😀"}"#,
    ] {
        assert_eq!(round(text), text);
    }
    assert_eq!(round("1.5"), "1.5");
}

#[test]
fn every_key_stays_a_key_of_an_object() {
    let text = r#"{"$serde_json::private::Number":"1","x":"y"}"#;
    assert_eq!(round(text), text);
    let alone = r#"{"a":{"$serde_json::private::Number":"1"}}"#;
    assert_eq!(round(alone), alone);
    let document = Document::from_json(&serde_json::json!({"$serde_json::private::Number": "1"}));
    assert_eq!(document.kind(), "object");
    assert_eq!(
        document.to_json().unwrap(),
        serde_json::json!({"$serde_json::private::Number": "1"})
    );
}

#[test]
fn a_key_twice_in_one_object_is_refused() {
    let error = Document::parse(br#"{"a":{"b":1,"c":2,"b":3}}"#).unwrap_err();
    assert_eq!(error.problem, Problem::DuplicateKey);
    assert!(Document::parse(br#"[{"b":1},{"b":2}]"#).is_ok());
    assert_eq!(
        Document::parse(br#"{"a":1,"\u0061":2}"#).unwrap_err().problem,
        Problem::DuplicateKey
    );
}

#[test]
fn numbers_are_exact_or_refused() {
    assert_eq!(
        Document::parse(b"18446744073709551616").unwrap_err().problem,
        Problem::NumberRange
    );
    assert_eq!(
        Document::parse(b"9007199254740993").unwrap().as_u64(),
        Some(9_007_199_254_740_993)
    );
}

#[test]
fn hostile_depth_is_refused_without_recursion() {
    let deep = "[".repeat(1_000_000);
    assert_eq!(
        Document::parse(deep.as_bytes()).unwrap_err().problem,
        Problem::TooDeep
    );
    let legal = format!("{}{}", "[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH));
    assert_eq!(round(&legal), legal);
}

#[test]
fn sets_become_arrays_in_order_and_other_keys_are_refused() {
    let set: std::collections::BTreeSet<Value> = [Value::from("b"), Value::from("a")].into();
    assert_eq!(
        Document(Value::from(set)).to_json().unwrap(),
        serde_json::json!(["a", "b"])
    );
    let map = BTreeMap::from([(Value::from(1u64), Value::Null)]);
    assert_eq!(Document(Value::from(map)).to_json(), Err(NotJson::Key));
    assert_eq!(Document(Value::Undefined).to_json(), Err(NotJson::Undefined));
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        ".*".prop_map(serde_json::Value::String),
    ];
    leaf.prop_recursive(6, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(serde_json::Value::Array),
            prop::collection::btree_map(".*", inner, 0..6)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_document_survives_the_way_into_the_engine_and_back(json in json()) {
        let document = Document::parse(json.to_string().as_bytes()).unwrap();
        prop_assert_eq!(&document.to_json().unwrap(), &json);
        prop_assert_eq!(&Document::from_json(&json), &document);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let ours = Document::parse(&bytes);
        if let Ok(document) = ours {
            prop_assert!(serde_json::from_slice::<serde_json::Value>(&bytes).is_ok(), "{:?}", document);
        }
    }
}

#[test]
fn a_float_beside_the_largest_integers_stays_what_it_is() {
    for (text, wanted) in [
        ("18446744073709551616.4", "1.8446744073709552e+19"),
        ("18446744073709551615", "18446744073709551615"),
        ("9223372036854775808.0", "9223372036854775808"),
        ("-9223372036854775808.0", "-9223372036854775808"),
    ] {
        let json = Document::parse(text.as_bytes()).unwrap().to_json().unwrap();
        assert_eq!(json.to_string(), wanted, "{text}");
    }
}
