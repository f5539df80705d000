//! JSON that a command is given.

use std::{
    fs::File,
    io::{self, Read},
};

use super::Failure;
use crate::model::Json;

/// The largest input that is read, in bytes: 64 MiB.
const MAX_INPUT: u64 = 64 << 20;

/// JSON given as text, as `@file` or as `-` for standard input, with this option of this command.
pub(crate) fn read(input: &str, option: &str, command: &str) -> Result<Json, Failure> {
    let refused = |message| Failure::usage(message).try_this(format!("{command} --help"));
    let (name, text) = match input.strip_prefix('@') {
        Some(path) => {
            let text = File::open(path)
                .and_then(text_of)
                .map_err(|error| refused(format!("cannot read the input file {path}: {error}")))?;
            (path.to_owned(), text)
        }
        None if input == "-" => {
            let text = text_of(io::stdin().lock())
                .map_err(|error| refused(format!("cannot read standard input: {error}")))?;
            ("standard input".to_owned(), text)
        }
        None => (option.to_owned(), input.to_owned()),
    };
    Json::from_text(text.trim()).map_err(|error| refused(format!("{name} is not valid JSON: {error}")))
}

/// All of a text in UTF-8 or, where a mark at its beginning says so, in UTF-16.
fn text_of(source: impl Read) -> io::Result<String> {
    let mut bytes = Vec::new();
    source.take(MAX_INPUT + 1).read_to_end(&mut bytes)?;
    let invalid = |problem: String| io::Error::new(io::ErrorKind::InvalidData, problem);
    if bytes.len() as u64 > MAX_INPUT {
        return Err(invalid(format!("it is larger than {} MiB", MAX_INPUT >> 20)));
    }
    match &*bytes {
        [0xff, 0xfe, units @ ..] => utf16(units, u16::from_le_bytes),
        [0xfe, 0xff, units @ ..] => utf16(units, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, text @ ..] => utf8(text.to_vec()),
        [0, _, ..] | [_, 0, ..] => Err(invalid("it looks like UTF-16: save it as UTF-8".to_owned())),
        _ => utf8(bytes),
    }
}

fn utf8(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to() + 1;
        io::Error::new(io::ErrorKind::InvalidData, format!("byte {at} is not valid UTF-8"))
    })
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> io::Result<String> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let units: Vec<u16> = pairs.iter().map(|pair| unit(*pair)).collect();
    let text = String::from_utf16(&units).ok().filter(|_| rest.is_empty());
    text.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "it is not valid UTF-16"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_in_every_encoding_that_says_what_it_is() {
        let units =
            |unit: fn(u16) -> [u8; 2]| "\u{feff}{\"ä\"}".encode_utf16().flat_map(unit).collect::<Vec<_>>();
        for bytes in [
            "{\"ä\"}".as_bytes().to_vec(),
            "\u{feff}{\"ä\"}".as_bytes().to_vec(),
            units(u16::to_le_bytes),
            units(u16::to_be_bytes),
        ] {
            assert_eq!(text_of(&*bytes).unwrap(), "{\"ä\"}");
        }
    }

    #[test]
    fn what_is_not_text_is_refused_with_what_it_is() {
        for (bytes, problem) in [
            (&b"{\0\"\0"[..], "looks like UTF-16"),
            (b"\0{\0\"", "looks like UTF-16"),
            (b"{\"\xff\"}", "byte 3 is not valid UTF-8"),
            (b"\xff\xfe{", "not valid UTF-16"),
            (b"\xff\xfe\x00\xd8", "not valid UTF-16"),
        ] {
            assert!(text_of(bytes).unwrap_err().to_string().contains(problem), "{bytes:?}");
        }
    }

    #[test]
    fn input_without_an_end_is_refused_once_it_is_too_large() {
        assert_eq!(text_of(io::repeat(b' ')).unwrap_err().to_string(), "it is larger than 64 MiB");
        assert!(text_of(io::repeat(b' ').take(MAX_INPUT)).is_ok());
    }
}
