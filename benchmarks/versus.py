"""Race npcnn against Keras on TensorFlow and PyTorch: the same network, weights, data and cores, on the CPU.

    python benchmarks/versus.py

Measures an epoch of training and the prediction of 10,000 images at several batch sizes, peak memory, the time from
starting `python` to the end of the first training step, and the dense limit: how long the arithmetic of an epoch,
multiplications by zero included, would take at the speed of this machine's matrix product.

Every contender is a process of its own (see contenders.py), and they take turns: one works, the others wait. Each
measured epoch is a first epoch, from the same weights: the one in which npcnn has the fewest zeros to skip. Compiling
and tracing are over before a measurement begins.
"""

import contextlib
import importlib.util
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import common
import numpy as np
from contenders import CONTENDERS
from versus_report import draw, report

PAUSE = 0.3  # seconds, until the threads of the contender that worked last have stopped spinning


class Contender:
    """A process that runs one contender; see contenders.py."""

    def __init__(self, name: str, numba_cache: str) -> None:
        limits = [key for key in os.environ if key.endswith("_NUM_THREADS")]  # each may use all cores
        environment = {key: value for key, value in os.environ.items() if key not in limits}
        environment |= {"NUMBA_CACHE_DIR": numba_cache, "KERAS_BACKEND": "tensorflow"}
        environment |= {"CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3"}
        self.name, self.log = name, tempfile.TemporaryFile("w+")
        command = [sys.executable, Path(__file__).with_name("contenders.py"), name]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self.log}
        self.process = subprocess.Popen(command, text=True, env=environment, **pipes)

    def ask(self, do: str, *arguments: Any) -> tuple[float, Any]:
        """Return how many seconds that method took, and what it returned."""
        try:
            self.process.stdin.write(json.dumps({"do": do, "with": arguments}) + "\n")
            self.process.stdin.flush()
            answer = json.loads(self.process.stdout.readline())
        except (BrokenPipeError, json.JSONDecodeError):
            self.process.wait()
            self.log.seek(0)
            raise SystemExit(f"{self.name} failed at {do}{arguments}:\n{self.log.read()[-4000:]}") from None
        return answer["seconds"], answer["value"]

    def close(self) -> None:
        """End the process."""
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
        self.log.close()


def save(folder: str | Path, arrays: Sequence[np.ndarray], weights: Sequence[np.ndarray]) -> None:
    """Write x_train, y_train, x_test and the initial weights to where contenders look for them."""
    for name, array in zip(("x_train", "y_train", "x_test"), arrays, strict=True):
        np.save(Path(folder, name), array)
    for i, w in enumerate(weights):
        np.save(Path(folder, f"weight_{i}"), w)


# ------------------------------------------------------------------ measuring


def measure_start(names: list[str], rounds: int, cache: str) -> dict[str, dict]:
    """Time from `python` to the end of the first training step; of npcnn also with nothing in numba's cache."""

    def seconds(name: str, numba_cache: str) -> float:
        time.sleep(PAUSE)
        start = time.perf_counter()
        contender = Contender(name, numba_cache)
        contender.ask("start")
        taken = time.perf_counter() - start
        contender.close()
        return taken

    for name in names:  # not counted: brings the frameworks' files into memory, and fills numba's cache
        seconds(name, cache)
    samples: dict[str, list[float]] = {name: [] for name in ["npcnn", "npcnn, compiling", *names]}
    for _ in range(rounds):
        for name in names:
            samples[name].append(seconds(name, cache))
        with tempfile.TemporaryDirectory() as empty:
            samples["npcnn, compiling"].append(seconds("npcnn", empty))
    return {name: common.spread(values) for name, values in samples.items()}


def check_they_are_the_same(contenders: dict[str, Contender], size: int) -> float:
    """Return the largest difference of probabilities, for the same images and weights; stop if it is large."""
    outputs = {}
    for name, contender in contenders.items():
        contender.ask("reset")
        outputs[name] = np.array(contender.ask("predict", size)[1])
    difference = max(float(abs(output - outputs["npcnn"]).max()) for output in outputs.values())
    if not difference < 1e-4:
        raise SystemExit(f"The contenders do not compute the same: probabilities differ by {difference:.1e}.")
    return difference


def measure_race(contenders: dict[str, Contender], sgemm: Contender, args: Any) -> dict[str, Any]:
    """Time epoch and predict, every contender once a round at every batch size, in an order that rotates."""
    from tqdm import tqdm

    names, count = list(contenders), args.images
    keys = list(itertools.product(args.batch_sizes, names))
    samples: dict[str, dict] = {what: {key: [] for key in keys} for what in ("epoch", "predict", "loss")}
    warm_up, peaks = dict.fromkeys(names, 0.0), []
    with tqdm(total=len(keys) * (args.rounds + 1), desc="Racing", file=sys.stderr) as progress:
        for size, name in keys:  # full batches and the odd last one, so that every shape has been seen
            epoch, _ = contenders[name].ask("epoch", size, min(count, 2 * size + count % size))
            predict, _ = contenders[name].ask("predict", size)
            warm_up[name] += epoch + predict
            progress.update()
        for i in range(args.rounds):
            peaks.append(sgemm.ask("peak")[1])
            for size in args.batch_sizes:
                for name in names[i % len(names) :] + names[: i % len(names)]:
                    progress.set_postfix_str(f"{name}, batch size {size}")
                    contenders[name].ask("reset")
                    time.sleep(PAUSE)
                    seconds, loss = contenders[name].ask("epoch", size, count)
                    samples["epoch"][size, name].append(seconds)
                    samples["loss"][size, name].append(loss)
                    time.sleep(PAUSE)
                    samples["predict"][size, name].append(contenders[name].ask("predict", size)[0])
                    progress.update()
    spreads = {
        what: {size: {name: common.spread(samples[what][size, name]) for name in names} for size in args.batch_sizes}
        for what in samples
    }
    return spreads | {"warm_up": warm_up, "sgemm_flops": common.spread(peaks)}


def limit_cores(count: int) -> None:
    """Let this process, and those that it starts, run on `count` cores only."""
    if not hasattr(os, "sched_setaffinity"):
        raise SystemExit(f"--cores works on Linux only; start this program in another way with {count} cores.")
    cores = sorted(os.sched_getaffinity(0))
    if count > len(cores):
        raise SystemExit(f"--cores must be at most {len(cores)}, got {count}.")
    os.sched_setaffinity(0, cores[:count])


def dense_flop() -> int:
    """Return the operations of one image's training: forward once, backward twice, but no dx of the first layer."""
    layers = [layer for layer in common.mnist_model("im2col").layers if layer.multiply_adds]
    return 2 * (3 * sum(layer.multiply_adds for layer in layers) - layers[0].multiply_adds)


def installed(rivals: list[str]) -> list[str]:
    """Return those rivals whose packages are installed; name the others."""
    needs = {"keras": ("keras", "tensorflow"), "torch": ("torch",)}
    missing = {package for packages in needs.values() for package in packages if not importlib.util.find_spec(package)}
    found = [name for name in rivals if not missing & set(needs[CONTENDERS[name].package])]
    if len(found) < len(rivals):
        skipped = ", ".join(name for name in rivals if name not in found)
        print(f"Skipped, because {', '.join(sorted(missing))} is not installed: {skipped}.")
        print('This brings them: pip install "npcnn[bench]"\n')
    return found


def measure(args: Any) -> dict[str, Any]:
    """Return everything that was measured, and what is needed to understand it."""
    names = ["npcnn", *installed(args.rivals)]
    arrays, data = common.digits(args.data, args.images, args.predictions)
    print(f"Data: {data}.\nHow long each takes to start.", flush=True)
    with contextlib.ExitStack() as stack:
        folder, cache = (stack.enter_context(tempfile.TemporaryDirectory()) for _ in range(2))
        start = measure_start(names, args.rounds, cache)
        save(folder, arrays[:3], common.mnist_model("im2col").get_weights())
        contenders = {name: Contender(name, cache) for name in [*names, "sgemm"]}
        for contender in contenders.values():
            stack.callback(contender.close)
            contender.ask("start")
        sgemm = contenders.pop("sgemm")
        settings = {name: contender.ask("load", folder)[1] for name, contender in contenders.items()}
        difference = check_they_are_the_same(contenders, args.batch_sizes[0])
        print(f"The same network in all: from the same weights, probabilities differ by at most {difference:.0e}.")
        race = measure_race(contenders, sgemm, args)
        peak_memory = {name: contender.ask("peak_memory")[1] for name, contender in contenders.items()}
    return {
        "data": data,
        "rounds": args.rounds,
        "images": args.images,
        "predictions": args.predictions,
        "labels": {name: CONTENDERS[name].label for name in names},
        "settings": settings,
        "probabilities_differ_by": difference,
        "start": start,
        "peak_memory": peak_memory,
        **race,
        "dense_flop": dense_flop(),
        "dense_limit": args.images * dense_flop() / race["sgemm_flops"]["max"],
    }


if __name__ == "__main__":
    parser = common.parser(__doc__, rounds=3)
    names = [name for name in CONTENDERS if name != "npcnn"]
    parser.add_argument("--rivals", nargs="*", choices=names, default=names, help="whom to race (default: all)")
    help = "of training and predicting (default: 32 64 128 256)"
    parser.add_argument("--batch-sizes", nargs="+", type=common.positive, default=[32, 64, 128, 256], help=help)
    parser.add_argument("--images", type=common.positive, default=60_000, help="in an epoch (default: %(default)s)")
    help = "to predict (default: %(default)s)"
    parser.add_argument("--predictions", type=common.positive, default=10_000, help=help)
    help = "how many logical CPUs every contender may use (default: all of them)"
    parser.add_argument("--cores", type=common.positive, default=common.available_cpus(), help=help)
    args = parser.parse_args()
    if not args.redraw and args.cores != common.available_cpus():
        limit_cores(args.cores)
    common.main("versus", args, measure, report, draw)
