//! Where the text of a command goes: standard output or a file.

use std::io::{ErrorKind, IsTerminal as _, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result};

/// Writes a whole text.
pub(crate) fn deliver(text: &str, file: Option<&Path>) -> Result<()> {
    if let Some(path) = file {
        return std::fs::write(path, text).with_context(|| format!("cannot write `{}`", path.display()));
    }
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // The reader, as `head`, has seen enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write to standard output"),
    }
}

/// Marks in a text for a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ink {
    /// Codes for bold and colours.
    Coloured,
    /// None.
    Plain,
}

impl Ink {
    /// Coloured only for a person at a terminal who did not ask for `NO_COLOR`.
    pub(crate) fn of_output(file: Option<&Path>) -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        if file.is_none() && !refused && std::io::stdout().is_terminal() { Self::Coloured } else { Self::Plain }
    }

    /// For headings.
    pub(crate) fn bold(self, text: &str) -> String {
        self.marked("1", text)
    }

    /// For what is beside the point.
    pub(crate) fn dim(self, text: &str) -> String {
        self.marked("2", text)
    }

    /// For the better.
    pub(crate) fn green(self, text: &str) -> String {
        self.marked("32", text)
    }

    /// For the worse.
    pub(crate) fn red(self, text: &str) -> String {
        self.marked("31", text)
    }

    fn marked(self, code: &str, text: &str) -> String {
        match self {
            Self::Coloured => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            Self::Plain => text.to_owned(),
        }
    }
}
