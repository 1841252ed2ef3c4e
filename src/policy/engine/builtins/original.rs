//! The engine's own builtins, for functions of ours that only check operands before them.

use std::sync::LazyLock;

use regorus::unstable::{BUILTINS, Expr, Ref, Rule, RuleHead, Span};
use regorus::{Engine, LimitError, Value};

use super::{BuiltinErrors, EVALUATION, TooMuch, weight};
use crate::policy::engine::ast::message_in;

/// The engine wants to know where a call stands. Where it really stands is told by the error of the extension.
struct Place {
    span: Span,
    operands: Vec<Ref<Expr>>,
}

static PLACE: LazyLock<Option<Place>> = LazyLock::new(|| {
    let mut engine = Engine::new();
    engine
        .add_policy("(builtin)".into(), "package p\nx := f(1, 2, 3, 4)\n".into())
        .ok()?;
    let modules = engine.get_modules();
    let rule = modules.first()?.policy.first()?;
    let Rule::Spec {
        head: RuleHead::Compr {
            assign: Some(assign), ..
        },
        ..
    } = rule.as_ref()
    else {
        return None;
    };
    let Expr::Call { span, params, .. } = assign.value.as_ref() else {
        return None;
    };
    Some(Place {
        span: span.clone(),
        operands: params.clone(),
    })
});

/// Calls the engine's builtin of this name, which takes whatever is wrong for an error. Its errors are told without a
/// place; operands that are too heavy to be quoted in them are refused.
pub(super) fn call(name: &str, values: &[Value]) -> anyhow::Result<Value> {
    values.iter().try_for_each(|value| weight::check(value, name))?;
    run(name, values, true)
}

/// Calls one whose operands have been checked, as strict as the evaluation is.
pub(super) fn call_as_told(name: &str, values: &[Value]) -> anyhow::Result<Value> {
    run(name, values, EVALUATION.get().errors == BuiltinErrors::Fault)
}

fn run(name: &str, values: &[Value], strict: bool) -> anyhow::Result<Value> {
    let (Some((builtin, _)), Some(place)) = (BUILTINS.get(name), PLACE.as_ref()) else {
        anyhow::bail!("{name}: there is no such builtin");
    };
    let value = builtin(&place.span, &place.operands, values, strict).map_err(|error| {
        let message = format!("{name}: {}", message_in(&error.to_string()));
        match error.is::<LimitError>() {
            true => TooMuch(message).into(),
            false => anyhow::anyhow!(message),
        }
    })?;
    match value {
        // Some of its errors are no value, even when it is strict.
        Value::Undefined if !WITHOUT_VALUE.contains(&name) => {
            anyhow::bail!("{name}: there is no value for these operands")
        }
        value => Ok(value),
    }
}

/// Those that have no value for some operands, without an error.
const WITHOUT_VALUE: [&str; 3] = ["max", "min", "uuid.parse"];
