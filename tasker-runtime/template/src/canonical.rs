//! The one text of a template.
//!
//! Canonical JSON is what is stored and what digests are taken over: equal templates have equal text.
//! It is valid input for [`Template::parse`] as well, as is the canonical YAML.

use serde::de::{Deserialize, Deserializer, Error as _};
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::parse::Options;
use crate::report::{Code, Report};
use crate::template::{Content, Template};

impl Template {
    /// The canonical JSON text, on one line.
    ///
    /// ```
    /// use tasker_template::{Step, Template};
    ///
    /// let ping = Template::builder("ping").step(Step::new("send")).build()?;
    /// let text = ping.to_canonical();
    /// assert_eq!(
    ///     text,
    ///     r#"{"name":"ping","namespace":"default","version":"1.0.0","on_failure":"block","steps":[{"name":"send","handler":{"callable":"send"}}]}"#
    /// );
    /// assert_eq!(Template::from_canonical(&text)?, ping);
    /// # Ok::<(), tasker_template::Report>(())
    /// ```
    #[must_use]
    pub fn to_canonical(&self) -> String {
        // Maps have text keys and numbers are finite: neither can fail.
        serde_json::to_string(&self.content).unwrap_or_default()
    }

    /// The canonical JSON text of what a task stays with once it began: all but when tasks start by themselves, which
    /// may change at any time.
    #[must_use]
    pub fn to_pinned(&self) -> String {
        if self.content.schedules.is_empty() {
            return self.to_canonical();
        }
        let pinned = Content { schedules: Vec::new(), ..self.content.clone() };
        serde_json::to_string(&pinned).unwrap_or_default()
    }

    /// The template that canonical JSON stands for, checked again.
    ///
    /// # Errors
    /// A report, where the text is no JSON or no valid template.
    pub fn from_canonical(text: &str) -> Result<Self, Report> {
        let value = serde_json::from_str(text).map_err(|error| {
            Report::of_file("", Code::Syntax, format!("the canonical form is no JSON: {error}"), None)
        })?;
        crate::parse::value("", value, &Options::default()).map(|parsed| parsed.template)
    }

    /// The template as YAML in the canonical form, defaults and the chosen environment merged in.
    /// Parsing it gives an equal template.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        crate::yaml::write(&self.content)
    }
}

impl Serialize for Template {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.content.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        crate::parse::value("", value, &Options::default())
            .map(|parsed| parsed.template)
            .map_err(D::Error::custom)
    }
}
