//! Writes values as JSON, and refuses what JSON cannot say instead of writing something else for it.
//!
//! `serde_json` writes `null` for a float that is not a number, which the next reader takes for an absent
//! value. It is an error here, with the path of the value. Nothing but the few functions that call a
//! value's own `serialize` is generic, since whoever uses the crate compiles these for each type.

use std::fmt::{Display, Write as _};
use std::ops::Range;

use serde::ser::{self, Serialize, Serializer};
use serde_json::{Error, Result};

/// The name under which `serde_json` hands over text that is JSON already.
const RAW: &str = "$serde_json::private::RawValue";
/// The same for a number, where its feature `arbitrary_precision` is on.
const NUMBER: &str = "$serde_json::private::Number";

/// As deep as `serde_json` reads.
pub(super) const MAX_LEVELS: usize = 127;

/// JSON that is being written.
pub(super) struct Writer {
    text: String,
    levels: usize,
    /// Whether an `Err` of a `Result` is refused.
    refuses_errors: bool,
    /// Whether some of it came as text, so that nobody has looked at its levels, keys and numbers.
    has_raw: bool,
    /// Where it went wrong, from the inside out; `None`: everywhere.
    path: Option<Vec<String>>,
}

/// JSON text; `true` where some of it was not written here.
pub(super) struct Written {
    pub(super) text: String,
    pub(super) has_raw: bool,
}

/// Writes `value`.
///
/// # Errors
/// What JSON cannot say, with its path.
pub(super) fn write<T: Serialize + ?Sized>(value: &T, refuses_errors: bool) -> Result<Written> {
    let mut writer = Writer {
        text: String::with_capacity(128),
        levels: 0,
        refuses_errors,
        has_raw: false,
        path: Some(Vec::new()),
    };
    let done = value.serialize(&mut writer);
    writer.finish(done)
}

fn error(message: impl Display) -> Error {
    ser::Error::custom(message)
}

impl Writer {
    fn finish(mut self, done: Result<()>) -> Result<Written> {
        let Err(problem) = done else { return Ok(Written { text: self.text, has_raw: self.has_raw }) };
        match self.path.as_mut().filter(|path| !path.is_empty()) {
            Some(path) => {
                path.reverse();
                Err(error(format_args!("at `{}`: {problem}", path.join("."))))
            }
            None => Err(problem),
        }
    }

    fn display(&mut self, value: impl Display) -> Result<()> {
        write!(self.text, "{value}").map_err(error)
    }

    fn quoted(&mut self, text: &str) -> Result<()> {
        let is_plain = |byte: u8| byte >= b' ' && !matches!(byte, b'"' | b'\\');
        if text.bytes().all(is_plain) {
            self.text.push('"');
            self.text.push_str(text);
            self.text.push('"');
        } else {
            self.text.push_str(&serde_json::to_string(text)?);
        }
        Ok(())
    }

    /// A float whose text is `written`.
    fn float(&mut self, value: f64, written: Result<String>) -> Result<()> {
        if !value.is_finite() {
            return Err(error(format_args!("{value} is not a number that JSON can express")));
        }
        self.text.push_str(&written?);
        Ok(())
    }

    fn open(&mut self, sign: char, kind: Kind) -> Result<Compound<'_>> {
        self.levels += 1;
        if self.levels > MAX_LEVELS {
            self.path = None;
            return Err(error(format_args!("nested deeper than {MAX_LEVELS} levels")));
        }
        self.text.push(sign);
        Ok(Compound::new(self, kind))
    }

    fn close(&mut self, sign: char) {
        self.levels -= 1;
        self.text.push(sign);
    }

    /// `{"variant":`, to be closed by [`Writer::close`].
    fn open_variant(&mut self, variant: &str) -> Result<()> {
        self.open('{', Kind::Map)?;
        self.quoted(variant)?;
        self.text.push(':');
        Ok(())
    }

    /// The end of a value: where it went wrong, `step` is part of the path.
    fn at(&mut self, step: impl Display, done: Result<()>) -> Result<()> {
        if let (Err(_), Some(path)) = (&done, &mut self.path) {
            path.push(step.to_string());
        }
        done
    }

    fn variant(&mut self, name: &str, variant: &str) -> Result<()> {
        if self.refuses_errors && name == "Result" && variant == "Err" {
            return Err(error(
                "a `Result` inside the result is an error, which would be recorded as success: return it as \
                 the error of the handler, with `?`, or make it an enum of your own where it is data",
            ));
        }
        self.open_variant(variant)
    }
}

/// What an array or an object stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Array,
    Map,
    /// Text that is JSON already.
    Raw,
}

/// An array or an object that is being written.
pub(super) struct Compound<'w> {
    writer: &'w mut Writer,
    kind: Kind,
    count: usize,
    /// The variant it belongs to, whose object is closed with it.
    variant: Option<&'static str>,
    /// Where the text of the last key of a map is.
    key: Range<usize>,
}

impl<'w> Compound<'w> {
    fn new(writer: &'w mut Writer, kind: Kind) -> Self {
        Self { writer, kind, count: 0, variant: None, key: 0..0 }
    }

    fn comma(&mut self) {
        if self.count > 0 {
            self.writer.text.push(',');
        }
        self.count += 1;
    }

    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        self.comma();
        let done = value.serialize(&mut *self.writer);
        self.writer.at(self.count - 1, done)
    }

    fn field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<()> {
        let start = self.begin(key)?;
        let done = value.serialize(&mut *self.writer);
        self.end_field(key, start, done)
    }

    /// Where the value of a field begins.
    fn begin(&mut self, key: &str) -> Result<usize> {
        if self.kind != Kind::Raw {
            self.comma();
            self.writer.quoted(key)?;
            self.writer.text.push(':');
        }
        Ok(self.writer.text.len())
    }

    fn end_field(&mut self, key: &str, start: usize, done: Result<()>) -> Result<()> {
        if self.kind == Kind::Raw {
            done?;
            // Written as a text, of which the content is what was meant.
            let content: String = serde_json::from_str(&self.writer.text[start..])?;
            self.writer.text.truncate(start);
            self.writer.text.push_str(&content);
            return Ok(());
        }
        self.writer.at(key, done)
    }

    /// Makes a key of what was written from `start` on.
    fn end_key(&mut self, start: usize, done: Result<()>) -> Result<()> {
        done?;
        let text = &mut self.writer.text;
        match text.as_bytes().get(start) {
            Some(b'"') => {}
            Some(b'-' | b't' | b'f' | b'0'..=b'9') => {
                text.insert(start, '"');
                text.push('"');
            }
            _ => return Err(error("key must be a string")),
        }
        self.key = start + 1..text.len() - 1;
        text.push(':');
        Ok(())
    }

    fn close(self) -> Result<()> {
        match self.kind {
            Kind::Array => self.writer.close(']'),
            Kind::Map => self.writer.close('}'),
            Kind::Raw => {}
        }
        if self.variant.is_some() {
            self.writer.close('}');
        }
        Ok(())
    }
}

impl<'w> Serializer for &'w mut Writer {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Compound<'w>;
    type SerializeTuple = Compound<'w>;
    type SerializeTupleStruct = Compound<'w>;
    type SerializeTupleVariant = Compound<'w>;
    type SerializeMap = Compound<'w>;
    type SerializeStruct = Compound<'w>;
    type SerializeStructVariant = Compound<'w>;

    fn serialize_bool(self, value: bool) -> Result<()> {
        self.text.push_str(if value { "true" } else { "false" });
        Ok(())
    }

    fn serialize_i8(self, value: i8) -> Result<()> {
        self.serialize_i64(value.into())
    }

    fn serialize_i16(self, value: i16) -> Result<()> {
        self.serialize_i64(value.into())
    }

    fn serialize_i32(self, value: i32) -> Result<()> {
        self.serialize_i64(value.into())
    }

    fn serialize_i64(self, value: i64) -> Result<()> {
        self.display(value)
    }

    fn serialize_i128(self, value: i128) -> Result<()> {
        self.display(value)
    }

    fn serialize_u8(self, value: u8) -> Result<()> {
        self.serialize_u64(value.into())
    }

    fn serialize_u16(self, value: u16) -> Result<()> {
        self.serialize_u64(value.into())
    }

    fn serialize_u32(self, value: u32) -> Result<()> {
        self.serialize_u64(value.into())
    }

    fn serialize_u64(self, value: u64) -> Result<()> {
        self.display(value)
    }

    fn serialize_u128(self, value: u128) -> Result<()> {
        self.display(value)
    }

    fn serialize_f32(self, value: f32) -> Result<()> {
        // Of an `f32` the shortest text is another one than that of the same number as `f64`.
        self.float(value.into(), serde_json::to_string(&value))
    }

    fn serialize_f64(self, value: f64) -> Result<()> {
        self.float(value, serde_json::to_string(&value))
    }

    fn serialize_char(self, value: char) -> Result<()> {
        self.quoted(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<()> {
        self.quoted(value)
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<()> {
        let mut array = self.open('[', Kind::Array)?;
        for byte in value {
            array.item(byte)?;
        }
        array.close()
    }

    fn serialize_none(self) -> Result<()> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<()> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<()> {
        self.text.push_str("null");
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<()> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<()> {
        self.quoted(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<()> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<()> {
        self.variant(name, variant)?;
        let done = value.serialize(&mut *self);
        self.at(variant, done)?;
        self.close('}');
        Ok(())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Compound<'w>> {
        self.open('[', Kind::Array)
    }

    fn serialize_tuple(self, _: usize) -> Result<Compound<'w>> {
        self.open('[', Kind::Array)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Compound<'w>> {
        self.open('[', Kind::Array)
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Compound<'w>> {
        self.variant(name, variant)?;
        Ok(Compound { variant: Some(variant), ..self.open('[', Kind::Array)? })
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Compound<'w>> {
        self.open('{', Kind::Map)
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Compound<'w>> {
        if matches!(name, RAW | NUMBER) {
            self.has_raw = true;
            return Ok(Compound::new(self, Kind::Raw));
        }
        self.open('{', Kind::Map)
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Compound<'w>> {
        self.variant(name, variant)?;
        Ok(Compound { variant: Some(variant), ..self.open('{', Kind::Map)? })
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<()> {
        self.quoted(&value.to_string())
    }
}

/// The traits of arrays, whose members are alike.
macro_rules! arrays {
    ($($name:ident::$method:ident),+) => {$(
        impl ser::$name for Compound<'_> {
            type Ok = ();
            type Error = Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
                self.item(value)
            }

            fn end(self) -> Result<()> {
                self.close()
            }
        }
    )+};
}

arrays!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field
);

impl ser::SerializeTupleVariant for Compound<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        let done = self.item(value);
        self.of_variant(done)
    }

    fn end(self) -> Result<()> {
        self.close()
    }
}

impl ser::SerializeStruct for Compound<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<()> {
        self.field(key, value)
    }

    fn end(self) -> Result<()> {
        self.close()
    }
}

impl ser::SerializeStructVariant for Compound<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<()> {
        let done = self.field(key, value);
        self.of_variant(done)
    }

    fn end(self) -> Result<()> {
        self.close()
    }
}

impl Compound<'_> {
    fn of_variant(&mut self, done: Result<()>) -> Result<()> {
        match self.variant {
            Some(variant) => self.writer.at(variant, done),
            None => done,
        }
    }
}

impl ser::SerializeMap for Compound<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<()> {
        self.comma();
        let start = self.writer.text.len();
        let done = key.serialize(&mut *self.writer);
        self.end_key(start, done)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        let done = value.serialize(&mut *self.writer);
        self.end_value(done)
    }

    fn end(self) -> Result<()> {
        self.close()
    }
}

impl Compound<'_> {
    fn end_value(&mut self, done: Result<()>) -> Result<()> {
        if done.is_err() {
            let key = self.writer.text[self.key.clone()].to_owned();
            return self.writer.at(key, done);
        }
        done
    }
}
