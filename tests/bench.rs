//! The bench as users run it, on designs so small that they take seconds: files, figures, resumption, refusals.

use std::{
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use serde_json::Value;
use tempfile::tempdir;

mod command;

use command::refused;

const TINY: &str = "--methods fbp:hann,fbp --levels 1,0.25 --size 64 --views 60 --seeds 3 --observations 12";

#[track_caller]
fn works(folder: &Path, arguments: &str) -> Value {
    command::works(folder, &format!("{arguments} --json")).json()
}

fn json(path: PathBuf) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// The stored cells and when each was written.
fn cells(study: &Path) -> Vec<(PathBuf, SystemTime)> {
    let all = fs::read_dir(study.join("cells")).unwrap().map(|entry| entry.unwrap().path());
    let mut records: Vec<_> = all
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| (path.clone(), fs::metadata(&path).unwrap().modified().unwrap()))
        .collect();
    records.sort();
    records
}

/// The value of a figure in `results.json`.
fn figure(results: &Value, subject: &str, metric: &str, method: &str, level: f64) -> Option<f64> {
    let own = |point: &&Value| {
        point["subject"] == subject && point["metric"] == metric && point["method"] == method && point["level"] == level
    };
    results["points"].as_array().unwrap().iter().find(own)?["value"].as_f64()
}

#[test]
fn a_study_writes_figures_plots_and_a_page_that_needs_no_network() {
    let folder = tempdir().unwrap();
    let said = works(folder.path(), &format!("bench dose -o study {}", TINY.replace("64", "96")));
    // Two methods, two levels; two blocks of the low-contrast phantom, one of the other two.
    assert_eq!((&said["computed"], &said["found"]), (&Value::from(16), &Value::from(0)));
    let study = folder.path().join("study");
    let results = json(study.join("results.json"));

    // A quarter of the photons is twice the noise, whatever the linear method.
    let noise = |method, level| figure(&results, "cct189", "noise", method, level).unwrap();
    for method in ["fbp:hann", "fbp"] {
        let ratio = noise(method, 0.25) / noise(method, 1.0);
        assert!((ratio / 2.0 - 1.0).abs() < 0.1, "{method}: {ratio}");
    }
    assert!(noise("fbp:hann", 1.0) < 0.6 * noise("fbp", 1.0));
    // The window blurs: Ram–Lak is sharper, and its noise is of higher frequency.
    for metric in ["ttf50", "nps_frequency"] {
        let subject = if metric == "ttf50" { "ct-inserts" } else { "cct189" };
        let [hann, ram_lak] = ["fbp:hann", "fbp"].map(|method| figure(&results, subject, metric, method, 1.0).unwrap());
        assert!(ram_lak > 1.2 * hann, "{metric}: {hann} {ram_lak}");
    }
    for metric in ["rmse", "psnr", "ssim"] {
        assert!(figure(&results, "shepp-logan-toft", metric, "fbp", 0.25).is_some(), "{metric}");
    }
    for point in results["points"].as_array().unwrap() {
        let [low, value, high] = ["low", "value", "high"].map(|key| point[key].as_f64().unwrap());
        assert!(low <= value && value <= high, "{point}");
    }
    assert!(results["spectra"].as_array().unwrap().iter().any(|spectrum| spectrum["kind"] == "nps"));
    let csv = fs::read_to_string(study.join("results.csv")).unwrap();
    assert_eq!(csv.lines().count(), 1 + results["points"].as_array().unwrap().len());
    assert!(csv.lines().all(|line| line.split(',').count() >= 11), "{csv}");

    let page = fs::read_to_string(study.join("report.html")).unwrap();
    assert!(!page.contains("http:") && !page.contains("https:") && !page.contains("src=") && !page.contains("@import"));
    // A truth and four images of each of three subjects; and no patient's or person's file.
    assert_eq!(page.matches("data:image/png;base64,").count(), 15);
    assert!(page.contains("<svg") && page.contains("FBP (Hann)") && page.contains(env!("CARGO_PKG_VERSION")));
    assert!(fs::read_dir(study.join("plots")).unwrap().count() > 10);
    assert!(said["sentences"].as_array().unwrap().iter().all(|sentence| page.contains(&escaped(sentence))));
}

fn escaped(text: &Value) -> String {
    text.as_str().unwrap().replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[test]
fn a_study_goes_on_where_it_stopped_and_gives_the_same() {
    let folder = tempdir().unwrap();
    let command =
        format!("bench dose -o study --phantoms shepp-logan-toft {TINY} --seeds 12").replace(" --seeds 3", "");
    works(folder.path(), &command);
    let study = folder.path().join("study");
    let (whole, before) = (json(study.join("results.json")), cells(&study));
    assert_eq!(before.len(), 8);

    // One cell gone, one cut short as by a full disk: these two and no others are made anew, with the same figures.
    fs::remove_file(&before[2].0).unwrap();
    let text = fs::read_to_string(&before[5].0).unwrap();
    fs::write(&before[5].0, &text[..text.len() / 2]).unwrap();
    let said = works(folder.path(), &command);
    assert_eq!((&said["computed"], &said["found"]), (&Value::from(2), &Value::from(6)));
    let after = cells(&study);
    for index in [0, 1, 3, 4, 6, 7] {
        assert_eq!(before[index], after[index]);
    }
    assert_eq!(json(study.join("results.json")), whole);

    // On one thread too.
    let said = works(folder.path(), &format!("--threads 1 {}", command.replace("study", "other")));
    assert_eq!(said["computed"], 8);
    assert_eq!(json(folder.path().join("other/results.json")), whole);
}

#[test]
fn another_protocol_or_another_folder_is_refused() {
    let folder = tempdir().unwrap();
    let at = folder.path();
    let command = format!("bench dose -o study --phantoms disk {TINY}");
    works(at, &command);
    let before = cells(&at.join("study"));
    refused(at, &format!("{command} --seed 7"), &["study", "another protocol", "seed", "--force"]);
    refused(at, &command.replace("0.25", "0.5"), &["levels", "--force"]);
    assert_eq!(cells(&at.join("study")), before);
    fs::write(at.join("study/mine.txt"), "mine").unwrap();
    let said = works(at, &format!("{command} --seed 7 --force"));
    assert_eq!((&said["computed"], &said["found"]), (&Value::from(4), &Value::from(0)));
    assert!(at.join("study/mine.txt").exists());

    fs::create_dir(at.join("full")).unwrap();
    fs::write(at.join("full/letter.txt"), "mine").unwrap();
    for more in ["", "--force"] {
        refused(at, &format!("bench dose -o full --phantoms disk {TINY} {more}"), &["full", "other things"]);
    }
    refused(at, &format!("bench dose -o full/letter.txt --phantoms disk {TINY}"), &["letter.txt", "no folder"]);
    assert_eq!(fs::read_to_string(at.join("full/letter.txt")).unwrap(), "mine");
}

#[test]
fn designs_that_cannot_be_are_refused_in_one_line() {
    let folder = tempdir().unwrap();
    for (arguments, words) in [
        ("--methods magic", &["magic", "fbp"][..]),
        ("--methods fbp:hahn", &["hahn", "hann"]),
        ("--methods fbp,fbp", &["fbp", "twice"]),
        ("--levels 0", &["0", "above 0"]),
        ("--levels 0.5,-1", &["-1", "above 0"]),
        ("--levels nan", &["NaN", "above 0"]),
        ("--levels 0.5,0.5", &["0.5", "twice"]),
        ("--photons 0", &["0 photons"]),
        ("--electronic-noise=-1", &["electronic noise"]),
        ("--seeds 1", &["1 realisation", "2"]),
        ("--size 8", &["8 × 8", "32"]),
        ("--phantoms nobody", &["nobody", "cct189"]),
        ("--phantoms disk,disk", &["disk", "twice"]),
        ("--image none.npy --slices 3", &["none.npy"]),
    ] {
        let defaults = TINY.replace(arguments.split(' ').next().unwrap(), "--ignored");
        let usual = defaults
            .split(" --")
            .filter(|flag| !flag.contains("ignored"))
            .map(|flag| format!("--{}", flag.trim_start_matches("--")));
        let usual = usual.collect::<Vec<_>>().join(" ");
        refused(folder.path(), &format!("bench dose -o study {usual} {arguments}"), words);
    }
    refused(folder.path(), "bench views -o study --levels 30.5 --methods fbp", &["30.5 views"]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was made");
}

#[test]
fn fewer_views_are_a_study_of_their_own() {
    let folder = tempdir().unwrap();
    let command =
        "bench views -o study --phantoms shepp-logan-toft --methods fbp,fbp:hann --levels 20,120 --size 64 --seeds 2";
    let said = works(folder.path(), command);
    assert_eq!(said["computed"], 4);
    let results = json(folder.path().join("study/results.json"));
    let psnr = |level| figure(&results, "shepp-logan-toft", "psnr", "fbp", level).unwrap();
    assert!(psnr(120.0) > psnr(20.0) + 3.0, "{} {}", psnr(120.0), psnr(20.0));
    let page = fs::read_to_string(folder.path().join("study/report.html")).unwrap();
    assert!(page.contains("Views and image quality") && page.contains("at 120 views"));
}

#[test]
fn a_slice_is_scanned_without_a_word_about_its_file() {
    let folder = tempdir().unwrap();
    works(folder.path(), "phantom ct-inserts --size 96 --voxel 2.6mm -o anna-smith.npy");
    let image = "--image anna-smith.npy --slices 0 --unit /mm --voxel 2.6mm --methods fbp --levels 1 --size 48 --views 90 --seeds 2";
    works(folder.path(), &format!("bench dose -o study {image}"));
    let study = folder.path().join("study");
    let results = json(study.join("results.json"));
    // 1000 photons to a HU or so: what is left is the blur of edges of 2000 HU on pixels of 5 mm.
    let rmse = figure(&results, "slice-0", "rmse", "fbp", 1.0).unwrap();
    assert!(rmse > 1.0 && rmse < 120.0, "{rmse}");
    for file in ["results.json", "results.csv", "report.html", "protocol.json"] {
        assert!(!fs::read_to_string(study.join(file)).unwrap().contains("smith"), "{file}");
    }
    let stack = "bench dose -o other --image anna-smith.npy --slices 5 --unit /mm --voxel 2.6mm --methods fbp";
    refused(folder.path(), stack, &["slice 5"]);
    refused(folder.path(), "bench dose -o other --image anna-smith.npy --slices 0 --methods fbp", &["--voxel"]);
}
