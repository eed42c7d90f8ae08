#!/usr/bin/env python3
"""Chest slices from a fifth of the photons: recipes beside FBP (Hann) at full dose, as a Markdown table.

    cargo build --release
    python3 -m venv .venv && .venv/bin/pip install numpy scikit-image
    .venv/bin/python benches/low_dose.py STACK [--slice 34] [--methods pwls tv] [--share 0.2]

Each slice is made twice as fine and scanned with 720 fan views over a full turn (736 cells on a curved detector, as wide as
a pixel at the axis, 570 mm from the source), 10⁵ photons a ray at full dose. RMSE in HU, PSNR and SSIM as in
`benches/chest.py`. `pnp:net` is `pnp` with the prior net. `--lodopab` scans by LoDoPaB-CT's protocol instead (`rushlight scan --preset lodopab`: 1000 parallel views
of 513 cells, 362² pixels, 4096 photons; PSNR and SSIM over the range of each truth), with nothing said about photons. `--inserts` scans the phantom ct-inserts in the same way and prints where the task transfer function of
each rod falls to a half, in 1/mm. A task's own curve, AUC against photons, is `rushlight bench dose --phantoms cct189`.
"""

import argparse
import json
import math
import os
import tempfile

import numpy as np

from chest import INSIDE, N, load, rushlight, score, slices

GEOMETRY = ["--geometry", "fan", "--detector", "curved", "--views", 720, "--angles", "0..360deg", "--cells", 736,
            "--source-origin", "570mm", "--source-detector", "1040mm"]
MAGNIFICATION = 1040 / 570
# Centres of the rods of phantoms/ct-inserts.toml, mm, and their radius.
RODS = {"bone": (1, -1), "air": (-1, -1), "acrylic": (-1, 1), "polyethylene": (1, 1)}
ALONG, RADIUS = 60 / math.sqrt(2), 12.5


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("stack")
    parser.add_argument("--unit", default="hu")
    parser.add_argument("--voxel", type=float, default=0.781, help="mm")
    parser.add_argument("--depth", type=int, default=69, help="slices in the stack")
    parser.add_argument("--slices", type=int, default=10, help="how many of them")
    parser.add_argument("--slice", type=int, action="append", help="only this one")
    parser.add_argument("--photons", type=float, default=1e5, help="at full dose")
    parser.add_argument("--share", type=float, default=0.2, help="of the dose, for the recipes")
    parser.add_argument("--water", type=float, default=0.01928, help="attenuation of water in the scan, mm⁻¹")
    parser.add_argument("--methods", nargs="*", default=["pwls", "tv"])
    parser.add_argument("--lodopab", action="store_true", help="LoDoPaB-CT's protocol")
    parser.add_argument("--inserts", action="store_true", help="the rods' sharpness instead of slices")
    options = parser.parse_args()
    full, low = options.photons, options.share * options.photons
    jobs = [("fbp", full), ("fbp", low)] + [(method, low) for method in options.methods]
    with tempfile.TemporaryDirectory() as folder:
        if options.inserts:
            print("| method | photons | " + " | ".join(RODS) + " |\n|---|---|" + "---|" * len(RODS))
            for job in jobs:
                print("| {} | {:g} | ".format(*job) + " | ".join(f"{f50:.3f}" for f50 in sharpness(folder, job)) + " |", flush=True)
            return
        if options.lodopab:
            print("| method | PSNR dB | SSIM | s |\n|---|---|---|---|")
            for method in ["fbp", *options.methods]:
                psnr, ssim, seconds = np.mean([lodopab(options, folder, index, method) for index in slices(options)], axis=0)
                print(f"| {method} | {psnr:.2f} | {ssim:.3f} | {seconds:.1f} |", flush=True)
            return
        print("| method | photons | RMSE HU | PSNR dB | SSIM in the circle | SSIM whole | s |\n|---|---|---|---|---|---|---|")
        for job in jobs:
            rows = [one(options, folder, index, job) for index in slices(options)]
            rmse, psnr, ssim, whole, seconds = np.mean(rows, axis=0)
            print(f"| {job[0]} | {job[1]:g} | {rmse:.1f} | {psnr:.2f} | {ssim:.3f} | {whole:.3f} | {seconds:.1f} |", flush=True)


def reconstruct(scan, image, job, voxel):
    method, photons = job
    extra = ["--filter", "hann"] if method == "fbp" else [*prior(method), "--photons", photons]
    report = rushlight("recon", scan, "--method", method.split(":")[0], *extra, "--size", N, "--voxel", f"{voxel}mm", "--force", "--json",
                       "-o", image)
    return json.loads(report)["total_seconds"]


def prior(method):
    return ["--prior", method.split(":")[1]] if ":" in method else []


def one(options, folder, index, job):
    """One slice by one method: RMSE, PSNR, both SSIM, seconds."""
    voxel, photons = options.voxel, job[1]
    scan, truth, image = f"{folder}/scan{index}-{photons:g}.h5", f"{folder}/truth{index}.npy", f"{folder}/image.npy"
    if not os.path.exists(scan):
        rushlight("scan", options.stack, "--slice", index, "--unit", options.unit, "--voxel", f"{voxel}mm", "--refine", 2, *GEOMETRY,
                  "--cell", f"{voxel * MAGNIFICATION}mm", "--photons", photons, "--seed", 1, "--force", "-o", scan, "--truth", truth)
    seconds = reconstruct(scan, image, job, voxel)
    found, expected = load(image, options.water), load(truth, options.water)
    return 1000 * math.sqrt(np.mean((found - expected)[INSIDE] ** 2)), *score(found, expected), seconds


def lodopab(options, folder, index, method):
    """One slice by LoDoPaB-CT's protocol: PSNR and SSIM over the truth's range, seconds."""
    scan, truth, image = f"{folder}/lodopab{index}.h5", f"{folder}/lodopab{index}.npy", f"{folder}/image.npy"
    if not os.path.exists(scan):
        rushlight("scan", options.stack, "--slice", index, "--unit", options.unit, "--preset", "lodopab", "--seed", 1, "-o", scan, "--truth", truth)
    extra = ["--filter", "hann"] if method == "fbp" else prior(method)
    report = rushlight("recon", scan, "--method", method.split(":")[0], *extra, "--size", 362, "--voxel", f"{260 / 362}mm", "--force", "--json", "-o", image)
    scores = json.loads(rushlight("compare", image, truth, "--json"))
    return scores["psnr"], scores["ssim"], json.loads(report)["total_seconds"]


def sharpness(folder, job):
    """Where the rods' task transfer functions fall to a half, 1/mm."""
    voxel = 0.5
    scan, image = f"{folder}/inserts-{job[1]:g}.h5", f"{folder}/inserts.npy"
    if not os.path.exists(scan):
        rushlight("scan", "ct-inserts", *GEOMETRY, "--cell", f"{voxel * MAGNIFICATION}mm", "--photons", job[1], "--seed", 1, "-o", scan)
    reconstruct(scan, image, job, voxel)
    return [f50(image, f"{x * ALONG}mm,{y * ALONG}mm,{RADIUS}mm", voxel) for x, y in RODS.values()]


def f50(image, disk, voxel):
    return json.loads(rushlight("measure", "ttf", image, "--disk", disk, "--voxel", f"{voxel}mm", "--json"))["f50"]


if __name__ == "__main__":
    main()
