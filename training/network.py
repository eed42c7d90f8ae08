"""The denoiser: a residual U-Net without biases on a pixel-unshuffled image and its noise level, and its file.

Without biases, and with ReLU alone, the network is homogeneous: f(a y, a s) = a f(y, s) for a > 0, so an image needs no scaling
before it (Mohan et al. 2020, "Robust and interpretable blind image denoising via bias-free convolutional neural networks"; the
residual U-Net with a noise map: Zhang et al. 2021, "Plug-and-play image restoration with deep denoiser prior")."""
import json
import struct

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

WIDTHS, BLOCKS = (32, 64, 96), 2


class Block(nn.Module):
    """x + b(relu(a(x))), two 3x3 convolutions."""

    def __init__(self, width):
        super().__init__()
        self.a = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.b = nn.Conv2d(width, width, 3, padding=1, bias=False)
        nn.init.kaiming_normal_(self.a.weight)
        nn.init.normal_(self.b.weight, std=0.2 * (9 * width) ** -0.5)

    def forward(self, x):
        return x + self.b(F.relu(self.a(x)))


class Network(nn.Module):
    """Image y and standard deviation s, both (N, 1, H, W) with H and W multiples of 8, to the quiet image."""

    def __init__(self, widths=WIDTHS, blocks=BLOCKS):
        super().__init__()
        self.widths, self.blocks = widths, blocks
        c1, c2, c3 = widths
        level = lambda width: nn.Sequential(*[Block(width) for _ in range(blocks)])
        self.head = nn.Conv2d(8, c1, 3, padding=1, bias=False)
        self.enc1, self.down1 = level(c1), nn.Conv2d(c1, c2, 2, stride=2, bias=False)
        self.enc2, self.down2 = level(c2), nn.Conv2d(c2, c3, 2, stride=2, bias=False)
        self.mid = level(c3)
        self.up2, self.dec2 = nn.ConvTranspose2d(c3, c2, 2, stride=2, bias=False), level(c2)
        self.up1, self.dec1 = nn.ConvTranspose2d(c2, c1, 2, stride=2, bias=False), level(c1)
        self.tail = nn.Conv2d(c1, 4, 3, padding=1, bias=False)
        nn.init.normal_(self.tail.weight, std=0.1 * (9 * c1) ** -0.5)

    def forward(self, y, s):
        e1 = self.enc1(self.head(F.pixel_unshuffle(torch.cat([y, s], 1), 2)))
        e2 = self.enc2(self.down1(e1))
        d2 = self.dec2(self.up2(self.mid(self.down2(e2))) + e2)
        d1 = self.dec1(self.up1(d2) + e1)
        return y - F.pixel_shuffle(self.tail(d1), 2)


def apply(network, image, sigma):
    """The quiet image of a NumPy image (H, W) of any size; `sigma` is a number or a map."""
    image = np.asarray(image, np.float32)
    sigma = np.broadcast_to(np.asarray(sigma, np.float32), image.shape)
    height, width = image.shape
    pad = ((0, -height % 8), (0, -width % 8))
    planes = [torch.from_numpy(np.pad(plane, pad, mode="reflect"))[None, None] for plane in (image, sigma)]
    with torch.no_grad():
        return network(*planes)[0, 0, :height, :width].numpy()


def write(path, tensors, metadata):
    """A safetensors file: the header's length, the header (JSON), the values one after another."""
    header, parts, end = {"__metadata__": {key: str(value) for key, value in metadata.items()}}, [], 0
    for name, tensor in tensors.items():
        values = np.ascontiguousarray(tensor.detach().cpu().numpy(), "<f4")
        header[name] = {"dtype": "F32", "shape": list(values.shape), "data_offsets": [end, end + values.nbytes]}
        parts.append(values.tobytes())
        end += values.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(parts))


def read(path):
    """Tensors by name, and the metadata."""
    with open(path, "rb") as file:
        data = file.read()
    (length,) = struct.unpack("<Q", data[:8])
    header, values = json.loads(data[8:8 + length]), data[8 + length:]
    metadata, tensors = header.pop("__metadata__", {}), {}
    for name, entry in header.items():
        start, end = entry["data_offsets"]
        array = np.frombuffer(values[start:end], "<f4").reshape(entry["shape"])
        tensors[name] = torch.from_numpy(array.copy())
    return tensors, metadata


def load(path):
    """The network of a file, its widths and number of blocks from the shapes."""
    tensors, _ = read(path)
    widths = tensors["down1.weight"].shape[1], tensors["down1.weight"].shape[0], tensors["down2.weight"].shape[0]
    network = Network(widths, sum(name.startswith("mid.") for name in tensors) // 2)
    network.load_state_dict(tensors)
    return network.eval()
