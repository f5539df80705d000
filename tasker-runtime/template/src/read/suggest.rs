//! "Did you mean" for a whole file: the nearest name, as far as there is time for it.

use crate::nearest::{distance, plain};

/// How many character comparisons one file may cost. A file full of wrong names must not take longer
/// to refuse than a good one to load.
const COMPARISONS: usize = 4_000_000;

/// What is left for suggestions.
pub(crate) struct Budget(usize);

impl Default for Budget {
    fn default() -> Self {
        Self(COMPARISONS)
    }
}

impl Budget {
    /// The name nearest to `written`, `None` where none is near or the budget is spent.
    pub(crate) fn nearest<'k>(
        &mut self,
        written: &str,
        known: impl IntoIterator<Item = &'k str>,
    ) -> Option<&'k str> {
        let plain = plain(written);
        let mut best: Option<(usize, &str)> = None;
        for name in known {
            self.0 = self.0.saturating_sub(1 + plain.len() * name.len());
            if self.0 == 0 {
                return None;
            }
            match distance(&plain, name) {
                Some(distance) if best.is_none_or(|(nearest, _)| distance < nearest) => {
                    best = Some((distance, name));
                }
                _ => {}
            }
        }
        best.map(|(_, name)| name)
    }
}
