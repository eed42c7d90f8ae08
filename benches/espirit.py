#!/usr/bin/env python3
"""ESPIRiT beside BART's `ecalib`, in one run, as Markdown: seconds, and how well the maps explain coil images.

    cargo build --release --example espirit
    python3 -m venv .venv && .venv/bin/pip install numpy scipy       # and BART in the path
    .venv/bin/python benches/espirit.py [--runs 5] [KSPACE ...]

Coil images: an ellipse phantom in exact k-space (sums of Bessel functions) times coil maps that are sums of few waves, with
noise for a signal-to-noise ratio of 30 dB; and every KSPACE (.cfl without its ending, dimensions x, y, z, coil, fully sampled). Both
calibrate from the central 24 × 24 points, one map, no crop, two threads. Residual: the part of the coil images (the phantom's without
noise) that S Sᴴ leaves out, inside the object. BART's seconds are whole processes, files included; Rushlight's are its computation.
"""

import argparse
import os
import statistics
import subprocess
import tempfile
import time

import numpy as np
from scipy.special import j1

RUSHLIGHT = os.environ.get("RUSHLIGHT_ESPIRIT", "target/release/examples/espirit")
BART = os.environ.get("BART", "bart")
QUIET = dict(os.environ, OMP_NUM_THREADS="2", OMP_WAIT_POLICY="passive", OPENBLAS_NUM_THREADS="1", RAYON_NUM_THREADS="2")

# Value, semi-axes and centre in half fields of view, degrees.
ELLIPSES = [(1, .69, .92, 0, 0, 0), (-.8, .6624, .874, 0, -.0184, 0), (-.2, .11, .31, .22, 0, -18), (-.2, .16, .41, -.22, 0, 18),
            (.1, .21, .25, 0, .35, 0), (.1, .046, .046, 0, .1, 0), (.1, .046, .023, -.08, -.605, 0), (.1, .023, .046, .06, -.605, 0)]


def images(kspace):
    axes = (1, 2)
    return np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(kspace, axes=axes), norm="ortho"), axes=axes)


def spectrum(kx, ky):
    """The phantom's Fourier transform; k in cycles per field of view, which is 2 wide."""
    total = np.zeros(np.broadcast(kx, ky).shape, complex)
    for value, a, b, x, y, degrees in ELLIPSES:
        c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
        rho = np.hypot(a * (kx * c + ky * s), b * (ky * c - kx * s)) / 2
        safe = np.maximum(rho, 1e-9)
        total += value * a * b * j1(2 * np.pi * safe) / safe * np.exp(-1j * np.pi * (kx * x + ky * y))
    return total


def phantom(n, coils=8):
    """K-space [coil, y, x] without and with noise. A coil: five waves of up to one cycle in two fields of view."""
    k = np.arange(n) - n // 2
    waves = [(0, 0), (.5, 0), (0, .5), (-.5, 0), (0, -.5)]
    parts = [spectrum(k[None, :] - fx, k[:, None] - fy) * n / 4 for fx, fy in waves]
    angles = 2 * np.pi * np.arange(coils) / coils
    weights = [[np.exp(1j * t), .4 * np.exp(3j * t), .4 * np.exp(1j * (2 * t + 1)), .4 * np.exp(-1j * t), .4 * np.exp(2j * t)] for t in angles]
    exact = np.array([sum(w * part for w, part in zip(row, parts)) for row in weights])
    combined = np.sqrt((np.abs(images(exact)) ** 2).sum(0))
    inside = combined > .05 * combined.max()
    sigma = np.sqrt((combined[inside] ** 2).mean()) * 10 ** (-30 / 20) / np.sqrt(2)
    draw = np.random.default_rng(1).standard_normal
    return exact, exact + sigma * (draw(exact.shape) + 1j * draw(exact.shape))


def read(name):
    with open(name + ".hdr", encoding="ascii") as header:
        extents = [int(word) for word in header.read().split("\n")[1].split()]
    return np.fromfile(name + ".cfl", np.complex64).reshape(extents, order="F").squeeze().transpose(2, 1, 0)


def write(name, kspace):
    numbers = kspace.transpose(2, 1, 0)[:, :, None, :].astype(np.complex64)
    with open(name + ".hdr", "w", encoding="ascii") as header:
        header.write("# Dimensions\n" + " ".join(map(str, numbers.shape)) + "\n")
    numbers.ravel(order="F").tofile(name + ".cfl")


def residual(maps, exact):
    x = images(exact)
    combined = np.sqrt((np.abs(x) ** 2).sum(0))
    inside = combined > .1 * combined.max()
    left = x - maps * (maps.conj() * x).sum(0)
    return np.linalg.norm(left[:, inside]) / np.linalg.norm(x[:, inside])


def bart(kspace, maps, *options):
    begin = time.perf_counter()
    command = [BART, "ecalib", "-m", "1", "-r", "24", "-c", "0", *options, kspace, maps]
    subprocess.run(command, check=True, env=QUIET, capture_output=True)
    return time.perf_counter() - begin


def ours(kspace, maps):
    command = [RUSHLIGHT, kspace, maps, "--crop", "0", "--runs", "3"]
    out = subprocess.run(command, check=True, env=QUIET, capture_output=True, text=True).stdout
    # The first run of a process also starts its threads and faults its memory in.
    return statistics.median(float(line.split()[0]) for line in out.splitlines()[1:])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("kspace", nargs="*")
    arguments = parser.parse_args()
    problems = [(f"phantom {n}²", *phantom(n)) for n in (256, 384)]
    problems += [(os.path.basename(name), read(name), read(name)) for name in arguments.kspace]
    tools = [("Rushlight", ours), ("BART ecalib", bart), ("BART ecalib -a", lambda k, s: bart(k, s, "-a"))]
    print("| k-space | tool | seconds, median | residual |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        kspace = os.path.join(folder, "k")
        for problem, exact, noisy in problems:
            write(kspace, noisy)
            seconds = {name: [] for name, _ in tools}
            for _ in range(arguments.runs):
                for name, run in tools:
                    seconds[name].append(run(kspace, os.path.join(folder, name.replace(" ", ""))))
            for name, _ in tools:
                maps = read(os.path.join(folder, name.replace(" ", "")))
                print(f"| {problem} | {name} | {statistics.median(seconds[name]):.3f} | {residual(maps, exact):.5f} |", flush=True)


if __name__ == "__main__":
    main()
