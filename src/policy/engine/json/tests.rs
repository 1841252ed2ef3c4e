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

/// A document as text in many spellings, and what it says. Keys may look like anything.
fn spelled() -> impl Strategy<Value = (String, serde_json::Value)> {
    let key = || {
        prop_oneof![
            3 => "[a-z]{0,3}",
            1 => ".{0,4}",
            1 => Just("$serde_json::private::Number".to_owned()),
            1 => Just("$serde_json::private::RawValue".to_owned()),
        ]
    };
    let decimal = (any::<i32>(), 0..1_000_u32, -20..20_i32).prop_map(|(whole, part, exponent)| {
        let text = format!(
            "{whole}.{part:03}{}{exponent:+}",
            if part % 2 == 0 { 'e' } else { 'E' }
        );
        let float: f64 = text.parse().unwrap();
        (text, serde_json::Value::from(float))
    });
    let leaf = prop_oneof![
        Just(("null".to_owned(), serde_json::Value::Null)),
        any::<bool>().prop_map(|value| (value.to_string(), value.into())),
        any::<i64>().prop_map(|value| (value.to_string(), value.into())),
        any::<u64>().prop_map(|value| (value.to_string(), value.into())),
        Just(("-0".to_owned(), 0.into())),
        decimal,
        ".{0,8}".prop_map(|text| (escaped(&text), text.into())),
        ".{0,8}".prop_map(|text| (serde_json::Value::from(text.as_str()).to_string(), text.into())),
    ];
    leaf.prop_recursive(8, 96, 6, move |inner| {
        let blank = prop_oneof![Just(""), Just(" "), Just("\r\n\t")];
        let items = prop::collection::vec((inner.clone(), blank), 0..6).prop_map(|items| {
            let texts: Vec<_> = items
                .iter()
                .map(|((text, _), blank)| format!("{blank}{text}{blank}"))
                .collect();
            let values = items.into_iter().map(|((_, value), _)| value);
            (
                format!("[{}]", texts.join(",")),
                values.collect::<serde_json::Value>(),
            )
        });
        let members = prop::collection::btree_map(key(), inner, 0..6).prop_map(|members| {
            let texts: Vec<_> = members
                .iter()
                .map(|(key, (text, _))| format!("{}: {text}", escaped(key)))
                .collect();
            let values = members.into_iter().map(|(key, (_, value))| (key, value));
            (
                format!("{{{}}}", texts.join(" ,")),
                serde_json::Value::Object(values.collect()),
            )
        });
        prop_oneof![items, members]
    })
}

/// A string with every character escaped.
fn escaped(text: &str) -> String {
    let units: String = text.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect();
    format!("\"{units}\"")
}

/// Whether two documents say the same. The engine prints a whole number as an integer, however it was written.
fn says(left: &serde_json::Value, right: &serde_json::Value) -> bool {
    use serde_json::Value::{Array, Number, Object};
    match (left, right) {
        (Number(left), Number(right)) if left.is_f64() || right.is_f64() => left.as_f64() == right.as_f64(),
        (Array(left), Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| says(left, right))
        }
        (Object(left), Object(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .all(|(key, left)| right.get(key).is_some_and(|right| says(left, right)))
        }
        (left, right) => left == right,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn a_document_means_the_same_to_the_engine_however_it_is_spelled((text, said) in spelled()) {
        let document = Document::parse(text.as_bytes()).unwrap();
        let back = document.to_json().unwrap();
        prop_assert!(says(&back, &said), "{text}\n{back}\n{said}");
        // And as policies see it, through the engine itself.
        let mut engine = regorus::Engine::new();
        engine.set_rego_v0(false);
        engine.add_policy("p".to_owned(), "package p\nsame := input\n".to_owned()).unwrap();
        engine.set_input(document.0.clone());
        prop_assert_eq!(Document(engine.eval_rule("data.p.same".to_owned()).unwrap()), document);
    }
}

/// A repeatable sequence; good enough to vary objects by.
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    fn word(&mut self) -> String {
        const WORDS: [&str; 10] = [
            "app",
            "web<&>",
            "a/b~c",
            "été",
            "😀",
            "",
            "$serde_json::private::Number",
            "\u{0}\u{202e}",
            "1",
            "x.y.io/z",
        ];
        let number = self.below(1_000);
        let word = WORDS[usize::try_from(number % 10).unwrap()];
        if number.is_multiple_of(3) {
            word.to_owned()
        } else {
            format!("{word}{number}")
        }
    }

    fn map(&mut self) -> serde_json::Value {
        (0..self.below(6))
            .map(|_| (self.word(), self.word().into()))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }

    /// An object as clusters have them: metadata, containers, free maps, numbers of every size.
    fn object(&mut self) -> serde_json::Value {
        let containers: Vec<_> = (0..=self.below(4))
            .map(|_| {
                serde_json::json!({
                    "name": self.word(), "image": self.word(), "args": [self.word(), self.word()],
                    "env": [{"name": self.word(), "value": self.word()}],
                    "resources": {"limits": self.map(), "requests": null},
                    "securityContext": {"privileged": self.below(2) == 0, "runAsUser": self.below(u64::MAX)},
                    "ports": [{"containerPort": self.below(65_536)}], "free": [self.map(), {}, []],
                })
            })
            .collect();
        serde_json::json!({
            "apiVersion": "v1", "kind": self.word(),
            "metadata": {"name": self.word(), "labels": self.map(), "annotations": self.map(),
                "generation": self.below(u64::MAX), "managedFields": [{"fieldsV1": {"f:a": {}, ".": self.map()}}]},
            "spec": {"containers": containers, "nodeSelector": self.map(),
                "priority": i64::try_from(self.below(1 << 62)).unwrap() - (1 << 61),
                "volumes": [{"csi": {"volumeAttributes": self.map()}}]},
        })
    }
}

#[test]
fn five_thousand_objects_come_back_leaf_by_leaf() {
    let mut seeded = Seeded(0x9e37_79b9_7f4a_7c15);
    for _ in 0..5_000 {
        let object = seeded.object();
        let document = Document::parse(object.to_string().as_bytes()).unwrap();
        assert_eq!(document.to_json().unwrap(), object);
        assert_eq!(Document::from_json(&object), document);
    }
}
