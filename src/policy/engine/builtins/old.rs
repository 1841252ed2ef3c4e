//! Builtins that OPA keeps for old policies: `any`, `all`, `set_diff` and those that want a value to be of a type.

use std::collections::BTreeSet;

use regorus::Value;

use super::weight;

/// `all(collection)`: whether each item is `true`.
pub(super) fn all(values: &[Value]) -> anyhow::Result<Value> {
    let is_true = |item: &Value| *item == Value::Bool(true);
    match values.first() {
        Some(Value::Array(items)) => Ok(Value::from(items.iter().all(is_true))),
        Some(Value::Set(items)) => Ok(Value::from(items.iter().all(is_true))),
        _ => anyhow::bail!("all: operand 1 must be an array or a set"),
    }
}

/// `any(collection)`: whether an item is `true`.
pub(super) fn any(values: &[Value]) -> anyhow::Result<Value> {
    let is_true = |item: &Value| *item == Value::Bool(true);
    match values.first() {
        Some(Value::Array(items)) => Ok(Value::from(items.iter().any(is_true))),
        Some(Value::Set(items)) => Ok(Value::from(items.iter().any(is_true))),
        _ => anyhow::bail!("any: operand 1 must be an array or a set"),
    }
}

/// `set_diff(one, other)`: what is only in the first.
pub(super) fn set_diff(values: &[Value]) -> anyhow::Result<Value> {
    const NAME: &str = "set_diff";
    let [Value::Set(one), Value::Set(other)] = values else {
        anyhow::bail!("{NAME}: both operands must be sets");
    };
    values.iter().try_for_each(|value| weight::check(value, NAME))?;
    let rest: BTreeSet<Value> = one.iter().filter(|item| !other.contains(item)).cloned().collect();
    Ok(Value::from(rest))
}

/// `cast_array(collection)`: a set in its order.
pub(super) fn cast_array(values: &[Value]) -> anyhow::Result<Value> {
    match values.first() {
        Some(array @ Value::Array(_)) => Ok(array.clone()),
        Some(set @ Value::Set(items)) => {
            weight::check(set, "cast_array")?;
            Ok(Value::from(items.iter_sorted().cloned().collect::<Vec<_>>()))
        }
        _ => anyhow::bail!("cast_array: operand 1 must be an array or a set"),
    }
}

/// `cast_set(collection)`
pub(super) fn cast_set(values: &[Value]) -> anyhow::Result<Value> {
    match values.first() {
        Some(set @ Value::Set(_)) => Ok(set.clone()),
        Some(array @ Value::Array(items)) => {
            weight::check(array, "cast_set")?;
            Ok(Value::from(items.iter().cloned().collect::<BTreeSet<_>>()))
        }
        _ => anyhow::bail!("cast_set: operand 1 must be an array or a set"),
    }
}

/// `cast_boolean(x)`
pub(super) fn cast_boolean(values: &[Value]) -> anyhow::Result<Value> {
    cast(values, "cast_boolean", "a boolean", |value| {
        matches!(value, Value::Bool(_))
    })
}

/// `cast_null(x)`
pub(super) fn cast_null(values: &[Value]) -> anyhow::Result<Value> {
    cast(values, "cast_null", "null", |value| matches!(value, Value::Null))
}

/// `cast_object(x)`
pub(super) fn cast_object(values: &[Value]) -> anyhow::Result<Value> {
    cast(values, "cast_object", "an object", |value| {
        matches!(value, Value::Object(_))
    })
}

/// `cast_string(x)`
pub(super) fn cast_string(values: &[Value]) -> anyhow::Result<Value> {
    cast(values, "cast_string", "a string", |value| {
        matches!(value, Value::String(_))
    })
}

/// The value itself, if it is what it is wanted to be.
fn cast(values: &[Value], name: &str, wanted: &str, is_wanted: fn(&Value) -> bool) -> anyhow::Result<Value> {
    match values.first().filter(|value| is_wanted(value)) {
        Some(value) => Ok(value.clone()),
        None => anyhow::bail!("{name}: operand 1 must be {wanted}"),
    }
}

#[cfg(test)]
mod tests {
    use std::slice;

    use super::super::TooMuch;
    use super::*;

    #[test]
    fn only_true_is_true() {
        let of = |items: &[Value]| {
            let list = Value::from(items.to_vec());
            let set = Value::from(items.iter().cloned().collect::<BTreeSet<_>>());
            let (one, other) = (all(slice::from_ref(&list)).unwrap(), any(&[list]).unwrap());
            assert_eq!(
                (all(slice::from_ref(&set)).unwrap(), any(&[set]).unwrap()),
                (one.clone(), other.clone())
            );
            (one == Value::from(true), other == Value::from(true))
        };
        let (yes, no) = (Value::from(true), Value::from(false));
        assert_eq!(of(&[]), (true, false));
        assert_eq!(of(std::slice::from_ref(&yes)), (true, true));
        assert_eq!(of(&[yes, no]), (false, true));
        assert_eq!(of(&[Value::from("true"), Value::from(1u64)]), (false, false));
        for (name, error) in [("all", all(&[Value::Null])), ("any", any(&[Value::Null]))] {
            let told = error.unwrap_err().to_string();
            assert_eq!(told, format!("{name}: operand 1 must be an array or a set"));
        }
    }

    #[test]
    fn a_cast_gives_what_is_of_its_type_and_refuses_the_rest() {
        type Cast = fn(&[Value]) -> anyhow::Result<Value>;
        let casts: [(Cast, &str, &str, Value); 4] = [
            (cast_boolean, "cast_boolean", "a boolean", Value::from(false)),
            (cast_null, "cast_null", "null", Value::Null),
            (cast_object, "cast_object", "an object", Value::new_object()),
            (cast_string, "cast_string", "a string", Value::from("")),
        ];
        for (cast, name, wanted, own) in &casts {
            for (_, _, of, value) in &casts {
                match cast(slice::from_ref(value)) {
                    Ok(same) => assert!(of == wanted && same == *own, "{name} of {of}"),
                    Err(error) => {
                        assert_ne!(of, wanted);
                        assert_eq!(error.to_string(), format!("{name}: operand 1 must be {wanted}"));
                    }
                }
            }
        }
    }

    #[test]
    fn sets_of_what_nobody_could_write_down_are_too_much() {
        // It holds itself twice in each of forty steps.
        let endless = (0..40).fold(Value::from("x"), |value, _| {
            Value::from(vec![value.clone(), value])
        });
        let set = Value::from(BTreeSet::from([endless.clone()]));
        for (name, answer) in [
            ("set_diff", set_diff(&[set.clone(), Value::new_set()])),
            ("set_diff", set_diff(&[Value::new_set(), set.clone()])),
            ("cast_array", cast_array(&[set])),
            ("cast_set", cast_set(&[endless])),
        ] {
            let error = answer.unwrap_err();
            assert!(error.is::<TooMuch>(), "{error}");
            assert_eq!(
                error.to_string(),
                format!("{name}: the operands are more than 16 MiB")
            );
        }
    }
}
