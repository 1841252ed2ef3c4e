//! Builtins on drawn operands beside the real OPA: thousands of calls, the same in every run.
//!
//! What OPA answers must be answered the same; what has no value there must be a fault here, or no value where a policy
//! asks for OPA's way.

use anyhow::{Result, ensure};
use regate::policy::Fault;
use serde_json::{Value, json};

use crate::builtins::{evaluate, in_opa, same, set};
use crate::cases::TEXTS;

const NUMBERS: &[f64] = &[1.5, -1.5, 0.5, 2.5, 0.25, -7.75];

const INTEGERS: &[i64] = &[0, 1, -1, 2, 3, 5, 7, 10, 16, 36, 37, 64, 100, 255, -5, 1_000_000];

struct Draw(u64);

impl Draw {
    fn below(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % below.max(1) as u64).unwrap_or_default()
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> Option<T> {
        of.get(self.below(of.len())).copied()
    }

    fn text(&mut self) -> Value {
        match self.below(6) {
            0 => json!(
                (0..self.below(6))
                    .map(|_| self.one(&["a", "b", "X", "é", " ", "."]).unwrap_or_default())
                    .collect::<String>()
            ),
            _ => json!(self.one(TEXTS)),
        }
    }

    fn number(&mut self) -> Value {
        match self.below(4) {
            0 => json!(self.below(8)),
            1 => json!(self.one(NUMBERS)),
            _ => json!(self.one(INTEGERS)),
        }
    }

    fn key(&mut self) -> String {
        self.one(&[
            "a",
            "b",
            "c",
            "0",
            "1",
            "",
            "a/b",
            "a~b",
            "~1",
            "$serde_json::private::Number",
            "é",
            "-",
        ])
        .unwrap_or_default()
        .to_owned()
    }

    fn object(&mut self, depth: usize) -> Value {
        (0..self.below(4))
            .map(|_| (self.key(), self.any(depth)))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }

    fn array(&mut self, depth: usize) -> Value {
        (0..self.below(4))
            .map(|_| self.any(depth))
            .collect::<Vec<_>>()
            .into()
    }

    fn any(&mut self, depth: usize) -> Value {
        match self.below(if depth > 2 { 6 } else { 10 }) {
            0 => json!(null),
            1 => json!(self.below(2) == 0),
            2 | 3 => self.number(),
            4 | 5 => self.text(),
            6 | 7 => self.array(depth + 1),
            _ => self.object(depth + 1),
        }
    }

    fn texts(&mut self) -> Value {
        (0..self.below(4))
            .map(|_| {
                if self.below(12) == 0 {
                    self.any(1)
                } else {
                    self.text()
                }
            })
            .collect::<Vec<_>>()
            .into()
    }

    fn paths(&mut self) -> Value {
        (0..self.below(4))
            .map(|_| match self.below(3) {
                0 => (0..self.below(3))
                    .map(|_| {
                        if self.below(4) == 0 {
                            self.number()
                        } else {
                            json!(self.key())
                        }
                    })
                    .collect::<Vec<_>>()
                    .into(),
                _ => json!(
                    (0..1 + self.below(3))
                        .map(|_| self.key().replace('~', "~0").replace('/', "~1"))
                        .collect::<Vec<_>>()
                        .join("/")
                ),
            })
            .collect::<Vec<_>>()
            .into()
    }

    fn patch(&mut self) -> Value {
        (0..self.below(4))
            .map(|_| {
                let path = |d: &mut Self| match d.below(8) {
                    0 => (0..=d.below(2))
                        .map(|_| json!(d.key()))
                        .collect::<Vec<_>>()
                        .into(),
                    _ => json!(
                        (0..=d.below(2))
                            .map(|_| format!("/{}", d.key().replace('~', "~0").replace('/', "~1")))
                            .collect::<String>()
                    ),
                };
                let mut operation = serde_json::Map::new();
                operation.insert(
                    "op".into(),
                    json!(self.one(&["add", "remove", "replace", "move", "copy", "test", "x"])),
                );
                if self.below(10) > 0 {
                    operation.insert("path".into(), path(self));
                }
                if self.below(3) > 0 {
                    operation.insert("from".into(), path(self));
                }
                if self.below(5) > 0 {
                    operation.insert("value".into(), self.any(1));
                }
                Value::from(operation)
            })
            .collect::<Vec<_>>()
            .into()
    }

    fn numeric(&mut self) -> Value {
        (0..self.below(5))
            .map(|_| {
                if self.below(15) == 0 {
                    self.any(1)
                } else {
                    self.number()
                }
            })
            .collect::<Vec<_>>()
            .into()
    }

    fn of(&mut self, kind: char) -> Value {
        if kind != 'i' && self.below(12) == 0 {
            return self.any(0);
        }
        match kind {
            't' => self.text(),
            'n' => self.number(),
            'i' => json!(i64::try_from(self.below(40)).unwrap_or_default() - 4),
            'o' => self.object(0),
            'a' => self.array(0),
            'T' => self.texts(),
            'N' => self.numeric(),
            'P' => self.paths(),
            'J' => self.patch(),
            'O' => (0..self.below(4))
                .map(|_| self.object(0))
                .collect::<Vec<_>>()
                .into(),
            'A' => (0..self.below(4))
                .map(|_| self.array(0))
                .collect::<Vec<_>>()
                .into(),
            'p' => (0..self.below(4))
                .map(|_| (self.text().as_str().unwrap_or("").to_owned(), self.text()))
                .collect::<serde_json::Map<_, _>>()
                .into(),
            'g' => ["a", "b", "c"]
                .map(|k| {
                    (
                        k.to_owned(),
                        Value::from(
                            (0..self.below(3))
                                .map(|_| json!(self.one(&["a", "b", "c", "d"])))
                                .collect::<Vec<_>>(),
                        ),
                    )
                })
                .into_iter()
                .collect::<serde_json::Map<_, _>>()
                .into(),
            'b' => json!(self.below(2) == 0),
            _ => self.any(0),
        }
    }
}

/// Name and kinds of the operands; an upper-case list kind is drawn as a set, too.
const CALLS: &[(&str, &str)] = &[
    ("abs", "n"),
    ("array.concat", "aa"),
    ("array.flatten", "a"),
    ("array.reverse", "a"),
    ("array.slice", "ann"),
    ("base64.decode", "t"),
    ("base64.encode", "t"),
    ("base64.is_valid", "t"),
    ("base64url.decode", "t"),
    ("base64url.encode", "t"),
    ("base64url.encode_no_pad", "t"),
    ("bits.and", "nn"),
    ("bits.lsh", "ni"),
    ("bits.negate", "n"),
    ("bits.or", "nn"),
    ("bits.rsh", "ni"),
    ("bits.xor", "nn"),
    ("ceil", "n"),
    ("concat", "tT"),
    ("contains", "tt"),
    ("count", "x"),
    ("crypto.sha256", "t"),
    ("endswith", "tt"),
    ("floor", "n"),
    ("format_int", "nn"),
    ("glob.quote_meta", "t"),
    ("graph.reachable", "gT"),
    ("hex.decode", "t"),
    ("hex.encode", "t"),
    ("indexof", "tt"),
    ("indexof_n", "tt"),
    ("is_array", "x"),
    ("is_number", "x"),
    ("is_object", "x"),
    ("json.filter", "oP"),
    ("json.marshal", "x"),
    ("json.marshal_with_options", "xo"),
    ("json.patch", "xJ"),
    ("json.remove", "oP"),
    ("json.unmarshal", "t"),
    ("lower", "t"),
    ("max", "N"),
    ("max", "a"),
    ("min", "N"),
    ("min", "a"),
    ("net.cidr_contains", "tt"),
    ("net.cidr_is_valid", "t"),
    ("numbers.range", "ii"),
    ("numbers.range_step", "iii"),
    ("object.filter", "oT"),
    ("object.filter", "oo"),
    ("object.get", "otx"),
    ("object.get", "oTx"),
    ("object.keys", "o"),
    ("object.remove", "oT"),
    ("object.remove", "oo"),
    ("object.subset", "xx"),
    ("object.subset", "oo"),
    ("object.subset", "aa"),
    ("object.union", "oo"),
    ("object.union_n", "O"),
    ("regex.is_valid", "t"),
    ("regex.match", "tt"),
    ("regex.split", "tt"),
    ("round", "n"),
    ("semver.compare", "tt"),
    ("semver.is_valid", "t"),
    ("sort", "a"),
    ("sort", "N"),
    ("split", "tt"),
    ("startswith", "tt"),
    ("strings.any_prefix_match", "TT"),
    ("strings.any_prefix_match", "tt"),
    ("strings.any_suffix_match", "TT"),
    ("strings.count", "tt"),
    ("strings.reverse", "t"),
    ("strings.split_n", "ttn"),
    ("substring", "tnn"),
    ("time.clock", "n"),
    ("time.date", "n"),
    ("time.parse_duration_ns", "t"),
    ("time.parse_rfc3339_ns", "t"),
    ("time.weekday", "n"),
    ("trim", "tt"),
    ("trim_left", "tt"),
    ("trim_prefix", "tt"),
    ("trim_right", "tt"),
    ("trim_space", "t"),
    ("trim_suffix", "tt"),
    ("type_name", "x"),
    ("units.parse", "t"),
    ("units.parse_bytes", "t"),
    ("upper", "t"),
    ("uri.is_valid", "t"),
    ("uri.parse", "t"),
    ("urlquery.decode", "t"),
    ("urlquery.decode_object", "t"),
    ("urlquery.encode", "t"),
    ("urlquery.encode_object", "p"),
    ("uuid.parse", "t"),
    ("yaml.is_valid", "t"),
    ("yaml.unmarshal", "t"),
];

/// What OPA reads and Regate refuses: bytes that are no text, keys that are there twice.
const STRICTER: [&str; 4] = [
    "base64.decode",
    "base64url.decode",
    "json.unmarshal",
    "yaml.unmarshal",
];

/// What has no value for some operands in OPA, without an error.
const WITHOUT_VALUE: [&str; 3] = ["max", "min", "uuid.parse"];

/// How many calls of each form.
const CALLS_OF_EACH: usize = 60;

/// A builtin, and which of its operands are sets, as bits.
struct Form {
    name: &'static str,
    kinds: &'static str,
    sets: usize,
}

impl Form {
    /// All forms: what takes a set or an array is drawn as both.
    fn all() -> Vec<Form> {
        let mut forms = Vec::new();
        for (name, kinds) in CALLS {
            let takes_sets = |(_, kind): &(usize, char)| match kind {
                'T' | 'N' | 'P' => true,
                'a' => ["max", "min", "sort", "object.subset"].contains(name),
                'x' => *name != "json.patch",
                _ => false,
            };
            let mut all = vec![0usize];
            for (at, _) in kinds.chars().enumerate().filter(takes_sets) {
                let with: Vec<usize> = all.iter().map(|sets| sets | 1 << at).collect();
                all.extend(with);
            }
            forms.extend(all.into_iter().map(|sets| Form { name, kinds, sets }));
        }
        forms
    }

    /// The call with the operands that stand in a list.
    fn call(&self, list: &str) -> String {
        let operand = |at: usize| match self.sets >> at & 1 {
            1 => format!("{{y | some y in {list}[{at}]}}"),
            _ => format!("{list}[{at}]"),
        };
        let operands: Vec<String> = (0..self.kinds.len()).map(operand).collect();
        format!("{}({})", self.name, operands.join(", "))
    }

    fn agrees(&self, theirs: Option<&Value>, strict: &Answer, lenient: &Answer) -> bool {
        match (theirs, strict, lenient) {
            (Some(theirs), Ok(Some(strict)), Ok(Some(lenient))) => same(theirs, strict) && strict == lenient,
            (Some(_), Err(Fault::Builtin { .. }), Ok(None)) => STRICTER.contains(&self.name),
            (None, Err(Fault::Builtin { .. }), Ok(None)) => true,
            // What is no collection cannot become a set.
            (None, Err(Fault::Builtin { .. }), Err(_)) => self.sets > 0,
            (None, Ok(None), Ok(None)) => WITHOUT_VALUE.contains(&self.name) || self.sets > 0,
            _ => false,
        }
    }
}

type Answer = Result<Option<Value>, Fault>;

pub(crate) fn calls() -> Result<()> {
    let (forms, mut draw) = (Form::all(), Draw(0x2545_f491_4f6c_dd1d));
    let (mut rules, mut policies, mut all) = (String::from("package p\n"), Vec::new(), Vec::new());
    for (number, form) in forms.iter().enumerate() {
        let (theirs, ours) = (form.call("list"), form.call("input.list"));
        rules.push_str(&format!(
            "answers[\"{number}\"][i] := v if {{ some i, list in input[{number}]; v := {theirs} }}\n"
        ));
        for (kind, head) in [
            ("s", ""),
            ("l", "# METADATA\n# custom: {builtinErrors: undefined}\n"),
        ] {
            policies.push(format!(
                "{head}package kubernetes.admission.{kind}{number}\ndeny contains {{\"msg\": \"\", \"details\": v}} if v := {ours}\n"
            ));
        }
        let operands = |draw: &mut Draw| form.kinds.chars().map(|kind| draw.of(kind)).collect();
        let drawn: Vec<Vec<Value>> = (0..CALLS_OF_EACH).map(|_| operands(&mut draw)).collect();
        all.push(drawn);
    }
    let theirs = in_opa(&rules, "data.p.answers", &json!(all).to_string())?;
    let set = set(&policies)?;
    let (mut differ, mut values) = (Vec::new(), 0);
    for (number, (form, drawn)) in forms.iter().zip(&all).enumerate() {
        for (at, operands) in drawn.iter().enumerate() {
            let theirs = theirs
                .get(number.to_string())
                .and_then(|all| all.get(at.to_string()));
            let input = json!({"list": operands}).to_string();
            let [strict, lenient] = ["s", "l"].map(|kind| evaluate(&set, &format!("{kind}{number}"), &input));
            values += usize::from(theirs.is_some());
            if !form.agrees(theirs, &strict, &lenient) {
                let call = format!("{} of {}", form.call(""), json!(operands));
                differ.push(format!(
                    "{call}: OPA {theirs:?}, Regate {strict:?}, leniently {lenient:?}"
                ));
            }
        }
    }
    ensure!(values > 3000, "only {values} values");
    let first = differ.iter().take(40).map(String::as_str).collect::<Vec<_>>();
    ensure!(
        differ.is_empty(),
        "{} differ:\n{}",
        differ.len(),
        first.join("\n")
    );
    Ok(())
}
