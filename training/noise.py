"""Noise of known standard deviation per pixel: white, as filtered backprojection leaves it, as k-space windows leave it."""
import numpy as np


def frequencies(size):
    fy, fx = np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None]
    return np.hypot(fy, fx), np.arctan2(fy, fx)


def fbp(rng, size):
    """Amplitude of the noise spectrum of a filtered backprojection: a ramp's power |f| W(f)^2, the window W from none to Hann, its
    cut-off anywhere between half the pixels' band and twice it; power over angles even, elliptic, or in a few streaks."""
    f, angle = frequencies(size)
    cut = 0.5 * np.exp(rng.uniform(np.log(0.45), np.log(2.0)))
    hann = rng.choice([0.0, 1.0, rng.uniform(0, 1)])
    window = np.where(f < cut, 1 - hann * 0.5 * (1 - np.cos(np.pi * np.minimum(f / cut, 1))), 0)
    power = f * window ** 2
    kind = rng.random()
    if kind < 0.4:
        power = power * (1 + rng.uniform(0, 0.9) * np.cos(2 * (angle - rng.uniform(0, np.pi))))
    elif kind < 0.5:
        power = power * (0.3 + 3 * np.exp(-((np.sin(angle - rng.uniform(0, np.pi)) / rng.uniform(0.1, 0.4)) ** 2)))
    return np.sqrt(power)


def kspace(rng, size):
    """Amplitude of the noise of a zero-filled or windowed Cartesian k-space."""
    fy, fx = np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None]
    cy, cx = rng.choice([1.0, rng.uniform(0.5, 1)]), rng.choice([1.0, rng.uniform(0.5, 1)])
    y, x = np.abs(fy) / (0.5 * cy), np.abs(fx) / (0.5 * cx)
    edge = rng.choice([0.0, rng.uniform(0, 0.6)])
    radius = np.hypot(y, x) if rng.random() < 0.4 else np.maximum(y, x)
    return np.clip((1.0001 - radius) / max(edge, 1e-4), 0, 1)


def coloured(rng, amplitude, size):
    """Noise of expected variance 1 with the given spectrum (half plane, as rfft2)."""
    weights = np.full(amplitude.shape[1], 2.0)
    weights[0] = 1
    if size % 2 == 0:
        weights[-1] = 1
    power = (amplitude ** 2 * weights).sum() / size ** 2
    values = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((size, size))) * amplitude, (size, size))
    return values / np.sqrt(power)


def draw(rng, size, modality, level=None, white=None):
    """Noise and its map of standard deviation for one patch. `modality` "ct" or "mr"; `level` a fixed deviation."""
    white = rng.random() < (0.5 if modality == "ct" else 0.6) if white is None else white
    # Drawn on a larger field, so that a patch's noise isn't periodic.
    field = size + size // 2
    if white:
        noise = rng.standard_normal((size, size))
    else:
        amplitude = (fbp if modality == "ct" else kspace)(rng, field)
        noise = coloured(rng, amplitude, field)[:size, :size]
    sigma = np.full((size, size), level or np.exp(rng.uniform(np.log(0.003), np.log(0.3))))
    if level is None and rng.random() < 0.3:
        y, x = np.mgrid[:size, :size] / size - 0.5
        slope = rng.normal(0, 0.5, 2)
        sigma = sigma * np.exp(slope[0] * y + slope[1] * x + rng.normal(0, 0.5) * (x * x + y * y))
    return (noise * sigma).astype(np.float32), sigma.astype(np.float32)
