"""Trains the denoiser; resumable, and at every checkpoint writes weights that can be used.

    python training/train.py --root measured=FOLDER --root share=/usr/share ... --stage base --minutes 45 --out base.safetensors
    python training/train.py ... --stage ct --start base.safetensors --minutes 20 --out weights/ct.safetensors
    python training/train.py --smoke

Stages: base (everything), ct, mr: the mixture of images and noises. The loss is the mean of log(mse / sigma^2 + 0.01) over patches, that
is the gain in decibels, so that every level of noise counts alike. Adam, cosine decay by steps or by the clock, mean weights (EMA).
--smoke: a tiny network on generated phantoms for about a minute; it fails unless the loss falls."""
import argparse
import csv
import datetime
import time
from pathlib import Path

import numpy as np
import torch

import data
import network as net
import noise
import validate

MIXTURES = {"base": {"photo": 0.4, "phantom": 0.15, "ct": 0.25, "mr": 0.2},
            "ct": {"photo": 0.15, "phantom": 0.2, "ct": 0.65}, "mr": {"photo": 0.2, "phantom": 0.1, "mr": 0.7}}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", action="append", default=[], metavar="NAME=FOLDER", help="a root of data.toml")
    parser.add_argument("--stage", choices=MIXTURES, default="base")
    parser.add_argument("--start", help="weights to begin with")
    parser.add_argument("--out", default="network.safetensors")
    parser.add_argument("--steps", type=int, help="length of the schedule in steps")
    parser.add_argument("--minutes", type=float, default=45, help="length of the schedule by the clock, without --steps")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--rate", type=float, default=1e-3, help="largest step size of Adam")
    parser.add_argument("--end", type=float, default=0.0, help="the last step size as a part of the largest")
    parser.add_argument("--bf16", action="store_true", help="products of the convolutions in bfloat16")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=20261126)
    parser.add_argument("--curve", help="CSV of the validation curve, appended to")
    parser.add_argument("--smoke", action="store_true")
    args = parser.parse_args()
    args.roots = dict(item.split("=", 1) for item in args.root)
    return args


def noisy(patches, rng, modality):
    """Clean, noise and sigma as tensors (N, 1, H, W)."""
    drawn = [noise.draw(rng, patch.shape[0], modality or rng.choice(["ct", "mr"])) for patch in patches]
    return [torch.from_numpy(np.stack(planes)[:, None]) for planes in (patches, [d[0] for d in drawn], [d[1] for d in drawn])]


def loss_of(network, clean, extra, sigma):
    error = (network(clean + extra, sigma) - clean).float() / sigma
    return torch.log(error.square().mean((1, 2, 3)) + 0.01).mean()


def train(args, network, images, report):
    """Steps until the schedule ends; `report(step, fraction, mean network, loss)` about every two minutes and at the end."""
    device = torch.device(args.device)
    network = network.to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(network.parameters(), args.rate, betas=(0.9, 0.99))
    mean = {name: value.detach().clone() for name, value in network.state_dict().items()}
    patches = data.Patches(images, MIXTURES[args.stage], args.size, args.seed)
    rng = np.random.default_rng(args.seed + 1)
    modality = None if args.stage == "base" else args.stage
    state, step, spent = Path(f"{args.out}.state"), 0, 0.0
    if state.exists() and not args.smoke:
        saved = torch.load(state, weights_only=True)
        network.load_state_dict(saved["network"])
        optimizer.load_state_dict(saved["optimizer"])
        mean, step, spent = saved["mean"], saved["step"], saved["spent"]
        patches.rng, rng = np.random.default_rng([args.seed, step]), np.random.default_rng([args.seed + 1, step])
        print(f"resumed at step {step}", flush=True)
    begin = last = time.time() - spent
    last, losses, fraction = time.time(), [], 0.0
    while fraction < 1:
        fraction = step / args.steps if args.steps else (time.time() - begin) / (60 * args.minutes)
        fraction = min(fraction, 1.0)
        warm = min(1.0, (step + 1) / 100)
        rate = float(args.rate * warm * (args.end + (1 - args.end) * 0.5 * (1 + np.cos(np.pi * fraction))))
        for group in optimizer.param_groups:
            group["lr"] = rate
        planes = [plane.to(device, memory_format=torch.channels_last) for plane in noisy(patches.batch(args.batch), rng, modality)]
        with torch.autocast(device.type, torch.bfloat16, enabled=args.bf16):
            loss = loss_of(network, *planes)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
        step += 1
        keep = min(0.999, step / (step + 20))
        for name, value in network.state_dict().items():
            mean[name].lerp_(value, 1 - keep)
        if time.time() - last > 120 or fraction >= 1:
            average = net.Network(network.widths, network.blocks)
            average.load_state_dict({name: value.cpu() for name, value in mean.items()})
            report(step, time.time() - begin, average.eval(), float(np.mean(losses)))
            if not args.smoke:
                torch.save({"network": network.state_dict(), "optimizer": optimizer.state_dict(), "mean": mean, "step": step,
                            "spent": time.time() - begin}, state)
            last, losses = time.time(), []


def smoke(args):
    args.steps, args.size, args.batch, args.stage, history = 600, 48, 4, "ct", []
    network = net.Network((16, 32, 48), 1)
    rng = np.random.default_rng(0)
    planes = noisy(data.Patches({}, {"phantom": 1}, 48, 7).batch(16), rng, "ct")
    judge = lambda model: history.append(float(loss_of(model.eval(), *planes).detach()))
    judge(network)
    train(args, network.train(), {}, lambda step, spent, mean, loss: judge(mean))
    print(f"loss on held-out phantoms {history[0]:.3f} before, {history[-1]:.3f} after {args.steps} steps")
    if not history[-1] < history[0] - 0.5:
        raise SystemExit("the loss has not fallen")


def main():
    args = arguments()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    if args.smoke:
        return smoke(args)
    images, held = data.load("train", args.roots), data.load("validation", args.roots)
    print({kind: (len(part), round(sum(image.size for image in part) / 1e6, 1)) for kind, part in images.items()}, flush=True)
    network = net.load(args.start).train() if args.start else net.Network()

    def report(step, spent, mean, loss):
        figures = validate.figures(mean, held)
        print(f"{args.stage} step {step} {spent / 60:.1f} min loss {loss:.4f} "
              + " ".join(f"{name} {value:.3f}" for name, value in figures.items()), flush=True)
        if args.curve:
            fresh = not Path(args.curve).exists()
            with open(args.curve, "a", newline="") as file:
                writer = csv.writer(file)
                if fresh:
                    writer.writerow(["stage", "step", "minutes", "loss", *figures])
                writer.writerow([args.stage, step, f"{spent / 60:.1f}", f"{loss:.4f}", *(f"{v:.3f}" for v in figures.values())])
        net.write(args.out, mean.state_dict(), {
            "name": f"rushlight {args.stage}", "date": datetime.date.today().isoformat(),
            "trained_on": "training/data.toml, mixture " + str(MIXTURES[args.stage]) + f", seed {args.seed}, {step} steps",
            "noise": "sigma 0.003 to 0.3 of the range; " + {"mr": "white and k-space windowed", "ct": "white and ramp-filtered"}.get(
                args.stage, "white, ramp-filtered, k-space windowed"),
            "validation": " ".join(f"{name} {value:.3f} dB" for name, value in figures.items())})

    train(args, network, images, report)


if __name__ == "__main__":
    main()
