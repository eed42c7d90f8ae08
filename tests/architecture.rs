//! The house stays as ARCHITECTURE.md draws it: floors, one door to the GPU, no shader without its twin.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Modules by floor, the ground floor first. A file uses only floors below its own, and its own module.
const FLOORS: [&[&str]; 10] = [
    &["units", "error", "monitor", "random"],
    &["geometry", "physics", "device"],
    &["kernels"],
    &["operators"],
    &["problem", "functionals"],
    &["scan", "image", "solvers", "regularisers", "calibration", "noise"],
    &["denoisers"],
    &["phantom", "recipes", "scanner", "io", "quality"],
    &["study"],
    &["cli", "main"],
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|e| e == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn floor(module: &str) -> Option<usize> {
    FLOORS.iter().position(|modules| modules.contains(&module))
}

/// The module of `src/kernels/fft_pass.rs` is `kernels`, that of `src/image.rs` is `image`.
fn module(path: &Path) -> String {
    let inside = path.strip_prefix(root().join("src")).unwrap();
    inside.iter().next().unwrap().to_string_lossy().trim_end_matches(".rs").to_string()
}

/// The code of a file without comments and without the tests at its end.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap().to_string();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The names after `crate::` or `rushlight::`, also in groups: `use crate::{error::Result, scan::Scan}`.
fn used(code: &str) -> BTreeSet<String> {
    let mut modules = BTreeSet::new();
    for root in ["crate::", "rushlight::"] {
        for (start, _) in code.match_indices(root) {
            let rest = &code[start + root.len()..];
            match rest.strip_prefix('{') {
                None => modules.extend(word(rest)),
                Some(group) => modules.extend(members(group)),
            }
        }
    }
    modules
}

fn word(text: &str) -> Option<String> {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    (end > 0).then(|| text[..end].to_string())
}

/// The first word of each member of a `{…}` group.
fn members(group: &str) -> Vec<String> {
    let mut depth = 0;
    let mut member = String::new();
    let mut found = Vec::new();
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                found.extend(word(member.trim()));
                member.clear();
                continue;
            }
            _ => {}
        }
        member.push(c);
    }
    found.extend(word(member.trim()));
    found
}

#[test]
fn imports_are_read_from_groups_and_paths() {
    let found = used("use crate::{error::{Error, Result}, scan::Scan,\n image};\nlet x = crate::units::length(y);");
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["error", "image", "scan", "units"]);
}

#[test]
fn a_file_uses_only_lower_floors() {
    let mut wrong = Vec::new();
    for path in files(&root().join("src"), "rs") {
        let own = module(&path);
        if own == "lib" {
            continue;
        }
        let Some(height) = floor(&own) else {
            wrong.push(format!("{}: module '{own}' stands on no floor", path.display()));
            continue;
        };
        for other in used(&code(&path)) {
            match floor(&other) {
                // Errors lie under everything, floor 0 too.
                Some(below) if below >= height && other != own && other != "error" => {
                    wrong.push(format!("{} (floor {height}) uses {other} (floor {below})", path.display()));
                }
                _ => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_the_device_knows_wgpu() {
    for path in files(&root().join("src"), "rs") {
        if module(&path) != "device" {
            assert!(!code(&path).contains("wgpu"), "{} says wgpu", path.display());
        }
    }
}

#[test]
fn every_shader_has_its_twin_and_every_kernel_its_shader() {
    let names = |folder: &str, extension: &str| -> BTreeSet<String> {
        let folder = root().join(folder);
        let own = |path: &PathBuf| path.parent() == Some(&folder) || path.ends_with("mod.rs");
        let name = |path: PathBuf| {
            let inside = path.strip_prefix(&folder).unwrap().iter().next().unwrap().to_string_lossy().to_string();
            inside.trim_end_matches(&format!(".{extension}")).to_string()
        };
        files(&folder, extension).into_iter().filter(own).map(name).filter(|name| name != "mod").collect()
    };
    let shaders = names("shaders", "wgsl");
    assert!(!shaders.is_empty());
    let list = fs::read_to_string(root().join("src/kernels/mod.rs")).unwrap();
    for shader in &shaders {
        assert!(names("src/kernels", "rs").contains(shader), "shaders/{shader}.wgsl has no src/kernels/{shader}.rs");
        assert!(
            list.contains(&format!("{shader} ::")) || list.contains(&format!("{shader}::")),
            "{shader} is not in the list"
        );
    }
    for path in files(&root().join("src/kernels"), "rs") {
        if code(&path).contains("const NAME: &'static str = ") {
            let text = code(&path);
            let name =
                text.split("const NAME: &'static str = \"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
            assert!(shaders.contains(name), "{} has no shaders/{name}.wgsl", path.display());
        }
    }
}

#[test]
fn a_file_opens_with_a_sentence_about_itself() {
    for path in files(&root().join("src"), "rs") {
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("//! "), "{} opens without a sentence", path.display());
    }
}
