//! What a plain scalar stands for, by the core schema of YAML 1.2.
//!
//! `yes`, `no`, `on`, `off` and numbers with leading zeros are text: that is what 1.2 says, and the
//! readings of older versions are a trap.

use std::borrow::Cow;

use serde_json::Number;

use crate::tree::Content;

/// The value of a plain scalar; `Err` with the reason for a number that JSON cannot hold exactly.
pub(crate) fn resolve(text: Cow<'_, str>) -> Result<Content<'_>, &'static str> {
    match &*text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Content::Null),
        "true" | "True" | "TRUE" => return Ok(Content::Bool(true)),
        "false" | "False" | "FALSE" => return Ok(Content::Bool(false)),
        _ => {}
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(&text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(&*text, ".nan" | ".NaN" | ".NAN") {
        return Err("is no finite number");
    }
    if is_integer(unsigned) {
        return integer(&text);
    }
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        if let Some(digits) = text.strip_prefix(prefix)
            && !digits.is_empty()
            && digits.chars().all(|c| c.is_digit(radix))
        {
            let value = u64::from_str_radix(digits, radix).map_err(|_| "is too large")?;
            return Ok(Content::Number(value.into()));
        }
    }
    if is_float(unsigned) {
        let value: f64 = text.parse().map_err(|_| "is no number")?;
        return Number::from_f64(value).map(Content::Number).ok_or("is too large");
    }
    Ok(Content::Text(text))
}

/// Digits without a leading zero.
fn is_integer(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_digit())
        && (text == "0" || !text.starts_with('0'))
}

fn integer(text: &str) -> Result<Content<'static>, &'static str> {
    let signed = text.strip_prefix('+').unwrap_or(text);
    let number = signed.parse::<i64>().map(Number::from).or_else(|_| signed.parse::<u64>().map(Number::from));
    number.map(Content::Number).map_err(|_| "is too large")
}

/// Digits with a point, an exponent or both, and without a needless leading zero.
fn is_float(text: &str) -> bool {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))),
        None => (text, None),
    };
    let (whole, fraction) = mantissa.split_once('.').map_or((mantissa, None), |(a, b)| (a, Some(b)));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let any = !whole.is_empty() || fraction.is_some_and(|fraction| !fraction.is_empty());
    (exponent.is_some() || fraction.is_some())
        && any
        && digits(whole)
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|exponent| !exponent.is_empty() && digits(exponent))
        && (whole.len() < 2 || !whole.starts_with('0'))
}
