//! What builtins are called, what they take and what they give: OPA's own declarations, and those of what is only here.
//!
//! The one table for everything that asks for names, operands and types: loading refuses by it, `regate capabilities`
//! prints it. It has OPA's other builtins too, so that a policy that calls one is told so; [`is_callable`] says which
//! are here. A test compares every row with the real OPA.

mod table;
mod types;

use regorus::unstable::BUILTINS;
use serde_json::{Map, Value, json};

pub(crate) use types::Type;

/// One builtin.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Declaration {
    /// Its whole name.
    pub(crate) name: &'static str,
    /// The types of its operands.
    pub(crate) operands: &'static [Type],
    /// Whether it takes any number of operands, of any type.
    pub(crate) variadic: bool,
    /// What it gives; `None` if it gives nothing.
    pub(crate) result: Option<Type>,
    /// The operator that it is written as.
    pub(crate) infix: Option<&'static str>,
    /// Whether it gives one result after the other.
    pub(crate) relation: bool,
    /// Whether OPA's strict mode refuses it.
    pub(crate) deprecated: bool,
    /// Whether it may answer otherwise at another time.
    pub(crate) nondeterministic: bool,
}

impl Declaration {
    const fn new(name: &'static str, operands: &'static [Type], result: Option<Type>) -> Self {
        Declaration {
            name,
            operands,
            variadic: false,
            result,
            infix: None,
            relation: false,
            deprecated: false,
            nondeterministic: false,
        }
    }

    const fn variadic(mut self) -> Self {
        self.variadic = true;
        self
    }

    const fn infix(mut self, operator: &'static str) -> Self {
        self.infix = Some(operator);
        self
    }

    const fn relation(mut self) -> Self {
        self.relation = true;
        self
    }

    const fn deprecated(mut self) -> Self {
        self.deprecated = true;
        self
    }

    const fn nondeterministic(mut self) -> Self {
        self.nondeterministic = true;
        self
    }

    /// As OPA writes it into its capabilities.
    fn to_json(self) -> Value {
        let mut decl = Map::from_iter([("type".to_owned(), json!("function"))]);
        if !self.operands.is_empty() {
            let operands: Vec<Value> = self.operands.iter().map(Type::to_json).collect();
            decl.insert("args".into(), operands.into());
        }
        if self.variadic {
            decl.insert("variadic".into(), Type::Any.to_json());
        }
        if let Some(result) = self.result {
            decl.insert("result".into(), result.to_json());
        }
        let mut object = Map::from_iter([
            ("name".to_owned(), json!(self.name)),
            ("decl".into(), decl.into()),
        ]);
        object.extend(self.infix.map(|infix| ("infix".to_owned(), json!(infix))));
        for (mark, is_set) in [
            ("relation", self.relation),
            ("deprecated", self.deprecated),
            ("nondeterministic", self.nondeterministic),
        ] {
            object.extend(is_set.then(|| (mark.to_owned(), json!(true))));
        }
        object.into()
    }
}

/// A builtin of OPA or of ours by its whole name, whether it is offered or not.
pub(crate) fn find(name: &str) -> Option<&'static Declaration> {
    let at = table::ALL.binary_search_by(|row| row.name.cmp(name)).ok()?;
    table::ALL.get(at)
}

/// Whether a builtin can be called by its name here.
fn is_callable(name: &str) -> bool {
    BUILTINS.contains_key(name) || super::is_ours(name)
}

/// All rows, in order.
#[cfg(test)]
pub(super) fn rows() -> &'static [Declaration] {
    table::ALL
}

/// A builtin that can be called by its name here.
pub(crate) fn callable(name: &str) -> Option<&'static Declaration> {
    find(name).filter(|builtin| is_callable(builtin.name))
}

/// All of them.
pub(super) fn all_callable() -> impl Iterator<Item = &'static Declaration> {
    table::ALL.iter().filter(|builtin| is_callable(builtin.name))
}

/// Whether policies have a builtin in any form: operators and `print` are no functions of the engine.
fn is_there(builtin: &Declaration) -> bool {
    const PRINT: [&str; 2] = ["internal.print", "print"];
    builtin.infix.is_some() || PRINT.contains(&builtin.name) || is_callable(builtin.name)
}

/// What OPA is told of this engine, without what loading refuses.
pub(crate) fn capabilities(is_offered: impl Fn(&str) -> bool) -> Value {
    let offered = table::ALL
        .iter()
        .filter(|builtin| is_there(builtin) && is_offered(builtin.name));
    let builtins: Vec<Value> = offered.map(|builtin| builtin.to_json()).collect();
    json!({
        "builtins": builtins,
        "future_keywords": [],
        "wasm_abi_versions": [],
        "features": ["keywords_in_refs", "rego_v1"],
    })
}
