#!/usr/bin/env python3
"""Chest slices from few views: every recipe beside FBP from more and more views, as a Markdown table.

    cargo build --release
    python3 -m venv .venv && .venv/bin/pip install numpy scikit-image
    .venv/bin/python benches/chest.py STACK [--unit hu] [--voxel 0.781mm] [--slices 10] [--views 30] [--methods tv pnp]

STACK is what `rushlight scan` reads, for instance lidc_0314_chest_hu.npz:/pixels, 512² pixels a slice. Each slice is made
twice as fine and scanned with parallel rays, 736 cells as wide as a pixel, 10⁵ photons a ray, so that no reconstruction
meets the pixels that were scanned. Images are compared with the slice, both clipped to −1000…1000 HU, whose width is the
data range: PSNR and SSIM (Gaussian window, Wang et al. 2004) inside the inscribed circle, and SSIM of the whole image with
what lies outside the circle set to −1000 HU. Seconds are those of the whole command.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
from skimage.metrics import structural_similarity

RUSHLIGHT = os.environ.get("RUSHLIGHT", "target/release/rushlight")
N, CELLS = 512, 736
ROW, COLUMN = np.mgrid[:N, :N] - (N - 1) / 2
INSIDE = ROW ** 2 + COLUMN ** 2 <= (N / 2) ** 2


def rushlight(*arguments):
    command = [RUSHLIGHT, "--quiet", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def load(path, water):
    """In units of water, from −1000 to 1000 HU."""
    return np.clip(np.load(path).reshape(N, N).astype(np.float64) / water, 0, 2)


def score(image, truth):
    options = dict(data_range=2.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False)
    psnr = 10 * np.log10(4 / np.mean((image - truth)[INSIDE] ** 2))
    ssim = structural_similarity(truth, image, full=True, **options)[1][INSIDE].mean()
    return psnr, ssim, structural_similarity(truth * INSIDE, image * INSIDE, **options)


def slices(options):
    """Spread over the stack, without its ends."""
    if options.slice:
        return options.slice
    if options.slices == 1:
        return [options.depth // 2]
    ends = 0.1 * options.depth, 0.9 * (options.depth - 1)
    return [round(ends[0] + (ends[1] - ends[0]) * i / (options.slices - 1)) for i in range(options.slices)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("stack")
    parser.add_argument("--unit", default="hu")
    parser.add_argument("--voxel", default="0.781mm")
    parser.add_argument("--depth", type=int, default=69, help="slices in the stack")
    parser.add_argument("--slices", type=int, default=10, help="how many of them")
    parser.add_argument("--slice", type=int, action="append", help="only this one")
    parser.add_argument("--views", type=int, default=30, help="of the recipes")
    parser.add_argument("--fbp-views", type=int, nargs="*", default=[30, 60, 100, 200])
    parser.add_argument("--photons", default="1e5")
    parser.add_argument("--water", type=float, default=0.01928, help="attenuation of water in the scan, mm⁻¹")
    parser.add_argument("--methods", nargs="*", default=["tv", "tgv", "pnp"])
    parser.add_argument("--keep", metavar="FOLDER", help="keep scans and images there")
    options = parser.parse_args()
    jobs = [("fbp", views, ["--filter", "hann"]) for views in options.fbp_views]
    jobs += [(method, options.views, ["--photons", options.photons]) for method in options.methods]
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or temporary
        os.makedirs(folder, exist_ok=True)
        print("| method | views | PSNR dB | SSIM in the circle | SSIM whole | s |\n|---|---|---|---|---|---|")
        for method, views, extra in jobs:
            rows = [one(options, folder, index, (method, views, extra)) for index in slices(options)]
            psnr, ssim, whole, seconds = np.mean(rows, axis=0)
            print(f"| {method} | {views} | {psnr:.2f} | {ssim:.3f} | {whole:.3f} | {seconds:.1f} |", flush=True)


def one(options, folder, index, job):
    """One slice by one method: PSNR, both SSIM, seconds."""
    method, views, extra = job
    scan, truth = f"{folder}/scan{index}-{views}.h5", f"{folder}/truth{index}.npy"
    if not os.path.exists(scan) or not os.path.exists(truth):
        rushlight("scan", options.stack, "--slice", index, "--unit", options.unit, "--voxel", options.voxel, "--refine", 2,
                  "--geometry", "parallel", "--views", views, "--angles", "0..180deg", "--cells", CELLS, "--cell", options.voxel,
                  "--photons", options.photons, "--seed", 1, "--force", "-o", scan, "--truth", truth)
    image = f"{folder}/{method}{index}-{views}.npy"
    report = rushlight("recon", scan, "--method", method, *extra, "--size", N, "--voxel", options.voxel, "--force", "--json",
                       "-o", image)
    return *score(load(image, options.water), load(truth, options.water)), json.loads(report)["total_seconds"]


if __name__ == "__main__":
    main()
