//! Rows that are no wider than the terminal.

use unicode_width::UnicodeWidthChar;

use super::screen::width_of;

/// `text` in at most `width` columns; where it is wider, `…` stands for the rest. It has no colours.
pub(super) fn cut(text: &str, width: usize) -> String {
    if width_of(text) <= width {
        return text.to_owned();
    }
    let mut left = width.saturating_sub(1);
    let fits = |c: &char| {
        let taken = c.width().unwrap_or(0);
        let fits = taken <= left;
        left = left.saturating_sub(taken);
        fits
    };
    text.chars().take_while(fits).chain((width > 0).then_some('…')).collect()
}

/// A name in at most `width` columns, with its end: that is often what tells it from others.
fn cut_middle(name: &str, width: usize) -> String {
    if width_of(name) <= width {
        return name.to_owned();
    }
    let end = cut_start(name, width / 3 + 1);
    // The `…` of the beginning stands for both.
    let end = end.strip_prefix('…').unwrap_or(&end);
    cut(name, width - width_of(end)) + end
}

/// The end of `text` in at most `width` columns.
fn cut_start(text: &str, width: usize) -> String {
    let reversed: String = text.chars().rev().collect();
    cut(&reversed, width).chars().rev().collect()
}

/// A row of at most `width` columns: what stands left of the name, the name and what stands behind it; then the
/// state, which is always seen; then of `rest` as much as fits.
pub(super) fn fitted([left, name, also]: [&str; 3], state: &str, rest: &[String], width: usize) -> String {
    let room = width.saturating_sub(width_of(state));
    // The name matters more than how deep it stands.
    let left = cut_start(left, room.saturating_sub(width_of(name)).max(room / 3));
    let room = room.saturating_sub(width_of(&left));
    let also = if width_of(name) + width_of(also) <= room { also } else { "" };
    let mut row = format!("{left}{}{also}{state}", cut_middle(name, room));
    for part in rest {
        let room = width.saturating_sub(width_of(&row));
        if width_of(part) <= room {
            row.push_str(part);
        } else if room > 8 && !part.contains('\x1b') {
            row.push_str(&cut(part, room));
        }
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATE: &str = "  \x1b[33m● in_progress\x1b[0m";

    #[test]
    fn state_is_seen_however_narrow_the_terminal_is() {
        let name = "a_very_long_name_of_a_step_that_nobody_would_want_to_type_twice_in_a_day_or_ever_again";
        let rest = [" attempt 12".to_owned(), String::new(), " CODE: a message of some length".to_owned()];
        for left in ["└─ ", &"│  ".repeat(40)] {
            for width in [16, 20, 40, 79, 200] {
                let row = fitted([left, name, " (also after b, c)"], STATE, &rest, width);
                assert!(width_of(&row) <= width, "{width}: {row}");
                assert!(row.contains("● in_progress"), "{width}: {row}");
            }
        }
    }

    #[test]
    fn what_fits_is_shown_whole_and_the_rest_is_marked() {
        let rest = [String::new(), String::new(), " {\"a\": 1}".to_owned()];
        let row = fitted(["└─ ", "a", " (also after b)"], "  ✓", &rest, 79);
        assert_eq!(row, "└─ a (also after b)  ✓ {\"a\": 1}");
        assert_eq!(fitted(["└─ ", "abcdef", " (also after b)"], "  ✓", &rest, 10), "… abc…f  ✓");
        assert_eq!(cut("日本語", 5), "日本…");
        assert_eq!(cut("日本語", 4), "日…");
        assert_eq!((cut("ab", 2), cut("ab", 0)), ("ab".to_owned(), String::new()));
    }
}
