//! Reads what a request says, and tells all that is wrong with it at once.

use std::{borrow::Cow, collections::BTreeMap, str::FromStr, time::Duration};

use axum::{
    body::Body,
    extract::{FromRequest, FromRequestParts, RawPathParams, Request},
    http::{HeaderMap, request::Parts},
};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{
    Service,
    problem::{Answer, Code, FieldError, Problem},
};
use crate::{model::Json, template::nearest};

/// How long a body may take to arrive.
const UPLOAD: Duration = Duration::from_secs(30);

/// What to say of a name that nobody knows.
fn unknown(what: &str, name: &str, known: &[&'static str]) -> String {
    match nearest(name, known.iter().copied()) {
        Some(nearest) => format!("there is no {what} `{name}`; did you mean `{nearest}`?"),
        None if known.is_empty() => format!("there is no {what} `{name}`: none is known here"),
        None => format!("there is no {what} `{name}`; there are {}", known.join(", ")),
    }
}

/// The fields of a body, which is one JSON object, to be taken one by one. What nobody took is unknown.
pub(super) struct Fields {
    values: BTreeMap<String, Box<RawValue>>,
    known: Vec<&'static str>,
    errors: Vec<FieldError>,
    /// Where it stands in the body: empty for all of it.
    place: String,
}

impl Fields {
    fn new(values: BTreeMap<String, Box<RawValue>>, place: String) -> Self {
        Self { values, known: Vec::new(), errors: Vec::new(), place }
    }

    /// A field that may be absent.
    pub(super) fn take<T: DeserializeOwned>(&mut self, name: &'static str) -> Option<T> {
        self.known.push(name);
        let value = self.values.remove(name)?;
        match serde_json::from_str(value.get()) {
            Ok(value) => Some(value),
            Err(error) => {
                let text = error.to_string();
                let problem = text.rsplit_once(" at line ").map_or(&*text, |(problem, _)| problem);
                self.wrong(name, "wrong_value", format!("`{name}` cannot have this value: {problem}"));
                None
            }
        }
    }

    /// A field that has to be there.
    pub(super) fn need<T: DeserializeOwned>(&mut self, name: &'static str) -> Option<T> {
        if !self.values.contains_key(name) {
            self.known.push(name);
            self.wrong(name, "missing", format!("`{name}` is missing"));
            return None;
        }
        self.take(name)
    }

    /// A text of so many characters at most.
    pub(super) fn text(&mut self, name: &'static str, most: usize) -> Option<String> {
        let text: String = self.take(name)?;
        let characters = text.chars().count();
        if characters == 0 || characters > most {
            let detail =
                format!("`{name}` has to have 1 to {most} characters, and this one has {characters}");
            self.wrong(name, "wrong_length", detail);
        }
        Some(text)
    }

    /// JSON of the user's own, as it is written.
    pub(super) fn json(&mut self, name: &'static str) -> Option<Json> {
        self.known.push(name);
        // The whole body was checked.
        self.values.remove(name).map(|value| Json::stored(value.get()))
    }

    /// The objects of a list that has to be there, each with fields of its own.
    pub(super) fn objects(&mut self, name: &'static str) -> Vec<Self> {
        let Some(values) = self.need::<Vec<BTreeMap<String, Box<RawValue>>>>(name) else { return Vec::new() };
        let place = |(at, values)| Self::new(values, format!("{}/{name}/{at}", self.place));
        values.into_iter().enumerate().map(place).collect()
    }

    pub(super) fn wrong(&mut self, name: &str, code: &'static str, detail: String) {
        // A pointer escapes what it is made of.
        let name = name.replace('~', "~0").replace('/', "~1");
        self.errors.push(FieldError { pointer: format!("{}/{name}", self.place), code, detail });
    }

    /// All that was wrong, once everything was taken that there may be.
    pub(super) fn mistakes(mut self) -> Vec<FieldError> {
        for name in std::mem::take(&mut self.values).into_keys() {
            let detail = unknown("field", &name, &self.known);
            self.wrong(&name, "unknown_field", detail);
        }
        self.errors
    }

    /// Ends the reading.
    pub(super) fn finish(self) -> Answer<()> {
        refuse(Code::FieldsInvalid, self.mistakes())
    }
}

/// A problem, unless there are no mistakes.
pub(super) fn refuse(code: Code, mistakes: Vec<FieldError>) -> Answer<()> {
    match &mistakes[..] {
        [] => Ok(()),
        [one] => Err(Problem::new(code, one.detail.clone()).errors(mistakes)),
        [first, ..] => {
            let detail = format!("{} mistakes; the first: {}", mistakes.len(), first.detail);
            Err(Problem::new(code, detail).errors(mistakes))
        }
    }
}

impl FromRequest<Service> for Fields {
    type Rejection = Problem;

    /// Reads the body; one that is empty has no fields.
    async fn from_request(request: Request, service: &Service) -> Answer<Self> {
        let bytes = read(request.into_body(), service.0.options.max_body).await?;
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self::new(BTreeMap::new(), String::new()));
        }
        let text = std::str::from_utf8(&bytes).map_err(|error| {
            Problem::new(
                Code::BadJson,
                format!("the body is not UTF-8, from byte {} on", error.valid_up_to()),
            )
        })?;
        let json = Json::from_text(text).map_err(|error| {
            let detail = error.to_string();
            let deep = detail.contains("nested deeper") || detail.contains("recursion limit");
            let code = if deep { Code::TooDeep } else { Code::BadJson };
            Problem::new(code, format!("the body is not JSON: {detail}"))
        })?;
        let values = json.parse().map_err(|_| {
            Problem::of_field(Code::FieldsInvalid, "", "the body has to be a JSON object".to_owned())
        })?;
        Ok(Self::new(values, String::new()))
    }
}

async fn read(body: Body, most: usize) -> Answer<Vec<u8>> {
    let limited = Limited::new(body, most);
    let collected = tokio::time::timeout(UPLOAD, limited.collect()).await.map_err(|_| {
        Problem::new(Code::TooSlowUpload, format!("the body was not there after {} s", UPLOAD.as_secs()))
    })?;
    match collected {
        Ok(collected) => Ok(collected.to_bytes().into()),
        Err(error) if error.is::<LengthLimitError>() => Err(Problem::new(
            Code::BodyTooLarge,
            format!("a body may have at most {most} bytes (`server.max_body_bytes`)"),
        )),
        Err(_) => Err(Problem::new(Code::BadJson, "the body ended before its end")),
    }
}

/// The parameters of a query, to be taken one by one. What nobody took is unknown.
pub(super) struct Query {
    pairs: Vec<(String, String)>,
    known: Vec<&'static str>,
    errors: Vec<FieldError>,
}

impl Query {
    fn new(text: &str) -> Self {
        let decode = |text: &str| {
            let text = text.replace('+', " ");
            percent_decode_str(&text).decode_utf8_lossy().into_owned()
        };
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        };
        let pairs = text.split('&').filter(|pair| !pair.is_empty()).map(pair).collect();
        Self { pairs, known: Vec::new(), errors: Vec::new() }
    }

    /// The value of a parameter, as text.
    pub(super) fn text(&mut self, name: &'static str) -> Option<String> {
        self.known.push(name);
        let (mine, others) =
            std::mem::take(&mut self.pairs).into_iter().partition(|(found, _)| found == name);
        self.pairs = others;
        let mine: Vec<(String, String)> = mine;
        if mine.len() > 1 {
            self.wrong(name, "repeated", format!("`{name}` is there {} times", mine.len()));
        }
        mine.into_iter().next().map(|(_, value)| value)
    }

    /// The value of a parameter, read by `read`, which says what it may be where it is not that.
    pub(super) fn read<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.text(name)?;
        read(&text)
            .map_err(|what| {
                self.wrong(name, "wrong_value", format!("`{name}` has to be {what}, not `{text}`"));
            })
            .ok()
    }

    /// As [`read`](Self::read), by the type.
    pub(super) fn parse<T: FromStr>(&mut self, name: &'static str, what: &str) -> Option<T> {
        self.read(name, |text| text.parse().map_err(|_| what.to_owned()))
    }

    pub(super) fn wrong(&mut self, name: &str, code: &'static str, detail: String) {
        self.errors.push(FieldError { pointer: name.to_owned(), code, detail });
    }

    /// How many items a page may have.
    pub(super) fn limit(&mut self) -> usize {
        let number = |text: &str| {
            let number = text.parse().ok().filter(|number| (1..=200).contains(number));
            number.ok_or_else(|| "a whole number from 1 to 200".to_owned())
        };
        self.read("limit", number).unwrap_or(50)
    }

    /// Ends the reading.
    pub(super) fn finish(mut self) -> Answer<()> {
        for (name, _) in std::mem::take(&mut self.pairs) {
            let detail = unknown("parameter", &name, &self.known);
            self.wrong(&name, "unknown_parameter", detail);
        }
        refuse(Code::BadQuery, self.errors)
    }
}

impl FromRequestParts<Service> for Query {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Service) -> Answer<Self> {
        Ok(Self::new(parts.uri.query().unwrap_or_default()))
    }
}

/// The parameters of a path, by name.
pub(super) struct Path(BTreeMap<String, String>);

impl Path {
    pub(super) fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
}

impl FromRequestParts<Service> for Path {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, service: &Service) -> Answer<Self> {
        let none = |_| Problem::new(Code::NoSuchPath, "the path is not UTF-8");
        let params = RawPathParams::from_request_parts(parts, service).await.map_err(none)?;
        Ok(Self(params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()))
    }
}

/// The task that a path names.
pub(super) struct TaskId(pub Uuid);

impl FromRequestParts<Service> for TaskId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, service: &Service) -> Answer<Self> {
        let path = Path::from_request_parts(parts, service).await?;
        let text = path.text("id");
        // Uuid reads other ways to write one as well; one is enough.
        let id = Uuid::from_str(text).ok().filter(|_| text.len() == 36);
        let like = "0198c1c0-5b7e-7a31-9c2d-1f4e6a8b0c3d";
        id.map(Self).ok_or_else(|| {
            Problem::new(
                Code::BadId,
                format!("`{}` is not a task id: one looks like {like}", shortened(text)),
            )
        })
    }
}

/// The beginning of a text that may be long.
pub(super) fn shortened(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(100) {
        Some((end, _)) => format!("{}…", &text[..end]).into(),
        None => text.into(),
    }
}

/// How long a request wants to wait: `Prefer: wait=10` (RFC 7240), 1 to 60 s; more is cut.
pub(super) fn wait(headers: &HeaderMap) -> Option<Duration> {
    const MAX: u64 = 60;
    let preferences = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    let mut preferences = preferences.flat_map(|value| value.split([',', ';']));
    let seconds = preferences.find_map(|preference| {
        let (name, value) = preference.split_once('=')?;
        let seconds = value.trim().trim_matches('"').parse::<u64>().ok()?;
        name.trim().eq_ignore_ascii_case("wait").then_some(seconds)
    })?;
    (seconds > 0).then(|| Duration::from_secs(seconds.min(MAX)))
}

/// The key of a submission or a signal, from the header `Idempotency-Key` or the field.
pub(super) fn idempotency_key(headers: &HeaderMap, field: Option<String>) -> Answer<Option<String>> {
    let Some(header) = headers.get("idempotency-key") else { return Ok(field) };
    let key = header.to_str().ok().filter(|key| (1..=255).contains(&key.len()));
    let key = key.ok_or_else(|| {
        Problem::new(Code::BadHeader, "`Idempotency-Key` has to have 1 to 255 visible ASCII characters")
    })?;
    match field.filter(|field| field != key) {
        Some(_) => Err(Problem::of_field(
            Code::FieldsInvalid,
            "/idempotency_key",
            "`idempotency_key` is not what the header `Idempotency-Key` says: give one of the two".to_owned(),
        )),
        None => Ok(Some(key.to_owned())),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn query_is_read_as_forms_are_written() {
        let mut query = Query::new("a=1%2F2&b=x+y&c&&a%62=%F0%9F%97%BC");
        assert_eq!(query.text("a").as_deref(), Some("1/2"));
        assert_eq!(query.text("b").as_deref(), Some("x y"));
        assert_eq!(query.text("c").as_deref(), Some(""));
        assert_eq!(query.text("ab").as_deref(), Some("🗼"));
        assert!(query.finish().is_ok());
    }

    #[test]
    fn everything_wrong_with_a_query_is_told() {
        let mut query = Query::new("limit=0&state=a&state=b&stat=c");
        query.limit();
        query.text("state");
        let pointers: Vec<String> = {
            query.errors.push(FieldError { pointer: "x".into(), code: "y", detail: "z".into() });
            let problem = query.finish().unwrap_err();
            let document = problem.document();
            let errors = document["errors"].as_array().unwrap();
            errors
                .iter()
                .map(|error| format!("{} {}", error["pointer"], error["code"]).replace('"', ""))
                .collect()
        };
        assert_eq!(pointers, ["limit wrong_value", "state repeated", "x y", "stat unknown_parameter"]);
    }

    #[test]
    fn wait_is_cut_at_a_minute_and_ignored_where_it_says_nothing() {
        let read = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("prefer", axum::http::HeaderValue::from_static(value));
            wait(&headers).map(|wait| wait.as_secs())
        };
        assert_eq!(read("wait=5"), Some(5));
        assert_eq!(read("respond-async, WAIT = \"7\""), Some(7));
        assert_eq!(read("wait=4000"), Some(60));
        for nothing in ["wait", "wait=0", "wait=-1", "waiting=3", "wait=x"] {
            assert_eq!(read(nothing), None, "{nothing}");
        }
    }
}
