//! Types of values, as OPA declares the operands and results of builtins.

use serde_json::{Map, Value, json};

/// What a value may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    /// Anything.
    Any,
    /// `true` or `false`.
    Boolean,
    /// `null`.
    Null,
    /// A number.
    Number,
    /// A string.
    String,
    /// An array of any length.
    Array(&'static Type),
    /// An array of just these.
    Tuple(&'static [Type]),
    /// A set.
    Set(&'static Type),
    /// An object.
    Object {
        /// Members that it has.
        members: &'static [(&'static str, Type)],
        /// Keys and values of any others.
        rest: Option<(&'static Type, &'static Type)>,
    },
    /// Any of these.
    OneOf(&'static [Type]),
}

impl Type {
    /// As OPA writes it into its capabilities.
    pub(super) fn to_json(self) -> Value {
        match self {
            Type::Any => json!({"type": "any"}),
            Type::Boolean => json!({"type": "boolean"}),
            Type::Null => json!({"type": "null"}),
            Type::Number => json!({"type": "number"}),
            Type::String => json!({"type": "string"}),
            Type::Array(item) => json!({"type": "array", "dynamic": item.to_json()}),
            Type::Tuple(items) => json!({"type": "array", "static": list(items)}),
            Type::Set(item) => json!({"type": "set", "of": item.to_json()}),
            Type::OneOf(types) => json!({"type": "any", "of": list(types)}),
            Type::Object { members, rest } => {
                let mut object = Map::from_iter([("type".to_owned(), json!("object"))]);
                if !members.is_empty() {
                    let members = members.iter();
                    let members = members.map(|(key, value)| json!({"key": key, "value": value.to_json()}));
                    object.insert("static".into(), members.collect());
                }
                if let Some((key, value)) = rest {
                    let rest = json!({"key": key.to_json(), "value": value.to_json()});
                    object.insert("dynamic".into(), rest);
                }
                object.into()
            }
        }
    }
}

fn list(types: &[Type]) -> Vec<Value> {
    types.iter().map(|one| one.to_json()).collect()
}
