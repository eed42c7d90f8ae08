"""MP-PCA beside DIPY's, in one run: PSNR, the noise that both find, and seconds of one thread's processor.

A series as diffusion has it: 45 frames (5 without weighting, two shells) of 12 x 48 x 48 pixels; a ring whose fibres turn, one of
grey matter, fluid within, air about; white Gaussian noise.

    python benches/series.py [--rushlight PATH]

Needs numpy, dipy."""
import argparse, json, os, resource, subprocess, tempfile, time
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--rushlight", default="target/release/rushlight")
args = parser.parse_args()
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"

import numpy as np
from dipy.denoise.localpca import mppca

ROOM = tempfile.TemporaryDirectory()
FOLDER = Path(ROOM.name)


def series(frames=45, shape=(12, 48, 48)):
    rng = np.random.default_rng(0)
    z, y, x = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij")
    directions = rng.normal(size=(frames, 3))
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    weighting = np.where(np.arange(frames) < 5, 0, 1.0 + np.arange(frames) % 2)
    fibres = np.stack([np.cos(2 * x + y), np.sin(2 * x + y), 0.3 * z], -1)
    fibres /= np.linalg.norm(fibres, axis=-1)[..., None]
    radius = np.hypot(x, y)
    white, grey, fluid = (radius > .35) & (radius < .8), (radius >= .8) & (radius < .95), radius <= .35
    return np.stack([white * np.exp(-b * (.3 + 1.4 * (fibres @ v) ** 2)) + 1.1 * grey * np.exp(-.8 * b) + 1.6 * fluid * np.exp(-3 * b)
                     for b, v in zip(weighting, directions)]), rng


def ours(noisy, step):
    source, target, sigma = FOLDER / "noisy.npy", FOLDER / "quiet.npy", FOLDER / "sigma.npy"
    np.save(source, noisy)
    used = lambda: sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
    before = used()
    done = subprocess.run([args.rushlight, "denoise", source, "--method", "mp-pca", "--step", str(step), "-o", target, "--noise-map",
                           sigma, "--force", "--json", "--threads", "1"], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr.strip())
    seconds = used() - before
    return np.load(target), np.median(np.load(sigma)), seconds


def dipy(noisy):
    start = time.process_time()
    quiet, sigma = mppca(np.ascontiguousarray(noisy.transpose(3, 2, 1, 0)), patch_radius=2, return_sigma=True)
    return quiet.transpose(3, 2, 1, 0), np.median(sigma), time.process_time() - start


truth, rng = series()
psnr = lambda image: 10 * np.log10(truth.max() ** 2 / ((image - truth) ** 2).mean())
for sigma in (.03, .08):
    noisy = (truth + sigma * rng.standard_normal(truth.shape)).astype(np.float32)
    print(f"sigma {sigma}: {psnr(noisy):.2f} dB")
    for name, run in (("step 1", lambda x: ours(x, 1)), ("step 2", lambda x: ours(x, 2)), ("dipy", dipy)):
        quiet, found, seconds = run(noisy)
        print(f"  {name:8} {psnr(quiet):6.2f} dB   sigma {found:.4f}   {seconds:6.2f} s", flush=True)
