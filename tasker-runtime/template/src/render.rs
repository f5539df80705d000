//! Reports for people: a title, the line, a caret, the way out.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use crate::report::{Mistake, Report};

/// The whole report, mistakes first.
pub(crate) fn report(report: &Report, colour: bool) -> String {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let renderer = renderer.decor_style(DecorStyle::Ascii);
    let mistakes = report.mistakes.iter().map(|mistake| (Level::ERROR, mistake));
    let warnings = report.warnings.iter().map(|warning| (Level::WARNING, warning));
    let mut parts: Vec<String> = mistakes
        .chain(warnings)
        .map(|(level, mistake)| one(&renderer, level, &report.file, mistake))
        .collect();
    if report.left_out > 0 {
        parts.push(format!("and {} more", report.left_out));
    }
    parts.join("\n\n")
}

fn one(renderer: &Renderer, level: Level<'_>, file: &str, mistake: &Mistake) -> String {
    let title = level.primary_title(one_line(&mistake.message)).id(mistake.code.as_str());
    let help = mistake.help.as_ref().map(|help| Level::HELP.message(one_line(help)));
    let group = match (&mistake.position, &mistake.text) {
        (Some(position), Some(text)) => {
            // Only the line itself is handed over, so that a long file costs nothing per mistake.
            let chars = text.char_indices().map(|(at, _)| at);
            let start = chars.chain([text.len()]).nth(position.column - 1).unwrap_or(text.len());
            let end = text.floor_char_boundary(start + position.span.len());
            let annotation = AnnotationKind::Primary.span(start..end);
            let snippet = Snippet::source(text.as_str()).path(file).line_start(position.line);
            title.element(snippet.annotation(annotation)).elements(help)
        }
        (Some(position), None) => {
            let origin = Origin::path(file).line(position.line).char_column(position.column);
            title.element(origin).elements(help)
        }
        (None, _) if file.is_empty() && mistake.path.is_empty() => Group::with_title(title).elements(help),
        (None, _) => title.element(Origin::path(place(file, &mistake.path))).elements(help),
    };
    renderer.render(&[group])
}

/// Where a mistake stands in a template that was not read from text.
fn place(file: &str, path: &str) -> String {
    match (file.is_empty(), path.is_empty()) {
        (_, true) => file.to_owned(),
        (true, false) => path.to_owned(),
        (false, false) => format!("{file}: {path}"),
    }
}

/// Text on one line and without a way to steer the terminal, whatever a file put into its names.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
