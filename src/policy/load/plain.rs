//! One rule of modules that are no policies: loaded and evaluated as policies are, but for what is asked of policies only
//! (packages of a gate, METADATA, data that nothing provides or that stands over a rule).
//!
//! Called by what asks Regate how it reads Rego: the run over OPA's own cases and the pairs that are decided beside it.
//! Always holds: the rule goes through the same parsing, rewriting, checks and engine as the rules of a served policy.

use std::sync::Arc;

use super::{annotations, calls, data, on_a_deep_stack, overlaps, safety};
use crate::policy::Fault;
use crate::policy::engine::ast::Source;
use crate::policy::engine::builtins::BuiltinErrors;
use crate::policy::engine::group::Group;
use crate::policy::engine::{Document, Limits};
use crate::policy::files::Files;
use crate::policy::finding::Finding;

/// A rule that can be evaluated.
pub struct Rule {
    group: Group,
    entry: String,
    errors: BuiltinErrors,
}

impl Rule {
    /// Loads the files for a rule of theirs.
    ///
    /// # Errors
    /// Everything that was found, sorted by file and place.
    pub fn load(
        files: &Files,
        package: &[&str],
        rule: &str,
        errors: BuiltinErrors,
    ) -> Result<Self, Vec<Finding>> {
        on_a_deep_stack(files, || Self::load_here(files, package, rule, errors))
    }

    fn load_here(
        files: &Files,
        package: &[&str],
        rule: &str,
        errors: BuiltinErrors,
    ) -> Result<Self, Vec<Finding>> {
        let mut findings = Vec::new();
        let mut sources = Vec::new();
        for file in &files.modules {
            match Source::parse(file) {
                Ok(source) => {
                    findings.extend(source.findings.iter().cloned());
                    sources.push(source);
                }
                Err(finding) => findings.push(finding),
            }
        }
        let all_parsed = sources.len() == files.modules.len();
        let data = data::merged(&files.data, &[], &mut findings);
        overlaps(&sources, &mut findings);
        let outside = Arc::default();
        annotations::write_in(&mut sources, &mut findings);
        calls::check(&sources, all_parsed, &outside, &mut findings);
        if all_parsed {
            safety::check(&sources, &mut findings);
        }
        if !findings.is_empty() {
            return Err(findings);
        }
        let package: Vec<String> = package.iter().map(|&part| part.to_owned()).collect();
        let sources: Vec<&Source> = sources.iter().collect();
        let (group, entries) = Group::build(
            &sources,
            &[(package.as_slice(), vec![rule])],
            &data,
            errors,
            &outside,
        )
        .map_err(|finding| vec![finding])?;
        let entry = entries.into_iter().next().unwrap_or_default();
        Ok(Self { group, entry, errors })
    }

    /// The rule's value, if it has one; without an input `input` is undefined.
    ///
    /// # Errors
    /// As of a policy; where the errors of builtins are no value, they are none.
    pub fn evaluate(&self, input: Option<&Document>, limits: &Limits) -> Result<Option<Document>, Fault> {
        let undefined = Document::undefined();
        let input = input.unwrap_or(&undefined);
        let pairs = match self.errors {
            BuiltinErrors::Fault => self.group.evaluate(&self.entry, input, limits)?,
            BuiltinErrors::Undefined => self.group.evaluate_leniently(&self.entry, input, limits)?.0,
        };
        let pair = pairs.items().unwrap_or_default().into_iter().next();
        Ok(pair.and_then(|pair| pair.items()?.into_iter().nth(1)))
    }
}
