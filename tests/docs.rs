//! The pages are true: README and docs/ as a reader pastes them. Every command runs in a folder that the page's earlier lines
//! filled; every flag, file, link and picture that a page names is there; a picture is what the page's own commands draw.
//!
//! A fence says what its lines are:
//!
//! - `sh`: they run, one after the other.
//! - `sh yours`: they read a file that only the reader has. They are run too, and must stop at nothing but that file.
//! - `sh long`: they take hours. Their verbs and flags must exist.
//! - `sh elsewhere`: other programs' lines (cargo, git, python3), which no test can run; what they name must exist. All are listed
//!   in the output of the test, so that none hides.
//! - `toml` whose first line is `# NAME.toml`: that file.
//!
//! `RUSHLIGHT_WRITE_PICTURES=1 cargo test --release --test docs` draws docs/pictures anew.

mod command;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use command::works;
use rushlight::io;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// Longest README, in lines, and largest picture, in bytes.
const README_LINES: usize = 150;
const PICTURE_BYTES: u64 = 150_000;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Run,
    Yours,
    Long,
    Elsewhere,
    File,
    Other,
}

/// A fenced block: what its lines are, the line of the page it begins at, and the text.
struct Block {
    kind: Kind,
    line: usize,
    text: String,
}

struct Page {
    path: PathBuf,
    text: String,
    blocks: Vec<Block>,
    /// What is outside the fences.
    prose: String,
}

impl Page {
    fn read(path: PathBuf) -> Self {
        let text = fs::read_to_string(&path).unwrap();
        let (mut blocks, mut prose, mut open): (Vec<Block>, String, Option<Block>) = Default::default();
        for (line, words) in text.lines().enumerate() {
            match (words.trim_start().strip_prefix("```"), &mut open) {
                (Some(_), Some(_)) => blocks.extend(open.take()),
                (Some(info), None) => {
                    let kind = match info {
                        "sh" => Kind::Run,
                        "sh yours" => Kind::Yours,
                        "sh long" => Kind::Long,
                        "sh elsewhere" => Kind::Elsewhere,
                        "toml" => Kind::File,
                        "text" | "rust" => Kind::Other,
                        _ => panic!("{}:{}: a fence of {info:?} is not known", path.display(), line + 1),
                    };
                    open = Some(Block { kind, line: line + 1, text: String::new() });
                }
                (None, Some(block)) => block.text.extend([words, "\n"]),
                (None, None) => {
                    let code = words.starts_with("    ")
                        && ["rushlight ", "cargo ", "python"].iter().any(|w| words.contains(w));
                    assert!(!code, "{}:{}: a command without a fence", path.display(), line + 1);
                    prose.extend([words, "\n"]);
                }
            }
        }
        assert!(open.is_none(), "{}: a fence is not closed", path.display());
        Self { path, text, blocks, prose }
    }

    fn name(&self) -> String {
        self.path.strip_prefix(ROOT).unwrap().display().to_string()
    }

    /// The targets of its links and pictures, without those of the net.
    fn links(&self) -> impl Iterator<Item = &str> {
        self.prose
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
            .filter(|target| !target.contains("://") && !target.starts_with('#'))
            .map(|target| target.split('#').next().unwrap())
    }

    /// What stands between single backticks.
    fn inline_code(&self) -> impl Iterator<Item = &str> {
        self.prose.split('`').skip(1).step_by(2)
    }
}

/// README, docs/ with its folders, and the index of the benches.
fn pages() -> Vec<Page> {
    let (mut folders, mut paths) = (vec![Path::new(ROOT).join("docs")], vec![]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false if path.extension().is_some_and(|ending| ending == "md") => paths.push(path),
                false => {}
            }
        }
    }
    paths.extend(["README.md", "benches/README.md"].map(|name| Path::new(ROOT).join(name)));
    paths.sort();
    paths.into_iter().map(Page::read).collect()
}

/// The words of each command of a block: comments off, lines that end in a backslash joined.
fn commands(block: &Block) -> Vec<Vec<String>> {
    let joined = block.text.replace("\\\n", " ");
    joined.lines().map(words).filter(|words| !words.is_empty()).collect()
}

/// Words as a shell splits them, quotes respected.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote): (Vec<String>, Option<String>, Option<char>) = Default::default();
    for letter in line.chars() {
        match (letter, quote) {
            ('\'' | '"', None) => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (_, Some(open)) if letter == open => quote = None,
            ('#', None) if word.is_none() => break,
            (_, None) if letter.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    assert!(quote.is_none(), "a quote is not closed: {line}");
    words.extend(word);
    words
}

/// Runs one command line of `rushlight` in `folder`; its exit code and what it said on standard error.
fn rushlight(folder: &Path, words: &[String]) -> (Option<i32>, String) {
    let output = command::command(folder, "").args(words).output().expect("the command starts");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// The pictures that README and docs/ show, by file name, with the pages that show them.
fn shown(pages: &[Page]) -> BTreeMap<String, &Page> {
    let pictures = pages.iter().flat_map(|page| page.links().map(move |target| (page, target)));
    let pictures = pictures.filter(|(_, target)| target.ends_with(".png"));
    pictures.map(|(page, target)| (target.rsplit('/').next().unwrap().to_owned(), page)).collect()
}

#[test]
fn commands_run_and_draw_the_pictures() {
    let pages = pages();
    let pictures = Path::new(ROOT).join("docs/pictures");
    let (shown, flags) = (shown(&pages), flags());
    let mut drawn = BTreeMap::new();
    let mut unrun = vec![];
    for page in &pages {
        let room = tempfile::tempdir().unwrap();
        for block in &page.blocks {
            let place = format!("{}:{}", page.name(), block.line);
            if block.kind == Kind::File {
                let name = block.text.lines().next().and_then(|line| line.strip_prefix("# ")).unwrap_or_default();
                assert!(name.ends_with(".toml"), "{place}: a toml block begins with the name of its file");
                fs::write(room.path().join(name), &block.text).unwrap();
            }
            if matches!(block.kind, Kind::File | Kind::Other) {
                continue;
            }
            for words in commands(block) {
                let line = words.join(" ");
                // The one line that a newcomer runs through cargo is run as well.
                let demo = words.starts_with(&["cargo", "run", "--release", "--"].map(String::from));
                let own = if demo { Some(&words[4..]) } else { words.strip_prefix(&["rushlight".to_owned()]) };
                match (block.kind, own) {
                    (Kind::Yours, Some(own)) => {
                        let empty = tempfile::tempdir().unwrap();
                        let (code, said) = rushlight(empty.path(), own);
                        assert_eq!(code, Some(1), "{place}: {line}\n{said}");
                        assert!(said.contains("there is no such file"), "{place}: {line}\n{said}");
                        unrun.push(format!("{place}: {line}"));
                    }
                    (Kind::Long, Some(own)) => {
                        let known =
                            flags.get(&own[0]).unwrap_or_else(|| panic!("{place}: {line}: there is no such verb"));
                        for flag in own.iter().filter(|word| word.starts_with("--")) {
                            assert!(known.contains(flag), "{place}: {line}: there is no {flag}");
                        }
                        unrun.push(format!("{place}: {line}"));
                    }
                    (Kind::Run, Some(own)) => {
                        let (code, said) = rushlight(room.path(), own);
                        assert_eq!(code, Some(0), "{place}: {line}\n{said}");
                    }
                    (Kind::Elsewhere, own) => {
                        assert!(demo || own.is_none(), "{place}: {line}: this could be run");
                        if let Some(own) = own {
                            let (code, said) = rushlight(room.path(), own);
                            assert_eq!(code, Some(0), "{place}: {line}\n{said}");
                        }
                        named_exists(&place, &words);
                        unrun.push(format!("{place}: {line}"));
                    }
                    _ => panic!("{place}: {line}: only `rushlight` is run here"),
                }
            }
        }
        for name in command::names(room.path()) {
            let name = Path::new(&name).file_name().unwrap().to_str().unwrap().to_owned();
            if shown.contains_key(&name) {
                let bytes = fs::read(room.path().join(&name)).unwrap();
                let twice = drawn.insert(name.clone(), bytes).is_some();
                assert!(!twice, "{name} is drawn by two pages");
            }
        }
    }
    println!("not run, or not to their end:\n{}", unrun.join("\n"));

    if std::env::var_os("RUSHLIGHT_WRITE_PICTURES").is_some() {
        fs::create_dir_all(&pictures).unwrap();
        for (name, bytes) in &drawn {
            fs::write(pictures.join(name), bytes).unwrap();
        }
    }
    let kept: BTreeSet<String> =
        command::names(&pictures).iter().map(|path| path.rsplit('/').next().unwrap().into()).collect();
    for (name, page) in &shown {
        assert!(drawn.contains_key(name), "{}: no page's commands draw {name}", page.name());
    }
    assert_eq!(kept, shown.into_keys().collect(), "docs/pictures holds what is shown, and nothing else");
    let room = tempfile::tempdir().unwrap();
    for (name, bytes) in &drawn {
        let fresh = room.path().join(name);
        fs::write(&fresh, bytes).unwrap();
        let [fresh, kept] = [fresh, pictures.join(name)].map(|path| io::read_image(path).unwrap().values);
        assert_eq!(fresh.dim(), kept.dim(), "{name}");
        let sum: f64 = fresh.iter().zip(&kept).map(|(a, b)| f64::from(a - b).abs()).sum();
        let apart = sum / fresh.len() as f64;
        // Another processor's rounding moves few pixels by a grey level or two.
        assert!(apart < 1.5, "docs/pictures/{name} is {apart:.2} grey levels from what the page draws today");
    }
}

/// The files, tests, benches and examples that another program's command names.
fn named_exists(place: &str, words: &[String]) {
    let there = |path: &str| assert!(Path::new(ROOT).join(path).exists(), "{place}: there is no {path}");
    for pair in words.windows(2) {
        match pair[0].as_str() {
            "--test" => there(&format!("tests/{}.rs", pair[1])),
            "--bench" => there(&format!("benches/{}.rs", pair[1])),
            "--example" => there(&format!("examples/{}.rs", pair[1])),
            _ => {}
        }
    }
    for word in
        words.iter().filter(|word| word.contains('/') && [".py", ".sh"].iter().any(|ending| word.ends_with(ending)))
    {
        there(word);
        let script = fs::read_to_string(Path::new(ROOT).join(word)).unwrap();
        for flag in words.iter().filter(|word| word.starts_with("--")) {
            assert!(script.contains(&format!("\"{flag}\"")), "{place}: {word} has no {flag}");
        }
    }
}

/// The flags of every verb, by what its own help says.
fn flags() -> BTreeMap<String, BTreeSet<String>> {
    let room = tempfile::tempdir().unwrap();
    let help = |arguments: &str| works(room.path(), &format!("{arguments} --help")).out;
    let listed = |text: &str| -> Vec<String> {
        let lines = text.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
        lines
            .filter_map(|line| line.split_whitespace().next())
            .filter(|verb| *verb != "help")
            .map(String::from)
            .collect()
    };
    let of = |text: &str| -> BTreeSet<String> {
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
        words.filter(|word| word.starts_with("--") && word.len() > 2).map(String::from).collect()
    };
    let verbs = listed(&help(""));
    let mut flags: BTreeMap<_, _> = verbs.into_iter().map(|verb| (verb.clone(), of(&help(&verb)))).collect();
    let measures = listed(&help("measure"));
    for measure in measures {
        flags.get_mut("measure").unwrap().extend(of(&help(&format!("measure {measure}"))));
    }
    flags
}

#[test]
fn prose_names_what_there_is() {
    let flags = flags();
    let scripts: String = fs::read_dir(Path::new(ROOT).join("benches"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "py"))
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    for page in pages() {
        for code in page.inline_code() {
            let words: Vec<&str> = code.split_whitespace().collect();
            let known = match words[..] {
                ["rushlight", verb, ..] if !verb.starts_with('-') => {
                    Some(flags.get(verb).unwrap_or_else(|| panic!("{}: `{code}`: there is no such verb", page.name())))
                }
                _ => None,
            };
            if words.contains(&"cargo") {
                continue;
            }
            for flag in words.iter().filter(|word| word.starts_with("--") && word.len() > 2) {
                let flag = flag.split('=').next().unwrap();
                let found = match known {
                    Some(flags) => flags.contains(flag),
                    None => {
                        flags.values().any(|flags| flags.contains(flag)) || scripts.contains(&format!("\"{flag}\""))
                    }
                };
                assert!(found, "{}: `{code}`: there is no {flag}", page.name());
            }
        }
        let folder = page.path.parent().unwrap();
        for target in page.links() {
            assert!(folder.join(target).exists(), "{}: a link leads to {target}, which is not there", page.name());
        }
        for picture in page.links().filter(|target| target.ends_with(".png")) {
            let bytes = fs::metadata(folder.join(picture)).unwrap().len();
            assert!(bytes <= PICTURE_BYTES, "{}: {picture} has {bytes} bytes", page.name());
        }
        if page.name() == "README.md" {
            let lines = page.text.lines().count();
            assert!(lines <= README_LINES, "README has {lines} lines, more than {README_LINES}");
        }
    }
}

/// Every method that `recon` and `denoise` know is explained on a page that a user finds.
#[test]
fn every_method_has_its_words() {
    let room = tempfile::tempdir().unwrap();
    for (verb, pages) in [("recon", &["methods.md", "mr.md"][..]), ("denoise", &["denoising.md"])] {
        let help = works(room.path(), &format!("{verb} --help")).out;
        let (_, choices) =
            help.split_once("--method").and_then(|(_, rest)| rest.split_once("[possible values:")).unwrap();
        let (choices, _) = choices.split_once(']').unwrap();
        let text: String =
            pages.iter().map(|page| fs::read_to_string(Path::new(ROOT).join("docs").join(page)).unwrap()).collect();
        for method in choices.split(',').map(str::trim) {
            assert!(text.contains(&format!("`{method}`")), "{pages:?} say nothing of {method}");
        }
    }
}

/// Every bench has its line in their index.
#[test]
fn every_bench_is_in_the_index() {
    let index = fs::read_to_string(Path::new(ROOT).join("benches/README.md")).unwrap();
    for path in command::names(Path::new(ROOT).join("benches")) {
        let name = Path::new(&path).file_name().unwrap().to_str().unwrap().to_owned();
        let listed = match name.strip_suffix(".rs") {
            Some(bench) => index.contains(&format!("--bench {bench}")),
            None => name == "README.md" || !name.ends_with(".py") || index.contains(&format!("benches/{name}")),
        };
        assert!(listed, "benches/README.md does not say what {name} makes");
    }
}
