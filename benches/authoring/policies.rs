//! Five hundred policies with a test each, as files: what the commands of authors are measured on.

use std::fs;
use std::io;
use std::path::Path;

/// How many there are.
pub(crate) const COUNT: usize = 500;

const LIBRARY: &str = "package bench.pods\n\n\
    containers contains container if some container in input.request.object.spec.containers\n";

/// Writes them below `policies` in a directory.
pub(crate) fn write(directory: &Path) -> io::Result<()> {
    let policies = directory.join("policies");
    fs::create_dir_all(&policies)?;
    fs::write(policies.join("pods.rego"), LIBRARY)?;
    for number in 0..COUNT {
        fs::write(policies.join(format!("p{number}.rego")), policy(number))?;
        fs::write(policies.join(format!("p{number}_test.rego")), test(number))?;
    }
    Ok(())
}

fn policy(number: usize) -> String {
    format!(
        "# METADATA\n# custom:\n#   match: {{kinds: [Pod], namespaces: [team-{number}]}}\n\
         package kubernetes.admission.p{number}\n\nimport data.bench.pods\n\n\
         deny contains msg if {{\n\tsome container in pods.containers\n\
         \tnot startswith(container.image, \"registry-{number}/\")\n\
         \tmsg := sprintf(\"container %s must come from registry-{number}\", [container.name])\n}}\n"
    )
}

fn test(number: usize) -> String {
    format!(
        "package kubernetes.admission.p{number}_test\n\nimport data.kubernetes.admission.p{number}\n\n\
         pod(image) := {{\"request\": {{\"object\": {{\"spec\": {{\"containers\": [{{\"name\": \"web\", \"image\": image}}]}}}}}}}}\n\n\
         test_own_registry if {{\n\tmessages := p{number}.deny with input as pod(\"registry-{number}/web\")\n\
         \tmessages == set()\n}}\n\n\
         test_other_registry if {{\n\tmessages := p{number}.deny with input as pod(\"other/web\")\n\
         \tmessages == {{\"container web must come from registry-{number}\"}}\n}}\n"
    )
}
