#!/usr/bin/env python3
"""Real low field: one of two averages denoised, judged against the other, as Markdown; and a picture to look at.

    cargo build --release
    python3 -m venv .venv && .venv/bin/pip install numpy scipy scikit-image pillow
    .venv/bin/python benches/low_field.py [--data ../shared/data/mr-kspace] [--methods bm3d nlm …] [--picture low-field.png]

The file: a head at 0.055 T (FLAIR, inside an RF cage; Liu et al. 2021, Nature Communications 12, 7238; CC0), four slices, one coil,
two averages, which have the same anatomy and independent noise. Each average is denoised, complex, with no option but the method,
and held against the other; figures are means over both ways and four slices, inside the head.

σ         what `--sigma auto` found over what the difference of the two averages says
gain      10 log₁₀ σ²/e², where e² = |denoised − other|² − σ² is free of the other's noise, so it counts what was smoothed away, too
SSIM      of magnitudes to the other average, whose noise is its own; data range: the greatest of the mean of both
to mean   RMS distance to the mean of both, over that of the noisy one: this mean holds half of the noise that was taken off, so that
          the truth itself, like the noisy image, is at 1
edges     slope on the steepest tenth of pixels: ∇denoised · ∇other over ∇noisy · ∇other, gradients of Gaussians of 1 pixel; 1 is all kept
"""

import argparse
import json
import os
import subprocess
import tempfile

import numpy as np
from PIL import Image
from scipy import io, ndimage
from skimage.metrics import structural_similarity

RUSHLIGHT = os.environ.get("RUSHLIGHT", "target/release/rushlight")
FILE = "ulf_Supplementary_Figure_3A__0.055T_FLAIR_RF_cage_installed_2D_kspace.mat"


def averages(folder):
    """[average, slice, y, x]"""
    kspace = io.loadmat(f"{folder}/{FILE}")["ksp"].transpose(3, 2, 0, 1)
    axes = (-2, -1)
    return np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(kspace, axes), axes=axes, norm="ortho"), axes).astype(np.complex64)


def denoised(images, method, *options):
    with tempfile.TemporaryDirectory() as folder:
        np.save(f"{folder}/noisy.npy", images)
        command = [RUSHLIGHT, "--quiet", "denoise", f"{folder}/noisy.npy", "--method", method, *options, "--json", "-o", f"{folder}/quiet.npy"]
        said = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        return np.load(f"{folder}/quiet.npy").reshape(images.shape), said


def gradient(image):
    part = lambda values: np.stack([ndimage.gaussian_filter(values, 1, order=order) for order in ((1, 0), (0, 1))])
    return part(image.real) + 1j * part(image.imag)


def head(mean):
    smooth = ndimage.gaussian_filter(np.abs(mean), 2)
    return ndimage.binary_erosion(ndimage.binary_fill_holes(smooth > .35 * np.percentile(smooth, 95)), iterations=2)


def judge(quiet, noisy, other):
    mean = (noisy + other) / 2
    inside = head(mean)
    variance = np.mean(np.abs(noisy - other)[inside] ** 2) / 2
    error = np.mean(np.abs(quiet - other)[inside] ** 2) - variance
    towards = gradient(other)
    steepness = np.sqrt((np.abs(towards) ** 2).sum(0))
    edges = inside & (steepness > np.percentile(steepness[inside], 90))
    along = lambda image: np.real(gradient(image) * towards.conj()).sum(0)[edges].sum()
    distance = lambda image: np.sqrt(np.mean(np.abs(image - mean)[inside] ** 2))
    ssim = structural_similarity(np.abs(other), np.abs(quiet), data_range=np.abs(mean).max(), gaussian_weights=True, sigma=1.5,
                                 use_sample_covariance=False, full=True)[1][inside].mean()
    return {"level": np.sqrt(variance / 2), "gain": 10 * np.log10(variance / error), "SSIM": ssim,
            "to mean": distance(quiet) / distance(noisy), "edges": along(quiet) / along(noisy)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="../shared/data/mr-kspace")
    parser.add_argument("--methods", nargs="+", default=["bm3d", "nlm", "tgv", "tv", "bilateral"])
    parser.add_argument("--picture", metavar="FILE")
    arguments = parser.parse_args()
    both = averages(arguments.data)
    rows, shown = {"noisy": (both, None)}, [np.abs(both[0, 1]), np.abs(both.mean(0)[1])]
    for method in arguments.methods:
        quiet, said = zip(*(denoised(one, method, *(["--weights", "mr"] if method == "net" else [])) for one in both))
        rows[method] = np.stack(quiet), np.mean([one["sigma"] for one in said])
        shown.append(np.abs(quiet[0][1]))
    print("| | σ | gain dB | SSIM | to mean | edges |\n|---|---|---|---|---|---|")
    for method, (quiet, sigma) in rows.items():
        found = [judge(quiet[way, z], both[way, z], both[1 - way, z]) for way in (0, 1) for z in range(both.shape[1])]
        mean = {key: np.mean([one[key] for one in found]) for key in found[0]}
        level = "" if sigma is None else f"{sigma / mean['level']:.2f}"
        print(f"| {method} | {level} | {mean['gain']:.1f} | {mean['SSIM']:.3f} | {mean['to mean']:.2f} | {mean['edges']:.2f} |")
    if arguments.picture:
        picture = np.hstack([image[8:] for image in shown])
        Image.fromarray(np.clip(picture / np.percentile(shown[1], 99.5) * 255, 0, 255).astype(np.uint8)).save(arguments.picture, optimize=True)


if __name__ == "__main__":
    main()
