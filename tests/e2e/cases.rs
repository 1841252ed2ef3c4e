//! The cases, one file per subject. A case's name is the sentence that it proves.

mod plain;

use crate::Case;

/// Every case.
pub(crate) const ALL: &[&[Case]] = &[plain::CASES];

/// Lists functions as cases under their own names.
macro_rules! cases {
    ($($case:ident),+ $(,)?) => {
        /// The cases of this file.
        pub(crate) const CASES: &[$crate::Case] = &[$((stringify!($case), $case)),+];
    };
}
use cases;
