"""Non-uniform Fourier transforms beside FINUFFT's (plan reused), in one run on the same threads.

    cargo build --release --example nufft
    pip install finufft numpy        # in an environment of its own
    RAYON_NUM_THREADS=2 python benches/nufft.py

Prints medians over interleaved rounds, ratios, and both sides' error against direct sums in f64.
"""
import json
import os
import pathlib
import subprocess
import tempfile
import time

import finufft
import numpy as np

THREADS = int(os.environ.get("RAYON_NUM_THREADS", "2"))
ROUNDS = int(os.environ.get("ROUNDS", "5"))
BINARY = pathlib.Path(__file__).parent.parent / "target/release/examples/nufft"
rng = np.random.default_rng(0)


def golden_radial(n, spokes, readout):
    angle = np.arange(spokes) * np.pi * (np.sqrt(5) - 1) / 2
    r = n * ((np.arange(readout) + 0.5) / readout - 0.5)
    return np.stack([np.outer(np.cos(angle), r).ravel(), np.outer(np.sin(angle), r).ravel()], 1)


def phases(k, n):
    return np.exp(-2j * np.pi * np.outer(k.astype(float), np.arange(n) - n // 2) / n)


def direct_forward(x, k):
    t = x.astype(complex)
    if x.ndim == 3:
        return np.einsum("cyx,my,mx->cm", t, phases(k[:, 1], x.shape[1]), phases(k[:, 0], x.shape[2]), optimize=True)
    t = np.tensordot(t, phases(k[:, 0], x.shape[3]), (3, 1))
    t = np.einsum("czym,my->czm", t, phases(k[:, 1], x.shape[2]))
    return np.einsum("czm,mz->cm", t, phases(k[:, 2], x.shape[1]))


def direct_adjoint(y, k, dims, pixels):
    out = np.zeros((len(y), len(pixels)), complex)
    for q, pixel in enumerate(pixels):
        turns = sum(k[:, len(dims) - 1 - i].astype(float) * (p - n // 2) / n for i, (p, n) in enumerate(zip(pixel, dims)))
        out[:, q] = y.astype(complex) @ np.exp(2j * np.pi * turns)
    return out


def relative(a, b):
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


def planar(x):
    """Complex [..., n] as f32 [..., 2, n]."""
    return np.ascontiguousarray(np.stack([x.real, x.imag], -2).astype(np.float32))


def case(name, dims, k, coils):
    k = k.astype(np.float32)
    draw = lambda shape: (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(np.complex64)
    x, y = draw((coils,) + dims), draw((coils, len(k)))
    some = rng.choice(len(k), 300, replace=False)
    pixels = np.stack([rng.integers(0, n, 40) for n in dims], 1)
    truth = direct_forward(x, k[some]), direct_adjoint(y, k, dims, pixels)
    at = lambda image: image[(slice(None),) + tuple(pixels.T)]
    root = np.sqrt(np.prod(dims))
    # FINUFFT's first axis is the slowest here.
    turns = [np.ascontiguousarray(2 * np.pi * k[:, len(dims) - 1 - i] / n, np.float32) for i, n in enumerate(dims)]
    for tolerance in (1e-3, 1e-5):
        plans = []
        for kind in (2, 1):
            plan = finufft.Plan(kind, dims, n_trans=coils, eps=tolerance, isign=-1 if kind == 2 else 1, dtype="complex64",
                                nthreads=THREADS)
            plan.setpts(*turns)
            plans.append(plan)
        theirs, ours, extra = [[], []], [[], []], []
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            points = np.zeros((len(k), 3), np.float32)
            points[:, :k.shape[1]] = k
            points.tofile(folder / "points")
            planar(x).tofile(folder / "images")
            planar(y).tofile(folder / "samples")
            matrix = (1,) * (3 - len(dims)) + dims
            for _ in range(ROUNDS):
                for side, (plan, data) in enumerate(zip(plans, (x, y))):
                    data = data if coils > 1 else data[0]
                    plan.execute(data)
                    for _ in range(3):
                        start = time.perf_counter()
                        out = plan.execute(data)
                        theirs[side].append(time.perf_counter() - start)
                    if side == 0:
                        their_forward = relative(out.reshape(coils, -1)[:, some], truth[0])
                    else:
                        their_adjoint = relative(at(out.reshape((coils,) + dims)), truth[1])
                line = subprocess.run([BINARY, folder, *map(str, matrix), str(coils), str(tolerance), "3"], check=True,
                                      capture_output=True, text=True, env={**os.environ, "RAYON_NUM_THREADS": str(THREADS)})
                report = json.loads(line.stdout)
                ours[0] += report["forward"]
                ours[1] += report["adjoint"]
                extra += report["toeplitz"]
            read = lambda name, shape: np.fromfile(folder / name, np.float32).reshape(shape)
            forward = read("forward", (coils, 2, len(k)))
            forward = relative((forward[:, 0] + 1j * forward[:, 1])[:, some] * root, truth[0])
            adjoint = read("adjoint", (coils,) + dims[:-1] + (2, dims[-1]))
            adjoint = relative(at(adjoint[..., 0, :] + 1j * adjoint[..., 1, :]) * root, truth[1])
        for side, (way, own, their) in enumerate((("forward", forward, their_forward), ("adjoint", adjoint, their_adjoint))):
            a, b = np.median(ours[side]), np.median(theirs[side])
            least = min(theirs[side]) / min(ours[side])
            print(f"| {name} | {tolerance:g} | {way} | {a * 1e3:.1f} ({own:.1e}) | {b * 1e3:.1f} ({their:.1e}) | {b / a:.2f} ({least:.2f}) |",
                  flush=True)
        print(f"| {name} | {tolerance:g} | AᴴA | {np.median(extra) * 1e3:.1f} | | |  <!-- plan {report['plan']:.2f} s, "
              f"grid {report['grid']}, width {report['width']} -->", flush=True)


if __name__ == "__main__":
    print(f"FINUFFT {finufft.__version__}, {THREADS} threads, medians of {3 * ROUNDS}")
    print("| case | tolerance | | Rushlight ms (error) | FINUFFT ms (error) | FINUFFT / Rushlight: medians (bests) |\n|---|---|---|---|---|---|")
    case("2-D 256², 8 coils, 64 × 512 radial", (256, 256), golden_radial(256, 64, 512), 8)
    case("3-D 128³, 10⁶ random", (128,) * 3, (rng.random((1_000_000, 3)) - 0.5) * 127.99, 1)
