//! "Did you mean": the nearest name.

/// How many character comparisons one file may cost. A file full of wrong names must not take longer
/// to refuse than a good one to load.
const COMPARISONS: usize = 4_000_000;

/// Names longer than this are not compared.
const LONGEST: usize = 64;

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
        let plain = written.to_ascii_lowercase().replace('-', "_");
        if plain.len() > LONGEST || self.0 == 0 {
            return None;
        }
        let limit = plain.len() / 3 + 1;
        let mut best: Option<(usize, &str)> = None;
        for name in known {
            self.0 = self.0.saturating_sub(1);
            if name.len() > LONGEST || name.len().abs_diff(plain.len()) > limit {
                continue;
            }
            self.0 = self.0.saturating_sub(plain.len() * name.len());
            if self.0 == 0 {
                return None;
            }
            let distance = strsim::damerau_levenshtein(&plain, &name.to_ascii_lowercase());
            if distance <= limit
                && distance < name.len()
                && best.is_none_or(|(nearest, _)| distance < nearest)
            {
                best = Some((distance, name));
            }
        }
        best.map(|(_, name)| name)
    }
}
