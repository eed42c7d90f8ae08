#!/usr/bin/env python3
"""30 views of the Toft phantom, 512²: Rushlight's iterative methods beside other toolkits', in one run, as Markdown.

    cargo build --release
    python3 -m venv .venv && .venv/bin/pip install numpy astra-toolbox scikit-image
    .venv/bin/python benches/few_views.py [--runs 3] [--views 30] [--tomoxide PROGRAM]

Every tool reconstructs the same exact, cell-averaged sinogram (736 cells) with the same number of iterations. Seconds are
of the iterations alone, medians over turns taken; Rushlight's are those of its step "iterate". PSNR: data range 1, inside
the inscribed circle. The second table gives the time to a PSNR, from the first iteration on.
"""

import argparse
import csv
import json
import os
import statistics
import subprocess
import tempfile
import time

import numpy as np

RUSHLIGHT = os.environ.get("RUSHLIGHT", "target/release/rushlight")
N, COLUMNS = 512, 736
PIXEL = 256 / N


def rushlight(*arguments):
    command = [RUSHLIGHT, "--quiet", *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def circle():
    y, x = np.mgrid[:N, :N] - (N - 1) / 2
    return x * x + y * y <= (N / 2 - 1) ** 2


INSIDE = circle()


def psnr(image, truth):
    turns = (image, image[::-1], image[:, ::-1], image[::-1, ::-1])
    return max(10 * np.log10(1 / np.mean((turned - truth)[INSIDE] ** 2)) for turned in turns)


def ours(scan, method, iterations, device):
    def run():
        out = f"{scan}.{method}.npy"
        line = rushlight("--device", device, "recon", scan, "--method", method, "--geometry", "parallel", "--angles", "0..180deg",
                         "--cell", f"{PIXEL}mm", "--size", N, "--iterations", iterations, "--force", "--json", "-o", out)
        return np.load(out).reshape(N, N), json.loads(line)["seconds"]["iterate"]
    return run


class Astra:
    """ASTRA's CPU projectors: "linear" is its fastest, "strip" knows the widths of cell and pixel."""

    def __init__(self, views, kind):
        import astra
        self.astra = astra
        volume = astra.create_vol_geom(N, N)
        projections = astra.create_proj_geom("parallel", 1.0, COLUMNS, np.arange(views) * np.pi / views)
        self.volume, self.projections = volume, projections
        self.projector = astra.create_projector(kind, projections, volume)

    def sirt(self, sinogram, iterations):
        astra = self.astra
        data, image = astra.data2d.create("-sino", self.projections, sinogram), astra.data2d.create("-vol", self.volume)
        setup = astra.astra_dict("SIRT")
        setup.update(ProjectorId=self.projector, ProjectionDataId=data, ReconstructionDataId=image, option={"MinConstraint": 0.0})
        algorithm = astra.algorithm.create(setup)

        def run():
            astra.data2d.store(image, 0)
            start = time.perf_counter()
            astra.algorithm.run(algorithm, iterations)
            seconds = time.perf_counter() - start
            return astra.data2d.get(image), seconds
        return run

    def tv(self, sinogram, strength, marks, truth=None):
        """Chambolle & Pock's primal–dual method with scalar steps; PSNR after so many iterations, and seconds."""
        operator = self.astra.OpTomo(self.projector)
        forward, back = lambda x: operator.FP(x.astype(np.float32)), lambda y: operator.BP(y.astype(np.float32))
        x = np.ones((N, N), np.float32)
        for _ in range(12):
            x = back(forward(x))
            norm = np.sqrt(np.linalg.norm(x))
            x /= np.linalg.norm(x)
        scale = norm / np.sqrt(8)
        tau, sigma = 8 / (np.sqrt(2) * norm), 1 / (8 * np.sqrt(2) * norm)
        x = np.zeros((N, N), np.float32)
        bar, p, y = x.copy(), np.zeros((2, N, N), np.float32), np.zeros_like(sinogram)
        seconds, rows = 0.0, []
        for iteration in range(1, max(marks) + 1):
            start = time.perf_counter()
            p[0, :-1] += sigma * scale * (bar[1:] - bar[:-1])
            p[1, :, :-1] += sigma * scale * (bar[:, 1:] - bar[:, :-1])
            p /= np.maximum(1.0, np.sqrt(p[0] ** 2 + p[1] ** 2) * (scale / strength))
            y = (y + sigma * (forward(bar) - sinogram)) / (1 + sigma)
            d = np.zeros_like(x)
            d[:-1] -= p[0, :-1]
            d[1:] += p[0, :-1]
            d[:, :-1] -= p[1, :, :-1]
            d[:, 1:] += p[1, :, :-1]
            fresh = np.maximum(x - tau * (back(y) + scale * d), 0)
            bar, x = 2 * fresh - x, fresh
            seconds += time.perf_counter() - start
            if iteration in marks:
                rows.append((iteration, seconds, psnr(x, truth) if truth is not None else float("nan")))
        return x, rows


def tomoxide(program, views, iterations, runs):
    command = [program, *map(str, [COLUMNS, views, 1, N, runs]), "sirt"]
    outcome = subprocess.run(command, capture_output=True, text=True).stdout
    for line in outcome.splitlines():
        if "median" in line and "sirt" in line:
            return float(line.split("median")[1].split()[0]) * 100 / iterations
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--views", type=int, default=30)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--peer-iterations", type=int, default=600, help="of the peer's TV in the race to a PSNR")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scan, truth = f"{folder}/scan.npy", f"{folder}/truth.npy"
        rushlight("phantom", "shepp-logan-toft", "--scale", "1/mm", "--size", N, "--voxel", f"{PIXEL}mm", "-o", truth)
        rushlight("scan", "shepp-logan-toft", "--scale", "1/mm", "--geometry", "parallel", "--views", options.views,
                  "--angles", "0..180deg", "--cells", COLUMNS, "--cell", f"{PIXEL}mm", "-o", scan)
        truth = np.load(truth).reshape(N, N)
        sinogram = (np.load(scan).reshape(options.views, COLUMNS) / PIXEL).astype(np.float32)
        linear, strip = Astra(options.views, "linear"), Astra(options.views, "strip")

        def astra_tv(tool, strength, iterations):
            def run():
                image, rows = tool.tv(sinogram, strength, [iterations])
                return image, rows[-1][1]
            return run
        jobs = [
            ("SIRT × 100", "rushlight sirt", 100, ours(scan, "sirt", 100, options.device)),
            ("SIRT × 100", "ASTRA (linear)", 100, linear.sirt(sinogram, 100)),
            ("TV × 300", "rushlight tv", 300, ours(scan, "tv", 300, options.device)),
            ("TV × 300", "primal–dual, numpy on ASTRA (linear)", 300, astra_tv(linear, 0.3, 300)),
        ]
        times, quality = {index: [] for index in range(len(jobs))}, {}
        for _ in range(options.runs):
            for index, (_, _, _, run) in enumerate(jobs):
                image, seconds = run()
                times[index].append(seconds)
                quality[index] = psnr(image, truth)
        print(f"{options.views} views, {N}², {COLUMNS} cells; medians of {options.runs}\n")
        print("| job | tool | s | ms an iteration | PSNR dB | × |\n|---|---|---|---|---|---|")
        for index, (job, tool, iterations, _) in enumerate(jobs):
            seconds = statistics.median(times[index])
            base = statistics.median(times[next(i for i, other in enumerate(jobs) if other[0] == job)])
            print(f"| {job} | {tool} | {seconds:.2f} | {1000 * seconds / iterations:.1f} | {quality[index]:.2f} | {seconds / base:.1f} |")
        race(options, folder, scan, sinogram, truth, strip)


def race(options, folder, scan, sinogram, truth, strip):
    """How long until the image is so good: Rushlight by runs of so many iterations, the peer on its way."""
    print("\n| tool | iterations | s | PSNR dB |\n|---|---|---|---|")
    for iterations in (50, 100, 150, 200, 300):
        image, seconds = ours(scan, "tv", iterations, options.device)()
        print(f"| rushlight tv, strength auto | {iterations} | {seconds:.2f} | {psnr(image, truth):.2f} |")
    if options.peer_iterations:
        marks = [m for m in (100, 200, 400, 600, 800) if m <= options.peer_iterations]
        for iterations, seconds, quality in strip.tv(sinogram, 0.5, marks, truth)[1]:
            print(f"| primal–dual, numpy on ASTRA (strip), λ 0.5 by hand | {iterations} | {seconds:.1f} | {quality:.2f} |", flush=True)


if __name__ == "__main__":
    main()
