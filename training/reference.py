"""Writes tests/reference/network.safetensors: a tiny network with random weights, an input, and PyTorch's output for it.

    python training/reference.py [FILE]"""
import sys
from pathlib import Path

import torch

from network import Network, write

path = sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[1] / "tests/reference/network.safetensors"
torch.manual_seed(5)
network = Network((16, 32, 48), 1)
for weight in network.parameters():
    # Every layer must matter in the output, or an error in it would go unseen.
    weight.data = torch.randn(weight.shape) * (1.0 / weight[0].numel()) ** 0.5
ramp = torch.linspace(-1, 1, 40)[:, None] * torch.linspace(0.5, 2, 56)[None, :]
y = (ramp + 0.3 * torch.randn(40, 56))[None, None]
s = (0.1 + 0.2 * torch.rand(40, 56))[None, None]
with torch.no_grad():
    # Double precision is the truth; its rounding to f32 is what is kept.
    output = network.double()(y.double(), s.double()).float()
tensors = {name: value.float() for name, value in network.state_dict().items()}
write(path, tensors | {"y": y[0, 0], "sigma": s[0, 0], "output": output[0, 0]},
      {"name": "reference", "noise": "none", "trained_on": "nothing: random weights, PyTorch " + torch.__version__})
print(f"{path}: |output - y| {float((output - y).std()):.3f}, |y| {float(y.std()):.3f}")
