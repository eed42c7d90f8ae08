#!/usr/bin/env python3
"""No recipe below the simplest one: RMSE of every recipe against the better of FBP's Ram-Lak and Hann, as a Markdown table.

    cargo build --release
    python3 -m venv .venv && .venv/bin/pip install numpy
    .venv/bin/python benches/never_worse.py [--whole] [--objects cct189 disk] [--views 30 240] [--photons 2e4 none] ...

Every built-in phantom is scanned exactly, cells averaged, by parallel rays over half a turn or by a flat fan over a whole one,
the cells as wide as a pixel at the axis (or --cells-per-pixel finer), and reconstructed with no option but the method's name.
RMSE is against the area-sampled phantom, in thousandths of its range (of 1000 HU for cct189), inside the inscribed circle / over
the whole picture. A cell that is above FBP's in either is marked with "!". By default a small part of the table is made; --whole
takes all of it, which is hours of work. --write FOLDER keeps the pictures, --tolerance says how many per cent above still count
as level.
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile

import numpy as np

RUSHLIGHT = os.environ.get("RUSHLIGHT", "target/release/rushlight")
OBJECTS = ["shepp-logan", "shepp-logan-toft", "forbild-head", "disk", "line-pairs", "cct189", "ct-inserts"]
METHODS = ["tv", "tgv", "pwls", "pnp"]
FRAME = 256.0
# Of the fan, mm.
SOURCE_ORIGIN, SOURCE_DETECTOR = 570.0, 1040.0


def rushlight(*arguments):
    done = subprocess.run([RUSHLIGHT, "--quiet", *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, arguments))}: {done.stderr.strip()}")
    return done.stdout


def geometry(kind, views, cell):
    """Flags of a scan whose detector holds the whole frame, corners included."""
    radius = FRAME / np.sqrt(2)
    if kind == "parallel":
        return ["--geometry", "parallel", "--angles", "0..180deg", "--views", views, "--cell", f"{cell}mm",
                "--cells", 2 * int(np.ceil(radius / cell)) + 2]
    half = SOURCE_DETECTOR * np.tan(np.arcsin(radius / SOURCE_ORIGIN))
    cell *= SOURCE_DETECTOR / SOURCE_ORIGIN
    return ["--geometry", "fan", "--angles", "0..360deg", "--views", views, "--cell", f"{cell}mm", "--source-origin", f"{SOURCE_ORIGIN}mm",
            "--source-detector", f"{SOURCE_DETECTOR}mm", "--cells", 2 * int(np.ceil(half / cell)) + 2]


def errors(image, truth, unit):
    n = truth.shape[0]
    y, x = np.mgrid[:n, :n] - (n - 1) / 2
    square = ((image - truth) / unit) ** 2
    return 1000 * np.sqrt(square[x * x + y * y <= (n / 2) ** 2].mean()), 1000 * np.sqrt(square.mean())


def one(options, folder, case, method):
    """RMSE in the circle and of the whole of one recipe, and the seconds of its whole command."""
    name, kind, views, photons, pixel = case
    n = round(FRAME / pixel)
    stem = "-".join(map(str, case))
    scan, truth = f"{folder}/{stem}.h5", f"{folder}/{name}-{n}.npy"
    image = f"{options.write or folder}/{stem}-{method.replace(':', '-')}.npy"
    if not os.path.exists(truth):
        rushlight("phantom", name, "--size", n, "--voxel", f"{pixel}mm", "-o", truth)
    if not os.path.exists(scan):
        noise = [] if photons == "none" else ["--photons", photons, "--seed", options.seed]
        rushlight("scan", name, *geometry(kind, views, pixel / options.cells_per_pixel), *noise, "-o", scan)
    recipe, _, variant = method.partition(":")
    extra = ["--filter", variant] if recipe == "fbp" else ["--prior", variant] if variant else []
    told = json.loads(rushlight("recon", scan, "--method", recipe, *extra, *options.extra, "--size", n, "--voxel", f"{pixel}mm", "--force", "--json",
                                "-o", image))
    expected = np.load(truth).reshape(n, n).astype(float)
    unit = 0.0192 if name == "cct189" else float(expected.max() - expected.min())
    return *errors(np.load(image).reshape(n, n).astype(float), expected, unit), told["total_seconds"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--whole", action="store_true", help="every cell of the table")
    parser.add_argument("--objects", nargs="*")
    parser.add_argument("--geometries", nargs="*")
    parser.add_argument("--views", nargs="*", type=int)
    parser.add_argument("--photons", nargs="*", help="a ray, or none for no noise")
    parser.add_argument("--pixels", nargs="*", type=float, help="mm")
    parser.add_argument("--methods", nargs="*", default=METHODS)
    parser.add_argument("--cells-per-pixel", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tolerance", type=float, default=0.0, help="per cent")
    parser.add_argument("--write", metavar="FOLDER", help="keeps the images here")
    parser.add_argument("--extra", nargs=argparse.REMAINDER, default=[], help="more flags for recon, last")
    options = parser.parse_args()
    small = not options.whole
    cases = list(itertools.product(
        options.objects or (["shepp-logan-toft", "line-pairs", "cct189"] if small else OBJECTS),
        options.geometries or (["parallel"] if small else ["parallel", "fan"]),
        options.views or ([30, 240] if small else [30, 100, 240, 720]),
        options.photons or (["2e4", "none"] if small else ["1e4", "2e4", "1e5", "none"]),
        options.pixels or ([2.0] if small else [2.0, 1.0, 0.5])))
    print("| object | rays | views | photons | pixel | Ram-Lak | Hann | " + " | ".join(options.methods) + " |")
    print("|---|---|---|---|---|" + "---|" * (2 + len(options.methods)))
    worse, cells, seconds = 0, 0, dict.fromkeys(options.methods, 0.0)
    with tempfile.TemporaryDirectory() as folder:
        for case in cases:
            fbp = [one(options, folder, case, method)[:2] for method in ("fbp:ram-lak", "fbp:hann")]
            best = np.min(fbp, axis=0) * (1 + options.tolerance / 100)
            row = ["{:.1f} / {:.1f}".format(*pair) for pair in fbp]
            for method in options.methods:
                *found, took = one(options, folder, case, method)
                above = bool(np.any(np.array(found) > best))
                worse, cells, seconds[method] = worse + above, cells + 1, seconds[method] + took
                row.append("{:.1f} / {:.1f}".format(*found) + (" !" if above else ""))
            print("| " + " | ".join([*map(str, case), *row]) + " |", flush=True)
    print(f"\n{worse} of {cells} are above the better FBP; seconds: " + ", ".join(f"{name} {total:.1f}" for name, total in seconds.items()))
    sys.exit(1 if worse else 0)


if __name__ == "__main__":
    main()
