//! Where the next page of a list begins, as clients see it.

use std::{convert::Infallible, str::FromStr};

use axum::{extract::FromRequestParts, http::request::Parts};
use sha2::{Digest, Sha256};

use super::problem::{Answer, Code, Problem};

/// So many digits of the digest of a filter stand in a cursor.
const DIGITS: usize = 8;

/// The digest of what a list was asked for, so that a cursor goes on with the same list only.
pub(super) fn digest(filter: &str) -> String {
    let digest = Sha256::digest(filter.as_bytes());
    digest.iter().take(DIGITS / 2).map(|byte| format!("{byte:02x}")).collect()
}

/// The cursor of a page: where it ended, and of which list.
pub(super) fn cursor(end: impl std::fmt::Display, filter: &str) -> String {
    format!("{}{end}", digest(filter))
}

/// Where a cursor goes on.
pub(super) fn read<T: FromStr>(cursor: &str, filter: &str) -> Answer<T> {
    let bad = || Problem::new(Code::BadCursor, "the cursor is not one: a page names that of the next page");
    let (list, end) = cursor.split_at_checked(DIGITS).ok_or_else(bad)?;
    let end = end.parse().map_err(|_| bad())?;
    if list != digest(filter) {
        let detail = "the cursor belongs to a list with another filter: begin that one anew";
        return Err(Problem::new(Code::CursorMismatch, detail));
    }
    Ok(end)
}

/// The query of a request without the parameters that say which page is meant.
pub(super) fn filter(request: &str) -> String {
    let of_page = |pair: &&str| !pair.starts_with("cursor=") && !pair.starts_with("limit=");
    request.split('&').filter(of_page).collect::<Vec<_>>().join("&")
}

/// What the list of a request is filtered by.
pub(super) struct Filter(pub String);

impl<S: Sync> FromRequestParts<S> for Filter {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(filter(parts.uri.query().unwrap_or_default())))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn cursor_goes_on_with_its_own_list_only() {
        let cursor = cursor(77, "state=error");
        assert_eq!(read::<u32>(&cursor, "state=error").unwrap(), 77);
        for (cursor, filter) in
            [(&*cursor, ""), (&*cursor, "state=complete"), ("x", ""), ("日本語", ""), ("", "")]
        {
            assert!(read::<u32>(cursor, filter).is_err(), "{cursor} {filter}");
        }
    }

    #[test]
    fn filter_of_a_page_leaves_out_which_page() {
        assert_eq!(filter("state=error&limit=3&cursor=x&template=a"), "state=error&template=a");
    }
}
