//! Running commands: shown as they could be typed, failing with their own exit status.

use std::ffi::OsStr;
use std::fmt;
use std::process::{Child, Command, ExitStatus};

/// Why a task ended early.
#[derive(Debug)]
pub struct Failure {
    what: String,
    hint: Option<String>,
    status: u8,
}

/// A task's result.
pub type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// Something that must hold does not.
    pub fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            hint: None,
            status: 1,
        }
    }

    /// The same failure, with what to do.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What to do.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// The exit status for it.
    pub fn status(&self) -> u8 {
        self.status
    }

    /// Makes a failure of an error at `place`.
    pub fn at<E: fmt::Display>(place: impl fmt::Display) -> impl Fn(E) -> Self {
        move |error| Self::new(format!("{place}: {error}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

/// The cargo that started this task.
pub fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Shows a command and runs it, with this process's own output.
pub fn run(command: &mut Command) -> Result<()> {
    let status = spawn(command)?
        .wait()
        .map_err(Failure::at(shown(command)))?;
    check(command, status)
}

/// Shows a command and starts it, with this process's own output.
pub fn spawn(command: &mut Command) -> Result<Child> {
    eprintln!("$ {}", shown(command));
    command.spawn().map_err(Failure::at(shown(command)))
}

/// Runs a command without showing it and gives its stdout.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command.output().map_err(Failure::at(shown(command)))?;
    if !output.status.success() {
        eprint!("{}", String::from_utf8_lossy(&output.stderr));
    }
    check(command, output.status)?;
    String::from_utf8(output.stdout).map_err(Failure::at(shown(command)))
}

/// A failure with the command's exit status, unless that is 0.
pub fn check(command: &Command, status: ExitStatus) -> Result<()> {
    if status.success() {
        return Ok(());
    }
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Err(Failure {
        what: format!("{} ended with {status}", shown(command)),
        hint: None,
        status: code.unwrap_or(1),
    })
}

/// The command as it could be typed: environment, program (its file name only), arguments.
fn shown(command: &Command) -> String {
    let mut words = Vec::new();
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            words.push(format!("{}={}", name.display(), quoted(value)));
        }
    }
    let program = std::path::Path::new(command.get_program());
    words.push(quoted(program.file_name().unwrap_or(program.as_os_str())));
    words.extend(command.get_args().map(quoted));
    words.join(" ")
}

fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.into_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_shown_as_they_could_be_typed() {
        let mut command = Command::new("/somewhere/cargo");
        command
            .args(["doc", "a b", ""])
            .env("RUSTDOCFLAGS", "-D warnings");
        assert_eq!(
            shown(&command),
            "RUSTDOCFLAGS='-D warnings' cargo doc 'a b' ''"
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_failure_has_the_commands_own_exit_status() {
        let failure = run(Command::new("sh").args(["-c", "exit 7"]));
        assert_eq!(failure.map_err(|failure| failure.status()), Err(7));
    }
}
