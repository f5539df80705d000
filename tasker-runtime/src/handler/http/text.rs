//! Texts of servers, as they may be stored and shown.

/// The text, of at most `bytes` bytes.
pub(super) fn cut(mut text: String, bytes: usize) -> String {
    text.truncate(text.floor_char_boundary(bytes));
    text
}

/// The text in one line, with everything escaped that a terminal would act on rather than show.
pub(super) fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '"' | '\'' | '\\' => out.push(letter),
            // Behind a letter, marks that belong to it stay.
            _ => out.extend(format!("a{letter}").escape_debug().skip(1)),
        }
    }
    out
}

/// The beginning of a text, of about `bytes` bytes, printable, and with a sign where it was cut.
pub(super) fn start_of(text: &str, bytes: usize) -> String {
    let start = &text[..text.floor_char_boundary(bytes)];
    let more = if start.len() < text.len() { "…" } else { "" };
    format!("{}{more}", printable(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_acts_on_is_escaped_and_the_rest_stays() {
        for (text, shown) in [
            ("<p class=\"a\">it's</p>", "<p class=\"a\">it's</p>"),
            ("a\r\nb\tc", "a\\r\\nb\\tc"),
            ("\u{1b}[2Jgone", "\\u{1b}[2Jgone"),
            ("\u{9b}2J", "\\u{9b}2J"),
            ("a\u{202e}b\u{2066}\u{200b}\u{feff}", "a\\u{202e}b\\u{2066}\\u{200b}\\u{feff}"),
            ("naïve नमस्ते e\u{301} 日本", "naïve नमस्ते e\u{301} 日本"),
            ("\0\u{7f}", "\\0\\u{7f}"),
        ] {
            assert_eq!(printable(text), shown, "{text:?}");
        }
    }

    #[test]
    fn long_text_is_cut_between_letters_and_says_so() {
        assert_eq!(start_of("äää", 3), "ä…");
        assert_eq!(start_of("ää", 4), "ää");
        assert_eq!(cut("äää".to_owned(), 3), "ä");
    }
}
