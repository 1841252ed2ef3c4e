//! Where a module stands in the YAML that it is written in.

use crate::policy::engine::ast::Origin;
use crate::policy::metadata::Node;

/// The place of a text that was read from a node of a file. Only a block keeps its lines; of what was folded, quoted or
/// changed on the way nothing more is told than where it begins.
pub(super) fn of(file: &str, node: &Node, text: &str) -> Origin {
    let Some(at) = node.at else {
        return Origin::File;
    };
    let lines: Vec<&str> = file.lines().collect();
    // A reader may point at the block's mark, or at its first line.
    let inside = [at.line, at.line.saturating_sub(1)]
        .into_iter()
        .find_map(|above| {
            let below = lines.get(usize::try_from(above).ok()?..)?;
            let columns = indentation(below, text)?;
            Some(Origin::Inside {
                lines: above,
                columns,
            })
        });
    inside.unwrap_or(Origin::At(at))
}

/// How far a text is indented, if these lines begin with it.
fn indentation(lines: &[&str], text: &str) -> Option<u32> {
    let first = text.lines().position(|line| !line.trim().is_empty())?;
    let columns = lines
        .get(first)?
        .len()
        .checked_sub(text.lines().nth(first)?.len())?;
    let same = |(number, line): (usize, &str)| match lines.get(number) {
        Some(written) => {
            let begin = written.get(..columns).unwrap_or(written);
            begin.trim().is_empty()
                && written.get(columns..).unwrap_or_default().trim_end() == line.trim_end()
        }
        None => line.trim().is_empty(),
    };
    if !text.lines().enumerate().all(same) {
        return None;
    }
    u32::try_from(columns).ok()
}
