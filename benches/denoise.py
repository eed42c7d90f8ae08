"""Denoising beside the peers, in one run: PSNR, SSIM inside the object, and seconds.

Rician magnitudes at low-field SNR (mean signal of the object over sigma), sigma known. Every method is tuned over a small grid of its
strength; its output is taken as it is or with the first-order Rician correction sqrt(max(x^2 - sigma^2, 0)), whichever is
better; `rician` rows are ours with --noise rician, which need no such choice. One least-squares scale before the figures, which count
where the truth is above 5 % of its maximum. Seconds: best of some runs of the denoising alone, not of reading and writing.

    python benches/denoise.py [--rushlight PATH] [--colin ch2.nii.gz] [--t1 t1_coronal_slice.npy] [--threads 2] [--ours]

Colin27: Debian's mricron-data (/usr/share/mricron/templates/ch2.nii.gz); the T1 slice is part of the package dipy.
Needs numpy, scikit-image, nibabel, bm3d."""
import argparse, json, os, subprocess, tempfile, time
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--rushlight", default="target/release/rushlight")
parser.add_argument("--colin", default="/usr/share/mricron/templates/ch2.nii.gz")
parser.add_argument("--t1")
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--ours", action="store_true", help="without the peers")
parser.add_argument("--methods", default="bm3d,nlm,tv,tgv,bilateral")
parser.add_argument("--grid", default=".8,.9,1,1.1,1.25")
parser.add_argument("--device", default="cpu")
args = parser.parse_args()
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = str(args.threads)

import numpy as np
from skimage.metrics import structural_similarity

FOLDER = Path(tempfile.mkdtemp(dir="/dev/shm" if os.path.isdir("/dev/shm") else None))


def images():
    import nibabel
    slice_ = nibabel.load(args.colin).get_fdata()[:, :, 90] / 255
    colin = np.zeros((256, 256))
    y, x = [(256 - extent) // 2 for extent in slice_.shape]
    colin[y:y + slice_.shape[0], x:x + slice_.shape[1]] = slice_
    out = {"colin": colin}
    if args.t1:
        out["t1"] = np.load(args.t1)
    return {name: np.clip(image / image.max(), 0, None) for name, image in out.items()}


def figures(image, truth, mask):
    image = image * ((image[mask] * truth[mask]).sum() / (image[mask] ** 2).sum())
    mse = ((image - truth)[mask] ** 2).mean()
    _, ssim = structural_similarity(image, truth, data_range=truth.max(), gaussian_weights=True, sigma=1.5,
                                    use_sample_covariance=False, full=True)
    return 10 * np.log10(truth.max() ** 2 / mse), ssim[mask].mean()


def timed(function, runs=3):
    best = np.inf
    for _ in range(runs):
        start = time.perf_counter()
        out = function()
        best = min(best, time.perf_counter() - start)
    return out, best


def ours(method, noise):
    def run(noisy, sigma, strength):
        source, target = FOLDER / "noisy.npy", FOLDER / "quiet.npy"
        np.save(source, noisy.astype(np.float32))
        done = subprocess.run([args.rushlight, "denoise", source, "-o", target, "--force", "--method", method, "--sigma", str(sigma),
                               "--noise", noise, "--strength", str(strength), "--device", args.device, "--json",
                               "--threads", str(args.threads)], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(done.stderr.strip())
        return np.load(target).astype(float).squeeze(), json.loads(done.stdout)["seconds"]["denoise"]
    return run


def peers():
    import bm3d
    from skimage.restoration import denoise_bilateral, denoise_nl_means, denoise_tv_chambolle
    out = {
        "bm3d 4": ([.8, 1, 1.25, 1.6], lambda x, s, g: bm3d.bm3d(x, g * s)),
        "skimage nlm, fast": ([.6, .8, 1, 1.3],
                              lambda x, s, g: denoise_nl_means(x, 5, 6, h=g * s, sigma=s, fast_mode=True)),
        "skimage tv": ([.5, .8, 1.2, 1.8], lambda x, s, g: denoise_tv_chambolle(x, weight=g * s, max_num_iter=200)),
        "skimage bilateral": ([2, 3], lambda x, s, g: denoise_bilateral(x, sigma_color=g * s, sigma_spatial=1.5)),
    }
    return {name: (grid, lambda x, s, g, f=f: timed(lambda: np.asarray(f(x, s, g)))) for name, (grid, f) in out.items()}


grid = [float(value) for value in args.grid.split(",")]
methods = {}
for name in args.methods.split(","):
    for noise in ("gaussian", "rician"):
        methods[f"{name}" if noise == "gaussian" else f"{name}, rician"] = (grid, ours(name, noise))
if not args.ours:
    methods.update(peers())

print(f"{'image':6} {'SNR':>3} {'method':20} {'PSNR':>6} {'SSIM':>6} {'x':>5} {'corr':>4} {'ms':>8}    at strength 1")
for name, truth in images().items():
    mask = truth > .05
    for snr in (8, 15):
        sigma = truth[mask].mean() / snr
        rng = np.random.default_rng(3)
        noisy = np.hypot(truth + sigma * rng.standard_normal(truth.shape), sigma * rng.standard_normal(truth.shape))
        for method, (strengths, run) in methods.items():
            best, plain, seconds = None, "", np.inf
            for strength in strengths:
                image, spent = run(noisy, sigma, strength)
                seconds = min(seconds, spent)
                corrected = np.sqrt(np.maximum(image ** 2 - sigma ** 2, 0))
                for correction, candidate in ((False, image), (True, corrected)):
                    if correction and "rician" in method:
                        continue
                    psnr, ssim = figures(candidate, truth, mask)
                    if best is None or psnr > best[0]:
                        best = psnr, ssim, strength, correction
                    if strength == 1 and (correction or "rician" in method):
                        plain = f"{psnr:.2f} {ssim:.4f}"
            print(f"{name:6} {snr:3} {method:20} {best[0]:6.2f} {best[1]:6.4f} {best[2]:5} {'yes' if best[3] else 'no':>4}"
                  f" {1000 * seconds:8.1f}    {plain}", flush=True)
