"""Clean images: the list in data.toml read from its folders, random phantoms, and patches with random contrast.

Values: CT (HU + 1000) / 2000, so air 0 and water 0.5; MR with air 0 and the 99.5th percentile at 0.8; photographs 0 to 1."""
import glob
import tomllib
from pathlib import Path

import numpy as np

LIST = Path(__file__).with_name("data.toml")


def sources(split=None):
    with open(LIST, "rb") as file:
        entries = tomllib.load(file)["source"]
    return [entry for entry in entries if split in (None, entry["split"])]


def area(image, factor):
    """Means over squares of factor x factor pixels."""
    height, width = (extent // factor * factor for extent in image.shape)
    return image[:height, :width].reshape(height // factor, factor, width // factor, factor).mean((1, 3), dtype=np.float32)


def slices(path, modality):
    """The slices of a file in its own unit (CT: HU)."""
    suffix = path.split(".")[-1]
    if suffix == "npz":
        return list(np.load(path)["pixels"])
    if suffix == "dcm":
        import pydicom
        scan = pydicom.dcmread(path)
        return [scan.pixel_array * float(scan.RescaleSlope) + float(scan.RescaleIntercept)]
    if suffix == "gz":
        import nibabel
        volume = nibabel.load(path).get_fdata(dtype=np.float32)
        return list(np.moveaxis(volume, 2, 0)) + (list(volume[::2]) if modality == "mr" else [])
    if suffix == "dat":
        return list(np.fromfile(path, "<i2").reshape(-1, 256, 256))
    if suffix == "mat":
        import scipy.io
        contents = scipy.io.loadmat(path)
        image = np.abs(contents["xGT"] if "xGT" in contents else contents["image"])
        return list(np.moveaxis(np.atleast_3d(image), 2, 0))
    from PIL import Image
    Image.MAX_IMAGE_PIXELS = None
    picture = np.asarray(Image.open(path).convert("RGB"), np.float32) / 255
    return [picture[..., 1], picture @ np.float32([0.5, 0, 0.5])]


def scaled(stack, modality):
    if modality == "ct":
        return [(np.clip(image, -1024, 2500).astype(np.float32) + 1000) / 2000 for image in stack]
    if modality == "mr":
        top = np.percentile(np.stack(stack), 99.5) if len({image.shape for image in stack}) == 1 else max(i.max() for i in stack)
        return [(0.8 / top * image).astype(np.float32) for image in stack]
    return stack


def load(split, roots, modality=None):
    """Clean images by modality; a source whose root is not given, or has no such file, is said and left out."""
    out = {"ct": [], "mr": [], "photo": []}
    for entry in sources(split):
        kind, root = entry["modality"], roots.get(entry["root"])
        if modality not in (None, kind):
            continue
        paths = sorted(path for pattern in entry["files"] for path in glob.glob(f"{root}/{pattern}")) if root else []
        if not paths:
            print(f"left out: {entry['name']} ({entry['root']}: {', '.join(entry['files'])})", flush=True)
        for path in paths:
            for image in scaled(slices(path, kind), kind):
                # Slices of nothing but air teach nothing.
                if kind == "photo" or (image > 0.1).mean() > 0.1:
                    out[kind] += [area(image, zoom) for zoom in entry["zoom"]]
    return {kind: [image for image in images if min(image.shape) >= 64] for kind, images in out.items()}


def phantom(rng, size, fine=3):
    """Ellipses, bars, ramps and textures, drawn `fine` times too large and averaged down."""
    n = size * fine
    y, x = np.mgrid[:n, :n].astype(np.float32) / n
    image = np.full((n, n), rng.uniform(0, 0.4), np.float32)
    for _ in range(rng.integers(2, 16)):
        angle, (cx, cy) = rng.uniform(0, np.pi), rng.uniform(0, 1, 2)
        u = (x - cx) * np.cos(angle) + (y - cy) * np.sin(angle)
        v = (y - cy) * np.cos(angle) - (x - cx) * np.sin(angle)
        a, b = np.exp(rng.uniform(np.log(0.01), np.log(0.6), 2))
        value = rng.normal(0, 0.25 if rng.random() < 0.5 else 0.05)
        shape = rng.random()
        if shape < 0.6:
            mask = (u / a) ** 2 + (v / b) ** 2 < 1
        elif shape < 0.85:
            mask = (np.abs(u) < a) & (np.abs(v) < b)
        else:
            mask = ((u / a) ** 2 + (v / b) ** 2 < 1) & (np.sin(2 * np.pi * u * rng.uniform(2, 25)) > rng.uniform(-0.5, 0.5))
        if rng.random() < 0.3:
            value = value * (1 + rng.normal(0, 1) * u)
        image += mask * value
    if rng.random() < 0.4:
        f = np.hypot(np.fft.fftfreq(n)[:, None], np.fft.rfftfreq(n)[None]) + 1 / n
        texture = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((n, n))) * f ** -rng.uniform(0.8, 2), (n, n))
        image += rng.uniform(0.01, 0.15) * (texture / texture.std()).astype(np.float32)
    return area(image, fine)


class Patches:
    """Random patches of a mixture, each turned and with its contrast changed; air stays at zero in half of them."""

    def __init__(self, images, mixture, size, seed):
        self.rng, self.size, self.images = np.random.default_rng(seed), size, images
        have = {kind: part for kind, part in mixture.items() if kind == "phantom" or images.get(kind)}
        self.kinds, self.parts = list(have), np.array(list(have.values())) / sum(have.values())
        self.chances = {}
        for kind in self.kinds:
            if kind != "phantom":
                weights = np.sqrt([float(image.size) for image in images[kind]])
                self.chances[kind] = weights / weights.sum()
        self.phantoms = []

    def one(self):
        rng, size = self.rng, self.size
        kind = self.kinds[rng.choice(len(self.kinds), p=self.parts)]
        if kind == "phantom":
            if len(self.phantoms) < 400 or rng.random() < 0.1:
                self.phantoms = self.phantoms[-400:] + [phantom(rng, 2 * size)]
            image = self.phantoms[rng.integers(len(self.phantoms))]
        else:
            image = self.images[kind][rng.choice(len(self.images[kind]), p=self.chances[kind])]
        # Of a few places the one with the most in it: air is easy.
        best, busy = None, -1.0
        for _ in range(1 if rng.random() < 0.3 else 2):
            y, x = (rng.integers(extent - size + 1) for extent in image.shape)
            patch = image[y:y + size, x:x + size]
            if patch.std() > busy:
                best, busy = patch, patch.std()
        patch = np.rot90(best, rng.integers(4))
        patch = patch[::-1] if rng.random() < 0.5 else patch
        if rng.random() < 0.3:
            patch = np.sign(patch) * np.abs(patch) ** np.exp(rng.normal(0, 0.3)).astype(np.float32)
        patch = patch * np.exp(rng.normal(0, 0.3))
        if rng.random() < 0.5:
            patch = (patch - rng.choice([0.5, rng.uniform(-0.3, 1)])) * rng.choice([1, -1], p=[0.7, 0.3])
        return np.ascontiguousarray(patch, np.float32)

    def batch(self, count):
        return np.stack([self.one() for _ in range(count)])
