#!/usr/bin/env python3
"""MR, measured: Rushlight beside BART and SigPy on real k-space, in one run, as Markdown; and pictures to look at.

    cargo build --release
    python3 -m venv .venv && .venv/bin/pip install numpy scipy scikit-image nibabel sigpy finufft pillow    # and BART in the path
    .venv/bin/python benches/mr_real.py --peers ../shared/peers/mri --data ../shared/data/mr-kspace [--pictures FOLDER]

brain8ch_full.cfl: a head, eight coils, fully sampled; masks by `rushlight sampling`, R = 4 and 5, Poisson disc with 24² and equispaced with
24 lines. The reference is all of the data, combined by BART's ESPIRiT maps from its central 24² points (|Σ conj(S) x|); it carries the same noise as
the samples that were kept. NRMSE and SSIM over the whole field of view after one least-squares scale; NRMSE against the root sum of
squares beside. How the tools are tuned, and with which maps: as in `mr.py`. The other two, with --pictures: SigPy's tutorial brain,
12 % sampled, and a phantom measured along 60 spiral arms, of them all and every third; gridding by FINUFFT with the file's density beside.
"""

import argparse
import os
import subprocess
import tempfile

import numpy as np

import mr


def sampled(folder, name, acceleration, shape):
    out = f"{folder}/mask.npy"
    subprocess.run([mr.RUSHLIGHT, "--quiet", "sampling", name, "--matrix", f"{shape[1]},{shape[0]}", "--acceleration", str(acceleration),
                    "--calibration", "24", "--seed", "1", "--force", "-o", out], check=True)
    return np.load(out).reshape(shape) > 0


def brain(arguments, harness):
    kspace = harness.read_cfl(f"{arguments.data}/brain8ch_full").transpose(2, 0, 1)      # [coil, y, x]
    bart = harness.barts()[-1]
    problem = {"kspace": kspace, "traj": None, "n": max(kspace.shape), "pattern": "full"}
    maps = harness.with_bart_maps(problem, bart)
    coils = harness.ifft2c(kspace)
    reference, rss = np.abs((maps.conj() * coils).sum(0)), np.sqrt((np.abs(coils) ** 2).sum(0))
    rows = []
    for name in ("poisson", "equispaced"):
        for acceleration in (4, 5):
            with tempfile.TemporaryDirectory() as folder:
                mask = sampled(folder, name, acceleration, reference.shape)
                part = {**problem, "kspace": kspace * mask, "truth": reference, "pattern": name}
                maps = harness.with_bart_maps(part, bart)
                files = mr.Files(folder, part, maps)
                judge = lambda image: {**harness.metrics(image, reference), "rss": harness.metrics(image, rss)["nrmse"]}
                label = f"{name} R {acceleration}, {100 * mask.mean():.0f} %"
                shown = [np.sqrt((np.abs(harness.ifft2c(part["kspace"])) ** 2).sum(0))]
                rows.append({"problem": label, "method": "zero-filled", "tool": "RSS", "strength": "", **judge(shown[0])})
                for method in ("sense", "l1-wavelet", "tv"):
                    new = []
                    mr.ours(files, method, judge, new)
                    mr.peers(harness, part, maps, bart, method, new)
                    rows += [{"problem": label, **row} for row in new]
                    print(label, method, {row["tool"]: round(row.get("nrmse", np.nan), 4) for row in new}, flush=True)
                    shown.append(files.recon(method)[0])
                picture(arguments, f"brain-{name}-{acceleration}", [*shown, reference])
    bart.close()
    mr.print_summary([row for row in rows if row["method"] != "zero-filled"])
    mr.print_rows(rows)


def tutorial(arguments, harness):
    kspace = np.load(f"{arguments.data}/sigpy_cartesian_ksp_undersampled.npy")
    with tempfile.TemporaryDirectory() as folder:
        files = mr.Files(folder, {"kspace": kspace, "traj": None}, kspace)
        zeros = np.sqrt((np.abs(harness.ifft2c(kspace)) ** 2).sum(0))
        picture(arguments, "tutorial", [zeros, *(files.recon(method)[0] for method in ("sense", "l1-wavelet", "tv"))])


def spiral(arguments):
    import finufft
    import scipy.io
    data = scipy.io.loadmat(f"{arguments.data}/spiral_8ch_phantom.mat")
    n = 384                                            # arms lie 1/373 apart: all that they hold
    for every in (1, 3):
        k, weights, samples = (data[key][:, ::every] for key in ("k", "w", "data"))
        x, y = 2 * np.pi * k.real.ravel(), 2 * np.pi * k.imag.ravel()
        strengths = (samples * weights[..., None]).reshape(-1, samples.shape[-1]).T.astype(np.complex128)
        gridded = finufft.nufft2d1(y, x, np.ascontiguousarray(strengths), (n, n), isign=1, eps=1e-5)
        shown = [np.sqrt((np.abs(gridded) ** 2).sum(0))]
        trajectory = n * np.stack([k.imag, k.real], -1)             # Files swaps
        with tempfile.TemporaryDirectory() as folder:
            kspace = samples.transpose(2, 0, 1)
            files = mr.Files(folder, {"kspace": kspace, "traj": trajectory, "n": n}, kspace)
            shown += [files.recon(method)[0] for method in ("sense", "l1-wavelet", "tv")]
        picture(arguments, f"spiral-{len(k[0])}-arms", shown)


def picture(arguments, name, images):
    """Magnitudes to their 99.5th percentile (square root of grey), and the phases of what is complex, below."""
    if not arguments.pictures:
        return
    from PIL import Image
    os.makedirs(arguments.pictures, exist_ok=True)
    grey = [np.sqrt(np.clip(np.abs(image) / np.percentile(np.abs(image), 99.5), 0, 1)) for image in images]
    phase = [np.angle(image) / (2 * np.pi) + .5 if np.iscomplexobj(image) else 0 * image for image in images]
    both = np.concatenate([np.concatenate(row, 1) for row in (grey, phase)], 0)
    Image.fromarray((255 * both).astype(np.uint8)).save(f"{arguments.pictures}/{name}.png")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--peers", default="../shared/peers/mri")
    parser.add_argument("--data", default="../shared/data/mr-kspace")
    parser.add_argument("--pictures", metavar="FOLDER")
    arguments = parser.parse_args()
    arguments.data = os.path.abspath(arguments.data)
    harness = mr.harness_of(arguments.peers)
    if arguments.pictures:
        tutorial(arguments, harness)
        spiral(arguments)
    brain(arguments, harness)


if __name__ == "__main__":
    main()
