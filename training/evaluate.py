"""The final figure, on slices that training and validation never saw: PSNR of the network beside block matching.

    cargo build --release
    python training/evaluate.py --data ../shared/data [--bm3d]

CT: five slices of lidc_0314_chest_hu.npz, (HU clipped to -1000..1000 + 1000) / 2000, white noise and noise of a filtered backprojection
(a ramp under a Hann window). MR: five slices of adi_brain_T2fse.npz over their 99.5th percentile, Rician noise. Range 1, sigma told.
All by `rushlight denoise`, bm3d once more with the noise's power spectrum told; --bm3d adds the PyPI package on CT, told the spectrum
too. It knows no Rician noise."""
import argparse
import os
import subprocess
import tempfile

import numpy as np

RUSHLIGHT = os.environ.get("RUSHLIGHT", "target/release/rushlight")


def denoised(image, sigma, method, *options):
    with tempfile.TemporaryDirectory() as folder:
        np.save(f"{folder}/noisy.npy", image.astype(np.float32))
        subprocess.run([RUSHLIGHT, "--quiet", "denoise", f"{folder}/noisy.npy", "--method", method, "--sigma", str(sigma), *options,
                        "-o", f"{folder}/quiet.npy"], check=True, capture_output=True)
        return np.load(f"{folder}/quiet.npy").reshape(image.shape)


def with_spectrum(image, sigma, spectrum):
    with tempfile.TemporaryDirectory() as folder:
        np.save(f"{folder}/spectrum.npy", np.fft.fftshift(spectrum).astype(np.float32))
        return denoised(image, sigma, "bm3d", "--spectrum", f"{folder}/spectrum.npy")


def package(image, sigma, spectrum):
    if not hasattr(np, "trapz"):
        np.trapz = np.trapezoid          # bm4d's, which NumPy 2 renamed
    import bm3d
    return bm3d.bm3d(image, sigma if spectrum is None else sigma ** 2 * spectrum * image.size)


def ramp(shape):
    """Power spectrum of mean 1: a ramp under a Hann window to half the band's corner."""
    f = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.fftfreq(shape[1])[None])
    power = np.where(f < .5, f * np.cos(np.pi * np.minimum(f, .5)) ** 4, 0)
    return power / power.mean()


def psnr(image, truth):
    return 10 * np.log10(1 / np.mean((image - truth) ** 2))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="../shared/data")
    parser.add_argument("--bm3d", action="store_true")
    options = parser.parse_args()
    chest = np.load(f"{options.data}/ct-slices/lidc_0314_chest_hu.npz")["pixels"]
    head = np.load(f"{options.data}/mr-images/adi_brain_T2fse.npz")
    head = head[list(head)[0]].astype(float)
    spread = lambda stack: stack[np.linspace(0.2 * len(stack), 0.8 * len(stack), 5).astype(int)]
    images = {"CT": [(np.clip(one, -1000, 1000) + 1000) / 2000. for one in spread(chest)],
              "MR": [one / np.percentile(head, 99.5) for one in spread(head)]}
    print("| | noise | sigma | noisy | bm3d | bm3d --spectrum | bm3d package | net |\n|---|---|---|---|---|---|---|---|")
    for modality, kinds, levels in (("CT", ("white", "fbp"), (.02, .05, .1)), ("MR", ("rician",), (.03, .06, .1))):
        for kind in kinds:
            for sigma in levels:
                rng, figures = np.random.default_rng(7), []
                for truth in images[modality]:
                    noise, spectrum = rng.standard_normal((2, *truth.shape)), None
                    if kind == "fbp":
                        spectrum = ramp(truth.shape)
                        noise[0] = np.fft.ifft2(np.fft.fft2(noise[0]) * np.sqrt(spectrum)).real
                    noisy, more = truth + sigma * noise[0], []
                    if kind == "rician":
                        noisy, more = np.hypot(noisy, sigma * noise[1]), ["--noise", "rician"]
                    own = [psnr(denoised(noisy, sigma, method, *more), truth) for method in ("bm3d", "net")]
                    told = psnr(with_spectrum(noisy, sigma, spectrum), truth) if kind == "fbp" else np.nan
                    other = psnr(package(noisy, sigma, spectrum), truth) if options.bm3d and kind != "rician" else np.nan
                    figures.append([psnr(noisy, truth), own[0], told, other, own[1]])
                print(f"| {modality} | {kind} | {sigma} | " + " | ".join(f"{value:.2f}" for value in np.mean(figures, 0)) + " |", flush=True)


if __name__ == "__main__":
    main()
