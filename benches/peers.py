#!/usr/bin/env python3
"""Times Rushlight's FBP beside other toolkits' on the same sinograms, in one run, and prints a Markdown table.

    cargo build --release
    python3 -m venv .venv && .venv/bin/pip install numpy astra-toolbox scikit-image mbirjax
    .venv/bin/python benches/peers.py [--runs 7] [--tomoxide PROGRAM]

Each job: `rushlight scan` writes an exact, cell-averaged sinogram and `rushlight phantom` the area-sampled truth; every
tool reconstructs the same numbers. Times are medians, after one warm-up, from sinogram in memory to image in memory
(Rushlight's from `recon --json`: planning, filter, backprojection and both copies). Runs of all tools take turns, so that
a noisy machine is unfair to none. PSNR: data range of the phantom, inside the inscribed circle.
LEAP is not on PyPI: where `leapctype` can be imported it takes part. tomoxide is a Rust crate: name a program that takes
COLUMNS VIEWS SLICES GRID REPEATS ALGORITHM… and prints "best X s, median Y s" a line.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

RUSHLIGHT = os.environ.get("RUSHLIGHT", "target/release/rushlight")
CASES = [(512, 720, 736), (1024, 1440, 1472)]


def rushlight(*arguments):
    command = [RUSHLIGHT, "--quiet", *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def data(folder, n, views, columns):
    """Sinogram and truth in a frame 256 mm wide, values as the phantom's own (value 1 = 1 per mm)."""
    pixel = 256 / n
    truth, scan = f"{folder}/truth{n}.npy", f"{folder}/scan{n}.npy"
    rushlight("phantom", "shepp-logan-toft", "--scale", "1/mm", "--size", n, "-o", truth)
    rushlight("scan", "shepp-logan-toft", "--scale", "1/mm", "--views", views, "--angles", "0..180deg", "--cells", columns,
              "--cell", f"{pixel}mm", "-o", scan)
    return scan, np.load(scan).reshape(views, columns) / pixel, np.load(truth)


def psnr(image, truth):
    n = truth.shape[0]
    y, x = np.mgrid[:n, :n] - (n - 1) / 2
    inside = x * x + y * y <= (n / 2 - 1) ** 2
    best = -np.inf
    # Toolkits disagree about the direction of rows and columns; take the orientation that fits.
    for turned in (image, image[::-1], image[:, ::-1], image[::-1, ::-1]):
        best = max(best, 10 * np.log10(1 / np.mean((turned - truth)[inside] ** 2)))
    return best


def jobs_of(n, views, columns, scan, sinogram):
    angles = np.arange(views) * np.pi / views
    pixel = 256 / n

    def ours(level):
        def run():
            environment = dict(os.environ, RUSHLIGHT_SIMD=level)
            out = f"{scan}.image.npy"
            command = [RUSHLIGHT, "--quiet", "--device", "cpu", "recon", scan, "--geometry", "parallel", "--angles", "0..180deg",
                       "--cell", f"{pixel}mm", "--size", str(n), "--force", "--json", "-o", out]
            line = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
            seconds = json.loads(line)["seconds"]
            return np.load(out), sum(seconds[step] for step in ("plan", "upload", "filter", "backproject", "download"))
        return run

    def timed(work):
        def run():
            start = time.perf_counter()
            image = work()
            return image, time.perf_counter() - start
        return run

    jobs = {"rushlight (best SIMD)": ours(""), "rushlight (AVX2 only)": ours("avx2")}
    try:
        import astra
        volume, projections = astra.create_vol_geom(n, n), astra.create_proj_geom("parallel", 1.0, columns, angles)
        projector = astra.create_projector("linear", projections, volume)
        data_id, image_id = astra.data2d.create("-sino", projections, sinogram), astra.data2d.create("-vol", volume)
        setup = astra.astra_dict("FBP")
        setup.update(ProjectorId=projector, ProjectionDataId=data_id, ReconstructionDataId=image_id)
        algorithm = astra.algorithm.create(setup)

        def fbp():
            astra.algorithm.run(algorithm)
            return astra.data2d.get(image_id)
        jobs["ASTRA FBP (linear, CPU)"] = timed(fbp)
    except ImportError:
        print("skipped: ASTRA", file=sys.stderr)
    try:
        from skimage.transform import iradon
        # Its axis falls on column N//2, half a cell from ours: its PSNR here says nothing, its time does.
        turned = np.ascontiguousarray(sinogram.T)
        jobs["scikit-image iradon"] = timed(lambda: iradon(turned, theta=np.rad2deg(angles), output_size=n, circle=False))
    except ImportError:
        print("skipped: scikit-image", file=sys.stderr)
    try:
        import mbirjax
        model = mbirjax.ParallelBeamModel((views, 1, columns), angles)
        model.set_params(recon_shape=(n, n, 1), no_warning=True, verbose=0)
        stack = np.ascontiguousarray(sinogram[:, None, :])
        jobs["mbirjax direct_recon"] = timed(lambda: np.asarray(model.direct_recon(stack))[:, :, 0])
    except ImportError:
        print("skipped: mbirjax", file=sys.stderr)
    return jobs


def tomoxide(options, n, views, columns):
    medians = {}
    for algorithm in ("fbp", "gridrec", "fourierrec", "lprec"):
        command = [options.tomoxide, *map(str, [columns, views, 1, n, options.runs]), algorithm]
        outcome = subprocess.run(command, capture_output=True, text=True)
        found = re.search(r"median ([\d.]+) s", outcome.stdout)
        if found:
            medians[f"tomoxide {algorithm}"] = float(found[1])
        else:
            print(f"skipped: tomoxide {algorithm}: {outcome.stderr.strip()[:100]}", file=sys.stderr)
    return medians


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--size", type=int, action="append", help="only this image size: 512 or 1024")
    parser.add_argument("--tomoxide", help="program that times the crate tomoxide")
    options = parser.parse_args()
    print("| job | tool | median s | ratio to Rushlight | PSNR dB |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for n, views, columns in [case for case in CASES if not options.size or case[0] in options.size]:
            scan, sinogram, truth = data(folder, n, views, columns)
            jobs = jobs_of(n, views, columns, scan, sinogram)
            seconds = {name: [] for name in jobs}
            quality = {name: psnr(run()[0], truth) for name, run in jobs.items()}
            for _ in range(options.runs):
                for name, run in jobs.items():
                    seconds[name].append(run()[1])
            medians = {name: statistics.median(times) for name, times in seconds.items()}
            if options.tomoxide:
                medians.update(tomoxide(options, n, views, columns))
            ours = medians["rushlight (best SIMD)"]
            for name, median in medians.items():
                figure = f"{quality[name]:.2f}" if name in quality else ""
                print(f"| {n}², {views} × {columns} | {name} | {median:.4f} | {median / ours:.1f} | {figure} |", flush=True)


main()
