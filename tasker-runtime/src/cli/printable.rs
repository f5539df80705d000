//! Makes texts that are not ours fit to be shown: no name, result or error message may move the cursor, turn the
//! direction of what follows or pass for another line.

use std::borrow::Cow;

/// `text` on one line, in which every character that a terminal would follow or hide is written as an escape.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    escaped(text, is_hidden)
}

/// As [`printable`], for texts of several lines.
pub(crate) fn printable_lines(text: &str) -> Cow<'_, str> {
    escaped(text, |c| is_hidden(c) && !matches!(c, '\n' | '\t'))
}

/// JSON that means the same and is fit to be shown. Outside of its texts JSON has none of these characters but
/// line breaks, so that each may be written as JSON escapes it.
pub(crate) fn printable_json(json: String) -> String {
    if !json.contains(|c| is_hidden(c) && c != '\n') {
        return json;
    }
    let mut shown = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if is_hidden(c) && c != '\n' {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| shown.push_str(&format!("\\u{unit:04x}")));
        } else {
            shown.push(c);
        }
    }
    shown
}

/// As [`printable_lines`], and colours stay: for lines of ours, in which nothing else may have slipped.
pub(crate) fn with_colours(text: &str) -> Cow<'_, str> {
    if !text.contains('\x1b') {
        return printable_lines(text);
    }
    let (mut shown, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find("\x1b[") {
        let parameters = rest[at + 2..].trim_start_matches(|c: char| c.is_ascii_digit() || c == ';');
        let Some(behind) = parameters.strip_prefix('m') else {
            shown.push_str(&printable_lines(&rest[..at + 2]));
            rest = &rest[at + 2..];
            continue;
        };
        shown.push_str(&printable_lines(&rest[..at]));
        shown.push_str(&rest[at..rest.len() - behind.len()]);
        rest = behind;
    }
    shown.push_str(&printable_lines(rest));
    Cow::Owned(shown)
}

fn escaped(text: &str, is_hidden: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_hidden(c) { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    Cow::Owned(shown)
}

/// Control characters, marks that turn the direction of writing, and characters without any width. Joiners stay:
/// scripts and emoji are written with them.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{feff}')
        || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fff9}'..='\u{fffb}')
        || matches!(c, '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_follow_is_written_as_an_escape() {
        for (text, shown) in [
            ("plain – ä 日本 👩‍👩‍👧", "plain – ä 日本 👩‍👩‍👧"),
            ("\x1b[2J\x1b]0;title\x07", "\\u{1b}[2J\\u{1b}]0;title\\u{7}"),
            ("done\rfail", "done\\rfail"),
            ("a\nerror: b\tc", "a\\nerror: b\\tc"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("ab\u{202e}cd\u{2066}", "ab\\u{202e}cd\\u{2066}"),
            ("\u{7f}\0", "\\u{7f}\\u{0}"),
        ] {
            assert_eq!(printable(text), shown);
        }
        assert_eq!(printable_lines("a\nb\tc\r"), "a\nb\tc\\r");
    }

    #[test]
    fn json_means_the_same() {
        let json = "{\n  \"a\": \"\u{202e}x\u{9b}\u{e0001}\"\n}".to_owned();
        let shown = printable_json(json.clone());
        assert_eq!(shown, "{\n  \"a\": \"\\u202ex\\u009b\\udb40\\udc01\"\n}");
        let read = |json: &str| serde_json::from_str::<serde_json::Value>(json).ok();
        assert_eq!(read(&shown), read(&json));
    }

    #[test]
    fn colours_stay_and_nothing_else() {
        assert_eq!(with_colours("\x1b[1;31mred\x1b[0m\x1b[2K\x1b"), "\x1b[1;31mred\x1b[0m\\u{1b}[2K\\u{1b}");
        assert_eq!(with_colours("a\x1b[31"), "a\\u{1b}[31");
    }
}
