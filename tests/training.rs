//! What the network is trained and validated on (`training/data.toml`): nothing that it is tested on, and no subject twice.

use std::collections::BTreeMap;

/// What figures are given of: chest slices, a brain of each kind, the heads of the denoising benches. SigPy's tutorial brain is
/// the same head as brain8ch.
const TEST_ONLY: &[&str] = &["lidc", "adi_brain", "brain8ch", "sigpy_cartesian", "colin", "ch2", "dipy", "stanford"];

fn sources() -> Vec<toml::Table> {
    let text = std::fs::read_to_string("training/data.toml").unwrap();
    let list: toml::Table = text.parse().unwrap();
    list["source"].as_array().unwrap().iter().map(|source| source.as_table().unwrap().clone()).collect()
}

#[test]
fn nothing_that_is_tested_on_is_trained_on() {
    let sources = sources();
    assert!(sources.len() >= 10);
    for source in &sources {
        let said = source.values().map(|value| value.to_string().to_lowercase()).collect::<Vec<_>>().join(" ");
        for name in TEST_ONLY {
            assert!(!said.contains(name), "{}: {name} is for tests only", source["name"]);
        }
        // Patterns must not reach further than they say: no folder of measured data as a whole.
        for pattern in source["files"].as_array().unwrap().iter().map(|pattern| pattern.as_str().unwrap()) {
            let last = pattern.rsplit('/').next().unwrap();
            assert!(source["root"].as_str() != Some("measured") || !last.starts_with('*'), "{pattern} is too wide");
        }
    }
}

#[test]
fn every_source_has_a_licence_and_every_subject_one_split() {
    let mut splits = BTreeMap::new();
    for source in sources() {
        let text = |key: &str| source.get(key).and_then(|value| value.as_str()).unwrap_or_default().to_string();
        for key in ["name", "origin", "licence", "modality", "split", "subject", "root"] {
            assert!(!text(key).is_empty(), "{}: no {key}", source["name"]);
        }
        let split = text("split");
        assert!(["train", "validation"].contains(&split.as_str()), "{split}");
        let before = splits.insert(text("subject"), split.clone());
        assert!(before.is_none_or(|before| before == split), "{}: in both splits", text("subject"));
    }
    assert!(splits.values().any(|split| split == "validation"));
}
