//! The command as users run it.

#![allow(dead_code, reason = "each test file is its own crate")]

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;

/// What one run of the command did.
pub struct Run {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).expect("text is UTF-8"));
        assert!(!err.contains("panicked"), "{err}");
        Self { code: output.status.code(), out, err }
    }
}

impl Run {
    /// The one line that `--json` prints.
    #[track_caller]
    pub fn json(&self) -> Value {
        assert_eq!(self.out.lines().count(), 1, "JSON is one line: {}", self.out);
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }
}

/// `rushlight` with `arguments`, in `folder`, on the CPU.
pub fn command(folder: impl AsRef<Path>, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rushlight"));
    command.current_dir(folder).args(["--device", "cpu"]).args(arguments.split_whitespace());
    command
}

pub fn run(folder: impl AsRef<Path>, arguments: &str) -> Run {
    command(folder, arguments).output().expect("the command starts").into()
}

#[track_caller]
pub fn works(folder: impl AsRef<Path>, arguments: &str) -> Run {
    let run = run(folder, arguments);
    assert_eq!(run.code, Some(0), "rushlight {arguments}: {}", run.err);
    run
}

/// Runs what must be refused: exit code 1, one line that says `words`, and the folder left as it was.
#[track_caller]
pub fn refused(folder: impl AsRef<Path>, arguments: &str, words: &[&str]) {
    let before = contents(&folder);
    let run = run(&folder, arguments);
    assert_eq!(run.code, Some(1), "rushlight {arguments}: {}", run.err);
    assert_eq!(run.err.lines().count(), 1, "rushlight {arguments}: {}", run.err);
    assert!(run.err.starts_with("rushlight: error: "), "{}", run.err);
    for word in words {
        assert!(run.err.contains(word), "rushlight {arguments}: '{word}' is not in: {}", run.err);
    }
    assert_eq!(run.out, "", "rushlight {arguments}");
    assert!(contents(&folder) == before, "rushlight {arguments} left something: {:?}", names(&folder));
}

/// Runs what no parser takes: exit code 2, and the folder left as it was.
#[track_caller]
pub fn wrong_usage(folder: impl AsRef<Path>, arguments: &str) {
    let before = contents(&folder);
    let run = run(&folder, arguments);
    assert_eq!(run.code, Some(2), "rushlight {arguments}: {}", run.err);
    assert!(contents(&folder) == before, "rushlight {arguments} left something: {:?}", names(&folder));
}

/// Names and bytes of all files in `folder`; folders have none.
pub fn contents(folder: impl AsRef<Path>) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.display().to_string(), fs::read(&path).unwrap_or_default()))
        .collect();
    files.sort();
    files
}

pub fn names(folder: impl AsRef<Path>) -> Vec<String> {
    contents(folder).into_iter().map(|(name, _)| name).collect()
}
