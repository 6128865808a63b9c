//! What the tests of `docs/` share: the command as a reader runs it, and pages held against what it prints.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each of the tests uses its part of this"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

/// Behind what a command printed.
pub const END: &str = "<!-- end -->\n";

/// The repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A folder for all tests of a file.
pub fn folder() -> &'static Path {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    FOLDER.get_or_init(|| tempfile::tempdir().unwrap()).path()
}

/// The command with these arguments, without colours.
pub fn command<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fieldscore"));
    command.args(arguments).env("NO_COLOR", "1");
    command.stdin(Stdio::null());
    command
}

/// Runs the command in the repository, where a reader would. A file that ends in `.fsb` and is not the
/// repository's lies in the tests' own folder.
pub fn fieldscore(line: &str) -> Output {
    let arguments = line.split(' ').map(|word| match word.ends_with(".fsb") {
        true if !root().join(word).exists() => folder().join(word).display().to_string(),
        _ => word.to_owned(),
    });
    command(arguments).current_dir(root()).output().unwrap()
}

/// What was printed, as text.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The lines from the first that begins so to the next empty one.
pub fn section(output: &str, heading: &str) -> String {
    let lines = output.lines().skip_while(|line| !line.starts_with(heading));
    let lines = lines.take_while(|line| !line.is_empty());
    let lines: Vec<&str> = lines.map(str::trim_end).collect();
    assert!(!lines.is_empty(), "{heading} in {output}");
    lines.join("\n")
}

/// A recipe that extends the credit model's, in a folder of its own.
pub fn recipe(name: &str, more: &str) -> String {
    extending(&root().join("models/zoo/credit/recipe.toml"), name, more)
}

/// A recipe that extends another one, in a folder of its own.
pub fn extending(base: &Path, name: &str, more: &str) -> String {
    let own = folder().join(name);
    std::fs::create_dir_all(&own).unwrap();
    let text = format!("extends = [{:?}]\n{more}", base.display().to_string());
    std::fs::write(own.join("recipe.toml"), text).unwrap();
    own.display().to_string()
}

/// A page of `docs/`.
pub fn page(name: &str) -> String {
    std::fs::read_to_string(root().join("docs").join(name)).unwrap_or_default()
}

/// Holds a page of `docs/` against the one that was made, as `same` compares them.
pub fn hold_as(name: &str, made: &str, same: impl Fn(&str) -> String) {
    if same(&page(name)) != same(made) {
        let own = std::env::temp_dir().join(name);
        std::fs::write(&own, made).unwrap();
        panic!(
            "docs/{name} shows something else: copy {} there",
            own.display()
        );
    }
}

/// Holds a page of `docs/` against the one that was made, letter by letter.
pub fn hold(name: &str, made: &str) {
    hold_as(name, made, str::to_owned);
}

/// Holds what a page has from `begin` to the next [`END`] against what was made.
pub fn hold_part(name: &str, begin: &str, made: &str) {
    let page = page(name);
    let (before, rest) = page.split_once(begin).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    hold(name, &format!("{before}{begin}{made}{END}{after}"));
}

/// A command of a page: its name in the page, the arguments, and the headings of what is shown of stdout;
/// without any, all of it. Where the name begins with `refused` the command must fail, and its errors are
/// shown.
pub type Shown<'a> = (&'a str, &'a str, &'a [&'a str]);

/// Holds a page against what its commands print, each between `<!-- KIND: NAME -->` and [`END`], in the
/// page's order.
pub fn hold_commands(name: &str, kind: &str, all: &[Shown<'_>]) {
    let page = page(name);
    let (mut made, mut rest) = (String::new(), page.as_str());
    for (name, line, headings) in all {
        let begin = format!("<!-- {kind}: {name} -->\n");
        let (before, after) = rest.split_once(&begin).unwrap_or_else(|| panic!("{name}"));
        let (_, after) = after.split_once(END).unwrap();
        rest = after;
        let output = fieldscore(line);
        let refused = name.starts_with("refused");
        let talk = text(&output.stderr);
        assert_eq!(output.status.success(), !refused, "{name}: {talk}");
        made += &format!("{before}{begin}```console\n$ fieldscore {line}\n");
        let printed = text(&output.stdout);
        match headings.is_empty() {
            true => made += &printed,
            false => headings
                .iter()
                .for_each(|heading| made += &format!("{}\n", section(&printed, heading))),
        }
        let is_failure = |line: &&str| line.starts_with("error: ") || line.starts_with("hint: ");
        for line in talk.lines().filter(|_| refused).filter(is_failure) {
            made += &format!("{line}\n");
        }
        made += &format!("```\n{END}");
    }
    hold(name, &(made + rest));
}
