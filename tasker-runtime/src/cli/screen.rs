//! Standard error: lines, and on a terminal a picture below them that is drawn again and again.
//!
//! Everything that this program says goes through here, so that a line never lands inside the picture.

use std::{
    io::{self, IsTerminal, Write, stderr},
    sync::{Mutex, MutexGuard, PoisonError},
};

use anstream::{AutoStream, ColorChoice, adapter::strip_str};
use terminal_size::terminal_size_of;
use unicode_width::UnicodeWidthStr;

use super::printable::{printable, with_colours};

/// What is drawn below the last line, a row of the picture each.
static PICTURE: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn picture() -> MutexGuard<'static, Vec<String>> {
    PICTURE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether standard error shows colours: it is a terminal that can, and neither `NO_COLOR` nor the like says
/// otherwise; or `CLICOLOR_FORCE` asks for them.
pub(crate) fn has_colours() -> bool {
    AutoStream::choice(&stderr()) != ColorChoice::Never
}

/// Whether a picture can be drawn again: on a terminal that can move its cursor.
pub(crate) fn can_draw() -> bool {
    let moves = std::env::var_os("TERM").is_some_and(|term| !term.is_empty() && term != "dumb");
    stderr().is_terminal() && (moves || cfg!(windows))
}

/// The columns and rows of the terminal.
fn size() -> (usize, usize) {
    terminal_size_of(stderr())
        .map(|(columns, rows)| (usize::from(columns.0), usize::from(rows.0)))
        .filter(|(columns, rows)| *columns > 0 && *rows > 0)
        .unwrap_or((80, 24))
}

/// How wide a row of the picture may be. The last column stays free: some terminals wrap once it is written.
pub(crate) fn width() -> usize {
    size().0 - 1
}

/// How many columns a text takes, colours not counted.
pub(crate) fn width_of(text: &str) -> usize {
    strip_str(text).to_string().width()
}

/// Writes a line above the picture. Without a reader there is nobody to tell that there is none.
pub(crate) fn line(text: &str) {
    let picture = picture();
    let _ = write(&format!("{}{}\n{}", erased(&picture), shown(text), drawn(&picture)));
}

/// Draws this picture instead of the last one; `false` where it does not fit on the screen, and then none is left.
pub(crate) fn draw(rows: Vec<String>) -> bool {
    let mut picture = picture();
    let fits = rows.len() < size().1;
    let erased = erased(&picture);
    *picture = if fits { rows } else { Vec::new() };
    let _ = write(&(erased + &drawn(&picture)));
    fits
}

/// Leaves the picture where it is: what comes, comes below it.
pub(crate) fn leave() {
    picture().clear();
}

/// Takes the cursor to the beginning of the picture and everything below it away.
fn erased(picture: &[String]) -> String {
    let (columns, rows) = size();
    // On a terminal that has become narrower a row takes several.
    let taken: usize = picture.iter().map(|row| width_of(row).max(1).div_ceil(columns)).sum();
    match taken.min(rows - 1) {
        0 => String::new(),
        taken => format!("\x1b[{taken}A\r\x1b[J"),
    }
}

fn drawn(picture: &[String]) -> String {
    picture.iter().map(|row| format!("{}\n", shown(row))).collect()
}

fn shown(text: &str) -> String {
    let text = with_colours(text);
    if has_colours() { text.into_owned() } else { strip_str(&text).to_string() }
}

fn write(text: &str) -> io::Result<()> {
    let mut stream = stderr().lock();
    stream.write_all(text.as_bytes())?;
    stream.flush()
}

/// Where lines of the log go.
pub(crate) struct Log;

impl Write for Log {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        line(String::from_utf8_lossy(event).trim_end_matches('\n'));
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Tells of panics as of everything else. With `RUST_BACKTRACE` the usual report comes as well.
pub(crate) fn tell_of_panics() {
    let usual = std::panic::take_hook();
    let backtrace = std::env::var_os("RUST_BACKTRACE").is_some_and(|value| value != "0");
    std::panic::set_hook(Box::new(move |panic| {
        if backtrace {
            draw(Vec::new());
            usual(panic);
            return;
        }
        let place = panic.location().map(|place| format!(" at {place}")).unwrap_or_default();
        let message = panic.payload_as_str().unwrap_or("(a value that is not text)");
        line(&format!("panicked{place}: {}", printable(message)));
    }));
}
