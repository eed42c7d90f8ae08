#!/usr/bin/env python3
"""MR: Rushlight beside BART and SigPy on the same k-space, in one run, as Markdown: quality on made problems, and speed.

    cargo build --release
    python3 -m venv .venv && .venv/bin/pip install numpy scipy scikit-image nibabel sigpy finufft pygrappa   # and BART in the path
    .venv/bin/python benches/mr.py --peers ../shared/peers/mri [--quick] [--speed] [--keep rows.json]

Problems, metrics and the peers' calls are the peers' harness' own (`common.py` and `run_recon.py` in --peers; see its README): 8 coils,
30 dB, a head and an exact phantom, compared in magnitude over the whole field of view after one least-squares scale. The peers get
BART's maps, and the strength that is best against the truth, found in steps of 2; BART's TV on radial data its ADMM weight, too.
Rushlight runs with `--strength auto`, and tuned from there in steps of √2; with its own maps, and with BART's. The harness
has x as an array's first axis, Rushlight as its last, so k-space goes over as it is and a trajectory with its columns swapped.
Seconds of the quality table are one run's. --speed: all tools take turns; BART's and Rushlight's are whole processes, files
included (Rushlight's computation in a column of its own), SigPy's a warm call. CPU seconds are over all threads.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
import numpy as np

RUSHLIGHT = os.environ.get("RUSHLIGHT", "target/release/rushlight")
METHODS = {"sense": "cg", "l1-wavelet": "wav", "tv": "tv"}
QUICK = [("colin", 256, "equi", 4), ("colin", 256, "poisson", 5), ("shepp", 256, "equi", 4)]
ALL = QUICK + [("shepp", 256, "poisson", 5), ("colin", 256, "radial", 5), ("shepp", 256, "radial", 5), ("shepp", 384, "equi", 4),
               ("shepp", 384, "poisson", 5), ("shepp", 384, "radial", 5), ("colin", 256, "equi", 5), ("colin", 256, "poisson", 4),
               ("shepp", 256, "equi", 5), ("shepp", 256, "poisson", 4)]


def rushlight(*arguments):
    """Runs `rushlight recon`: (seconds, CPU seconds, what --json says)."""
    used = lambda: sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
    command = [RUSHLIGHT, "--quiet", "recon", *map(str, arguments), "--threads", "2", "--force", "--json"]
    cpu, begin = used(), time.perf_counter()
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return time.perf_counter() - begin, used() - cpu, json.loads(out)


class Files:
    """A problem as the files that Rushlight reads."""

    def __init__(self, folder, problem, maps):
        self.out, self.scan = f"{folder}/image.npy", [f"{folder}/kspace.npy"]
        kspace, trajectory = problem["kspace"], problem["traj"]
        if trajectory is not None:
            kspace = kspace.reshape(len(kspace), -1)
            np.save(f"{folder}/trajectory.npy", trajectory.reshape(-1, 2)[:, ::-1].astype(np.float32))
            self.scan += ["--trajectory", f"{folder}/trajectory.npy", "--matrix", f"{problem['n']},{problem['n']}"]
        np.save(f"{folder}/kspace.npy", kspace.astype(np.complex64))
        np.save(f"{folder}/maps.npy", maps.astype(np.complex64))
        self.maps = ["--maps", f"{folder}/maps.npy"]

    def recon(self, method, *options):
        seconds, cpu, said = rushlight(*self.scan, "--method", method, *options, "-o", self.out)
        return np.load(self.out).squeeze(), seconds, cpu, said


def ours(files, method, judge, rows):
    """Auto, and tuned by steps of √2 from there for as long as the error falls; with its own maps and with BART's."""
    for whose, option in (("own", []), ("BART's", files.maps)):
        tried = {}

        def error(step):
            strength = "auto" if step == 0 else f"{2 ** (step / 2):.3g}x"
            image, seconds, *_ = files.recon(method, *option, "--strength", strength)
            tried[step] = {**judge(image), "seconds": seconds, "strength": strength}
            return tried[step]["nrmse"]

        best = error(0)
        direction = 1 if error(1) < best else -1
        best, step = min(tried[0]["nrmse"], tried[1]["nrmse"]), max(direction, 0)
        while abs(step) < 6 and error(step + direction) < best:
            step += direction
            best = tried[step]["nrmse"]
        sweep = {tried[at]["strength"]: tried[at]["nrmse"] for at in sorted(tried)}
        rows.append({"tool": f"Rushlight auto, {whose} maps", "method": method, **tried[0], "sweep": sweep})
        rows.append({"tool": f"Rushlight tuned, {whose} maps", "method": method, **tried[step]})


def peers(harness, problem, maps, bart, method, rows):
    """The harness' BART and SigPy calls for this kind of method, tuned by its own climb."""
    kind, truth = METHODS[method], problem["truth"]
    words = {"cg": "CG-SENSE", "wav": "L1-wavelet", "tv": " TV "}[kind]
    inside = truth > .05 * truth.max()
    for name, start, run in harness.methods(problem, maps, [bart]):
        if words not in name or "TGV" in name:
            continue
        tool, runs = name.split()[0].replace("bart", "BART").replace("sigpy", "SigPy"), {"": run}
        if tool == "BART" and kind == "tv" and problem["traj"] is not None:
            runs = {f", u = {u}": bart_tv(bart, u) for u in (.01, .1, 1)}
        try:
            best = min(((*harness.climb(run, start, truth, inside), note) for note, run in runs.items()), key=lambda found: found[1]["nrmse"])
            strength, figures, _, seconds, note = best
            rows.append({"tool": tool, "method": method, **figures, "strength": f"{strength:.3g}{note}", "seconds": seconds})
        except Exception as error:                      # a peer that fails is a row that says so
            rows.append({"tool": tool, "method": method, "strength": repr(error)[:80]})


def bart_tv(bart, weight):
    def run(strength):
        bart.run("pics", "-t", "t", "-R", f"T:3:0:{strength}", "-u", weight, "-C", 5, "-i", 60, "k", "s", "o")
        return bart.get("o")
    return run


def number(row, key, digits):
    return f"{row[key]:.{digits}f}" if row and key in row else ""


def print_rows(rows):
    print("\n| problem | method | tool | strength | NRMSE | PSNR dB | SSIM | s |\n|---|---|---|---|---|---|---|---|")
    for row in rows:
        figures = [number(row, key, digits) for key, digits in (("nrmse", 4), ("psnr", 2), ("ssim", 3), ("seconds", 2))]
        print("|", " | ".join([row["problem"], row["method"], row["tool"], row["strength"], *figures]), "|")


def print_summary(rows):
    tools = ["BART", "SigPy", *(f"Rushlight {how}, {whose} maps" for whose in ("own", "BART's") for how in ("auto", "tuned"))]
    print("\nNRMSE:\n\n| problem | method |", " | ".join(tools), "| auto over tuned | below the best peer's |\n|---|---|" + "---|" * (len(tools) + 2))
    for problem, method in dict.fromkeys((row["problem"], row["method"]) for row in rows):
        found = {row["tool"]: row for row in rows if (row["problem"], row["method"]) == (problem, method)}
        value = {tool: found[tool]["nrmse"] for tool in found if "nrmse" in found[tool]}
        ratio = value[tools[2]] / value[tools[3]]
        others = [value[tool] for tool in tools[:2] if tool in value]
        best = f"{100 * (1 - value[tools[2]] / min(others)):.0f} %" if others else ""
        print("|", " | ".join([problem, method, *(number(found.get(tool), "nrmse", 4) for tool in tools), f"{ratio:.3f}", best]), "|")


def quality(arguments, harness, keep):
    bart = harness.barts()[-1]
    rows = json.load(open(keep)) if keep and os.path.exists(keep) else []
    for case in (QUICK if arguments.quick else ALL):
        name = "%s%d-%s-R%d" % case
        missing = [method for method in METHODS if not any((row["problem"], row["method"]) == (name, method) for row in rows)]
        if not missing:
            continue
        problem, maps = harness.prepared(*case, [bart])
        judge = lambda image: harness.metrics(image, problem["truth"])
        with tempfile.TemporaryDirectory() as folder:
            files = Files(folder, problem, maps)
            for method in missing:
                new = []
                ours(files, method, judge, new)
                if not arguments.alone:
                    peers(harness, problem, maps, bart, method, new)
                rows += [{"problem": name, **row} for row in new]
                print(name, method, {row["tool"]: round(row.get("nrmse", np.nan), 4) for row in new}, file=sys.stderr, flush=True)
                if keep:
                    json.dump(rows, open(keep, "w"), indent=1)
    bart.close()
    print_summary(rows)
    print_rows(rows)


def speed(arguments, harness):
    """Same k-space, maps and number of iterations; every tool once a turn."""
    bart, cases = harness.barts()[-1], [("colin", 256, "equi", 4), ("shepp", 384, "equi", 4)]
    print("\n| problem | job | tool | s, median | CPU s, median | over Rushlight's |\n|---|---|---|---|---|---|")
    for case in cases[:1] if arguments.quick else cases:
        problem, maps = harness.prepared(*case, [bart])
        with tempfile.TemporaryDirectory() as folder:
            files = Files(folder, problem, maps)
            for method, iterations in (("sense", 30), ("l1-wavelet", 60), ("tv", 60)):
                taken, inside = {}, []
                words = {"sense": "CG-SENSE", "l1-wavelet": "L1-wavelet", "tv": " TV "}[method]
                calls = {name.replace("bart", "BART").replace("sigpy", "SigPy"): (run, start)
                         for name, start, run in harness.methods(problem, maps, [bart]) if words in name}
                for _ in range(arguments.runs):
                    _, seconds, cpu, said = files.recon(method, *files.maps, "--iterations", iterations)
                    taken.setdefault("Rushlight, process", []).append((seconds, cpu))
                    inside.append(sum(said["seconds"].values()) - sum(said["seconds"].get(step, 0) for step in ("read", "write")))
                    for name, (run, start) in calls.items():
                        if name.startswith("SigPy") and name not in taken:
                            run(start)                  # compiles
                        cpu, begin = harness.cpu_seconds(), time.perf_counter()
                        run(start)
                        taken.setdefault(name, []).append((time.perf_counter() - begin, harness.cpu_seconds() - cpu))
                unit, label = [statistics.median(column) for column in zip(*taken["Rushlight, process"])], "%s%d-%s-R%d" % case
                print(f"| {label} | {method} {iterations} it | Rushlight, computation | {statistics.median(inside):.3f} | | |")
                for name, times in taken.items():
                    wall, cpu = (statistics.median(column) for column in zip(*times))
                    print(f"| {label} | {method} | {name} | {wall:.3f} | {cpu:.3f} | {wall / unit[0]:.1f}, CPU {cpu / unit[1]:.1f} |", flush=True)
    bart.close()


def harness_of(folder):
    """The harness' two modules as one namespace."""
    sys.path.insert(0, folder)
    import run_recon
    return run_recon


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--peers", default="../shared/peers/mri")
    parser.add_argument("--quick", action="store_true", help="three problems; speed of one")
    parser.add_argument("--alone", action="store_true", help="Rushlight only")
    parser.add_argument("--speed", action="store_true", help="seconds instead of quality")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--keep", help="file of rows so far: a run that was cut short goes on from it")
    arguments = parser.parse_args()
    harness = harness_of(arguments.peers)
    if arguments.speed:
        speed(arguments, harness)
    else:
        quality(arguments, harness, arguments.keep)


if __name__ == "__main__":
    main()
