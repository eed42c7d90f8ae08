"""The validation figure: the gain in decibels, 10 log10(sigma^2 / mse), on the validation split with fixed noise.

    python training/validate.py --root measured=FOLDER --root share=/usr/share weights/ct.safetensors weights/mr.safetensors

Columns: ct and mr images with white noise, and with the modality's correlated noise, the mean over sigma 0.01, 0.03 and 0.1."""
import argparse

import numpy as np
import torch

import data
import network as net
import noise

LEVELS, SIZE, COUNT = (0.01, 0.03, 0.1), 96, 6


def patches(images):
    """A few patches in the middle of images spread over the list."""
    chosen = [images[index] for index in np.linspace(0, len(images) - 1, COUNT).round().astype(int)]
    out = []
    for image in chosen:
        y, x = ((extent - SIZE) // 2 for extent in image.shape)
        out.append(image[y:y + SIZE, x:x + SIZE])
    return out


def figures(network, images):
    out = {}
    for modality in ("ct", "mr"):
        for white in (True, False):
            rng, gains = np.random.default_rng(11), []
            for clean in patches([image for image in images[modality] if min(image.shape) >= SIZE]) if images[modality] else []:
                for level in LEVELS:
                    extra, sigma = noise.draw(rng, SIZE, modality, level, white)
                    quiet = net.apply(network, clean + extra, sigma)
                    gains.append(10 * np.log10(level ** 2 / np.mean((quiet - clean) ** 2)))
            out[f"{modality}_{'white' if white else 'correlated'}"] = float(np.mean(gains)) if gains else float("nan")
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", nargs="+")
    parser.add_argument("--root", action="append", default=[], metavar="NAME=FOLDER")
    args = parser.parse_args()
    torch.set_num_threads(2)
    held = data.load("validation", dict(item.split("=", 1) for item in args.root))
    for path in args.weights:
        _, metadata = net.read(path)
        print(path, " ".join(f"{name} {value:.3f}" for name, value in figures(net.load(path), held).items()))
        print("  written in the file:", metadata.get("validation"))


if __name__ == "__main__":
    main()
