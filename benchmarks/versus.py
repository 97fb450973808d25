"""Race npcnn against Keras on TensorFlow and PyTorch: the same network, weights, data and cores, on the CPU.

    python benchmarks/versus.py

Measures an epoch of training and the prediction of 10,000 images at several batch sizes, peak memory, the time from
`python` to the first finished training step, and the dense limit: how long the dense arithmetic of an epoch would take
at the speed of this machine's matrix product.

Every contender is a process of its own (see contenders.py); one works at a time, in turns. Each measured epoch is a
first epoch, from the same weights: the one in which npcnn has the fewest zeros to skip. Compiling and tracing are over
before a measurement begins.
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
from versus_report import claims, draw, report

PAUSE = 0.3  # seconds, until the threads of who worked last have stopped to spin


class Contender:
    """A process that does what it is asked; see contenders.py."""

    def __init__(self, name: str, numba_cache: str) -> None:
        limits = [key for key in os.environ if key.endswith("_NUM_THREADS")]  # all have all cores
        environment = {key: value for key, value in os.environ.items() if key not in limits}
        environment |= {"NUMBA_CACHE_DIR": numba_cache, "KERAS_BACKEND": "tensorflow"}
        environment |= {"CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3"}
        self.name, self.log = name, tempfile.TemporaryFile("w+")
        command = [sys.executable, Path(__file__).with_name("contenders.py"), name]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self.log}
        self.process = subprocess.Popen(command, text=True, env=environment, **pipes)

    def ask(self, do: str, *arguments: Any) -> tuple[float, Any]:
        """Return how many seconds it took, and what came back."""
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
    """Time from `python` to the first finished training step; of npcnn also with nothing in numba's cache."""

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
    samples: dict[str, list[float]] = {name: [] for name in ["npcnn", "npcnn, cold", *names]}
    for _ in range(rounds):
        for name in names:
            samples[name].append(seconds(name, cache))
        with tempfile.TemporaryDirectory() as empty:
            samples["npcnn, cold"].append(seconds("npcnn", empty))
    return {name: common.spread(values) for name, values in samples.items()}


def check_they_are_the_same(contenders: dict[str, Contender], size: int) -> float:
    """Return how far the probabilities lie apart, of the same images from the same weights; stop if that is far."""
    outputs = {}
    for name, contender in contenders.items():
        contender.ask("reset")
        outputs[name] = np.array(contender.ask("predict", size)[1])
    apart = max(float(abs(output - outputs["npcnn"]).max()) for output in outputs.values())
    if not apart < 1e-4:
        raise SystemExit(f"The contenders do not compute the same: probabilities differ by {apart:.1e}.")
    return apart


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
                    progress.set_postfix_str(f"{name}, batch {size}")
                    contenders[name].ask("reset")
                    time.sleep(PAUSE)
                    seconds, loss = contenders[name].ask("epoch", size, count)
                    samples["epoch"][size, name].append(seconds)
                    samples["loss"][size, name].append(loss)
                    time.sleep(PAUSE)
                    samples["predict"][size, name].append(contenders[name].ask("predict", size)[0])
                    progress.update()
    table = {
        what: {str(size): {n: common.spread(samples[what][size, n]) for n in names} for size in args.batch_sizes}
        for what in samples
    }
    return table | {"warm_up": warm_up, "sgemm_flops": common.spread(peaks)}


def dense_flop() -> int:
    """Return the operations of one image's training: forward once, backward twice, but no dx of the first layer."""
    layers = [layer for layer in common.seed_model("im2col").layers if layer.multiply_adds]
    return 2 * (3 * sum(layer.multiply_adds for layer in layers) - layers[0].multiply_adds)


def main() -> None:
    """Measure, print, write."""
    parser = common.parser(__doc__)
    names = [name for name in CONTENDERS if name != "npcnn"]
    parser.add_argument("--rivals", nargs="*", choices=names, default=names, help="whom to race (default: all)")
    help = "of training and predicting (default: 32 64 128 256)"
    parser.add_argument("--batch-sizes", nargs="+", type=common.positive, default=[32, 64, 128, 256], help=help)
    parser.add_argument("--images", type=common.positive, default=60_000, help="in an epoch (default: %(default)s)")
    help = "to predict (default: %(default)s)"
    parser.add_argument("--predictions", type=common.positive, default=10_000, help=help)
    parser.set_defaults(rounds=3)
    args = parser.parse_args()

    needs = {"keras": ("keras", "tensorflow"), "torch": ("torch",)}
    missing = {p for packages in needs.values() for p in packages if importlib.util.find_spec(p) is None}
    rivals = [name for name in args.rivals if not missing & set(needs[CONTENDERS[name].package])]
    if len(rivals) < len(args.rivals):
        names = ", ".join(name for name in args.rivals if name not in rivals)
        print(f"Skipped, because {', '.join(sorted(missing))} is not installed: {names}.")
        print('This brings them: pip install "npcnn[bench]"\n')
    names = ["npcnn", *rivals]
    machine = common.machine()
    arrays, data = common.digits(args.data, args.images, args.predictions)
    print(f"Data: {data}.", flush=True)
    with contextlib.ExitStack() as stack:
        folder, cache = (stack.enter_context(tempfile.TemporaryDirectory()) for _ in range(2))
        print("How long each takes to start.", flush=True)
        start = measure_start(names, args.rounds, cache)
        save(folder, arrays[:3], common.seed_model("im2col").get_weights())
        contenders = {name: Contender(name, cache) for name in [*names, "sgemm"]}
        for contender in contenders.values():
            stack.callback(contender.close)
            contender.ask("start")
        sgemm = contenders.pop("sgemm")
        settings = {name: contender.ask("load", folder)[1] for name, contender in contenders.items()}
        apart = check_they_are_the_same(contenders, args.batch_sizes[0])
        print(f"The same network in all: from the same weights, probabilities differ by at most {apart:.0e}.")
        results = measure_race(contenders, sgemm, args)
        peak_memory = {name: contender.ask("peak_memory")[1] for name, contender in contenders.items()}

    flop = dense_flop()
    results |= {
        "machine": machine,
        "data": data,
        "rounds": args.rounds,
        "images": args.images,
        "predictions": args.predictions,
        "labels": {name: CONTENDERS[name].label for name in names},
        "settings": settings,
        "probabilities_differ_by": apart,
        "start": start,
        "peak_memory": peak_memory,
        "dense_flop": flop,
        "dense_limit": args.images * flop / results["sgemm_flops"]["max"],
    }
    results["claims"] = claims(results, rivals)
    report(results, rivals)
    common.write(args.output_dir, "versus", results, draw(results, common.title(machine)))


if __name__ == "__main__":
    main()
