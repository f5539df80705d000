//! From bytes to lines and columns.

use crate::report::{Position, Span};

/// Lines longer than this many bytes are named, not shown.
const SHOWN: usize = 2_000;

/// A source with the start of each of its lines.
pub(crate) struct Lines<'t> {
    source: &'t str,
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    pub(crate) fn new(source: &'t str) -> Self {
        let breaks = source.bytes().enumerate().filter(|&(_, byte)| byte == b'\n');
        let starts = std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect();
        Self { source, starts }
    }

    /// The place of `span`, cut at the end of its first line, and that line if it can be shown.
    pub(crate) fn locate(&self, span: Span) -> (Position, Option<String>) {
        let start = self.boundary(span.start as usize);
        let line = self.starts.partition_point(|&begin| begin <= start).max(1);
        let begin = self.starts[line - 1];
        let rest = &self.source[begin..];
        let text = rest.split_once('\n').map_or(rest, |(line, _)| line).trim_end();
        let end = self.boundary(span.end as usize).clamp(start, (begin + text.len()).max(start));
        let column = self.source[begin..start].chars().count() + 1;
        let shown = (text.len() <= SHOWN).then(|| text.to_owned());
        (Position { line, column, span: start..end }, shown)
    }

    /// The nearest place at or before `at` where a character starts.
    fn boundary(&self, at: usize) -> usize {
        self.source.floor_char_boundary(at)
    }
}
