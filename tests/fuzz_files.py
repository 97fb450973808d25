"""Files that lie, by the thousand: `python tests/fuzz_files.py --files 20000`. What is counted: see README.md.

Good files are changed at random, and read in processes of their own, whose time and memory are limited. What fails is
kept, with the command that reads it again. Each file depends on its kind, the seed and its number alone.
"""

import argparse
import contextlib
import copy
import functools
import gzip
import io
import json
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import warnings
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from tqdm import tqdm

from npcnn import Sequential, layers, load_model
from npcnn.datasets import mnist, mnist_files
from npcnn.digit_image import prepare_digit
from npcnn.errors import FileFormatError
from npcnn.kernels import DEFAULT

PICTURES = ("png", "jpeg", "gif", "bmp", "tiff", "webp", "ppm")
KINDS = ("keras", "keras-crc", "weights", "h5", "npz", "npz-crc", "idx", "gz", "gz-crc", *PICTURES, "png-crc")
WAYS = ("as .h5", "as .weights.h5", "in a .keras", "in a .keras, padded", "in a .keras that fits")
BATCH = 200
CPU_LIMIT = 2.0  # seconds for one file
MEMORY_LIMIT = 100  # MB above a good load
ADDRESS_SPACE = 1 << 30  # bytes beyond what a process has when it begins
OUTCOMES = ("refused", "equal", "different", "other exception", "crash", "hang", "memory")
FAILURES = OUTCOMES[3:]
SCRIPT = Path(__file__)


# ------------------------------------------------------------------ good files


def good_model():
    """A small trained model with weights in all places; `im2col` needs no compiler."""
    model = Sequential(
        [layers.Input((3, 2, 1)), layers.Conv2D(1, 1), layers.BatchNormalization(), layers.Flatten(), layers.Dense(3)],
        name="good",
        kernels="im2col",
        seed=0,
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(np.ones((8, 3, 2, 1)), np.zeros(8), verbose=0)
    return model


def digits():
    """Six images and labels for training and four for the test, by Keras' names."""
    choose = np.random.default_rng(0)
    data = {}
    for name, count in (("train", 6), ("test", 4)):
        data[f"x_{name}"] = choose.integers(0, 256, (count, 28, 28), np.uint8)
        data[f"y_{name}"] = choose.integers(0, 10, count, np.uint8)
    return data


def picture():
    """A 7."""
    image = Image.new("RGB", (60, 80), (235, 230, 220))
    ImageDraw.Draw(image).line([(20, 15), (47, 15), (29, 60)], fill=(20, 20, 30), width=5, joint="curve")
    return image


@functools.cache
def good_files():
    """Return the good files: name -> bytes."""
    files = {}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(action="ignore"):
        model = good_model()
        for name in ("good.keras", "good.h5"):
            model.save(Path(folder, name))
        model.save_weights(Path(folder, "good.weights.h5"))
        files |= {path.name: path.read_bytes() for path in Path(folder).iterdir()}
    np.savez_compressed(file := io.BytesIO(), **digits())
    files["good.npz"] = file.getvalue()
    for name, array in zip(mnist_files.NAMES, digits().values(), strict=True):
        files[name] = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()
    for kind in PICTURES:
        picture().save(file := io.BytesIO(), kind)
        files[f"good.{kind}"] = file.getvalue()
    return files


def members(data):
    """Return what is in a zip file: name -> bytes."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def to_zip(contents, method=zipfile.ZIP_STORED):
    """Return a zip file."""
    with zipfile.ZipFile(file := io.BytesIO(), "w", method) as archive:
        for name, data in contents.items():
            archive.writestr(name, data)
    return file.getvalue()


# ------------------------------------------------------------------ changes

ODD_VALUES = [None, True, -1, 0, 0.5, 1e300, 10**15, "", "\ud800/\0", "../x", [], [[]], {}, {"class_name": "Dense"}]
WIDTHS = (("<B", 1), ("<H", 2), (">H", 2), ("<I", 4), (">I", 4), ("<Q", 8), (">Q", 8))


def changed(choose, data):
    """Return the bytes with one to eight changes; bytes other than zero are preferred, since zeros are often unused."""
    data = bytearray(data)
    used = [i for i, byte in enumerate(data) if byte] or [0]
    for _ in range(choose.choice([1, 1, 1, 2, 4, 8])):
        if not data:
            break
        i = choose.choice(used) if choose.random() < 0.8 else choose.randrange(len(data))
        i, j, length = min(i, len(data) - 1), choose.randrange(len(data)), choose.choice([1, 2, 4, 8, 64, 500])
        match choose.choice("flip byte number number number copy delete insert repeat swap cut".split()):
            case "flip":
                data[i] ^= 1 << choose.randrange(8)
            case "byte":
                data[i] = choose.choice([0, 1, 127, 128, 255, choose.randrange(256)])
            case "number":
                form, width = choose.choice(WIDTHS)
                most = 256**width - 1
                value = choose.choice([0, 1, most, most // 2, most // 2 + 1, i, j, len(data), choose.randint(0, most)])
                data[i : i + width] = struct.pack(form, min(value, most))[: len(data) - i]
            case "copy":
                data[i : i + length] = data[j : j + length][: len(data) - i]
            case "delete":
                del data[i : i + length]
            case "insert":
                data[i:i] = choose.randbytes(length)
            case "repeat":
                data[i:i] = data[i : i + length] * choose.choice([1, 10, 1000])
            case "swap":
                data[i : i + length], data[j : j + length] = data[j : j + length], data[i : i + length]
            case "cut" if choose.random() < 0.3:
                del data[i:]
    return bytes(data)


def places(value, at=()):
    """Yield every place in a JSON value: the keys and indices that lead there."""
    for key, part in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield (*at, key)
        yield from places(part, (*at, key))


def changed_json(choose, data):
    """Return a JSON text in which values are others, stand elsewhere or twice, or are missing."""
    value = json.loads(data)
    for _ in range(choose.choice([1, 1, 2, 4])):
        if not (all_places := list(places(value))):
            break
        *way, last = choose.choice(all_places)
        holder = functools.reduce(lambda part, key: part[key], way, value)
        other = functools.reduce(lambda part, key: part[key], choose.choice(all_places), value)
        match choose.choice(["odd", "odd", "other", "scale", "delete", "many"]):
            case "odd":
                holder[last] = copy.deepcopy(choose.choice(ODD_VALUES))  # it may itself be changed next
            case "other":
                holder[last] = json.loads(json.dumps(other))
            case "scale" if isinstance(holder[last], int | float):
                holder[last] *= choose.choice([-1, 2, 3, 1000, 10**9])
            case "delete":
                del holder[last]
            case "many" if len(all_places) < 5000:  # of many times many, the file would have millions
                many = [holder[last]] * choose.choice([2, 100, 3000])
                if isinstance(holder, list):
                    holder[last:last] = many
                else:
                    holder[last] = many
    return json.dumps(value).encode()


def changed_png(choose, data):
    """Return a PNG in which chunks are changed, left out or doubled, and have right lengths and CRCs."""
    chunks, at = [], 8
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    pixels = next(i for i, (kind, _) in enumerate(chunks) if kind == b"IDAT")
    for _ in range(choose.choice([1, 1, 2])):
        i = choose.randrange(len(chunks))
        kind, content = chunks[i]
        if i == pixels and choose.random() < 0.5:
            content = zlib.compress(changed(choose, zlib.decompress(content)))
        else:
            content = changed(choose, content)
        pixels = None  # from now on it may be elsewhere, or damaged
        chunks[i : i + 1] = [(kind, content)] * choose.choice([1, 1, 1, 1, 0, 2])
        if not chunks:
            break
    parts = (struct.pack(">I", len(c)) + k + c + struct.pack(">I", zlib.crc32(k + c)) for k, c in chunks)
    return data[:8] + b"".join(parts)


def write(kind, number, seed, folder, source=None):
    """Write a changed file, or a folder of the four of MNIST, and return where it is; with 0 the good one."""
    good, choose = good_files(), random.Random(f"{kind} {seed} {number}")
    change = changed if number else lambda choose, data: data
    path = folder / f"{kind}-{number}.{kind.removesuffix('-crc')}"
    match kind:
        case _ if kind in WAYS:
            return write_given(kind, sorted(each for each in source.rglob("*") if each.is_file()), number, folder)
        case "weights":
            path = folder / f"weights-{number}.weights.h5"
            path.write_bytes(change(choose, good["good.weights.h5"]))
        case "idx" | "gz" | "gz-crc":
            path, chosen = folder / f"{kind}-{number}", choose.choice(mnist_files.NAMES)
            path.mkdir(exist_ok=True)
            for name in mnist_files.NAMES:
                pack = (lambda data: data) if kind == "idx" else (lambda data: gzip.compress(data, mtime=0))
                here = change if name == chosen else lambda choose, data: data
                data = here(choose, pack(good[name])) if kind == "gz" else pack(here(choose, good[name]))
                (path / (name if kind == "idx" else f"{name}.gz")).write_bytes(data)
        case "keras-crc" | "npz-crc" if number:
            contents = members(good[f"good{path.suffix}"])
            name = choose.choice(list(contents) + ["config.json", "model.weights.h5"] * (kind == "keras-crc"))
            as_json = name.endswith(".json") and choose.random() < 0.8
            contents[name] = (changed_json if as_json else changed)(choose, contents[name])
            path.write_bytes(to_zip(contents, choose.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])))
        case "png-crc" if number:
            path.write_bytes(changed_png(choose, good["good.png"]))
        case _:
            path.write_bytes(change(choose, good[f"good{path.suffix}"]))
    return path


def write_given(way, files, number, folder):
    """Write one of the files given, in one of the WAYS; with 0 a good one."""
    good = good_files()
    weights, archive = good["good.weights.h5"], members(good["good.keras"])
    data = files[number - 1].read_bytes() if number else weights
    path = folder / f"{number}{way.removeprefix('as ') if way.startswith('as ') else '.keras'}"
    if way.startswith("as "):
        path.write_bytes(data if number else good[f"good{path.suffixes[0]}" if way == "as .h5" else "good.weights.h5"])
        return path
    room = len(archive["model.weights.h5"])
    if not number:
        data = archive["model.weights.h5"]
    elif way == "in a .keras, padded":
        data += bytes(max(0, room - len(data)))
    elif way == "in a .keras that fits":  # half the file may be weights
        model = Sequential([layers.Input((max(1, len(data) // 8),)), layers.Dense(1)])
        archive["config.json"] = model.to_json().encode()
    path.write_bytes(to_zip(archive | {"model.weights.h5": data}))
    return path


# ------------------------------------------------------------------ reading


def read(path):
    """Read a file as the users of npcnn do, and return all that it holds as one text of bytes; use the model once."""
    if path.name.endswith(".weights.h5"):
        (model := good_model()).load_weights(path)
        return described(model)
    if path.suffix in (".keras", ".h5"):
        model = load_model(path)
        model.predict(np.ones((1, *model.input_shape), "f4"), verbose=0)
        return described(model)
    if path.is_dir() or path.suffix == ".npz":
        return b"".join(array.tobytes() for split in mnist.load_data(path) for array in split)
    return prepare_digit(path).tobytes()


def described(model):
    """Everything that a model file holds, in bytes."""
    text = [model.to_json(), repr(model.history and (model.history.epoch, model.history.history))]
    arrays = [array.tobytes() for array in model.get_weights()]
    optimizer = model.optimizer
    if optimizer:
        arrays += [a.tobytes() for slot in sorted(optimizer.slots) for a in optimizer.slots[slot].values()]
        text.append(str(optimizer.iterations))
    return "".join(text).encode() + b"".join(arrays)


def peak():
    """The most memory this process has held, in MB; 0 where that is not to be had."""
    with contextlib.suppress(OSError):  # on Linux, getrusage counts what the parent held when this process began
        status = Path("/proc/self/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024
    try:
        import resource
    except ImportError:
        return 0.0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / ((1 << 20) if sys.platform == "darwin" else 1 << 10)


def limit():
    """Limit the address space of this process, where that can be done."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        pages = int(Path("/proc/self/statm").read_text().split()[0])
        space = pages * resource.getpagesize() + ADDRESS_SPACE
        resource.setrlimit(resource.RLIMIT_AS, (space, space))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


@contextlib.contextmanager
def timer(seconds):
    """Kill this process, by a signal, once it has computed for so long."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, seconds)
    yield
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, 0)


def child(kind, seed, numbers, source):
    """Read files one after the other, and print a line of JSON about each before and after."""
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    with tempfile.TemporaryDirectory() as folder:
        path = write(kind, 0, seed, Path(folder), source)
        if path.suffix in (".keras", ".h5") and not path.name.endswith(".weights.h5"):
            # Damage may take the name of the kernels, and the default ones load numba: that is no file's memory.
            load_model(path, kernels=DEFAULT).predict(np.ones((1, *good_model().input_shape), "f4"), verbose=0)
        good = [read(path) for _ in range(3)][0]
        limit()
        good_peak = highest = peak()
        for number in numbers:
            path = write(kind, number, seed, Path(folder), source)
            good_peak, highest = good_peak + max(0, peak() - highest), max(highest, peak())  # not what writing took
            print(json.dumps({"number": number}), flush=True)
            start, error = time.process_time(), ""
            with timer(CPU_LIMIT):
                try:
                    outcome = "equal" if read(path) == good else "different"
                except Exception as raised:
                    named = isinstance(raised, FileFormatError) and str(raised).startswith(str(path))
                    outcome = "refused" if named else "other exception"
                    error = f"{type(raised).__name__}: {raised}"
            seconds, above = time.process_time() - start, peak() - good_peak
            if peak() > highest and above > MEMORY_LIMIT:
                outcome = "memory"
            highest = max(highest, peak())
            line = {"number": number, "outcome": outcome, "seconds": seconds, "above": above, "error": error[:300]}
            print(json.dumps(line), flush=True)
            shutil.rmtree(path) if path.is_dir() else path.unlink()


# ------------------------------------------------------------------ the table


@dataclass
class Row:
    """What became of the files of one kind."""

    counts: dict = field(default_factory=lambda: dict.fromkeys(OUTCOMES, 0))
    seconds: float = 0.0
    above: float = 0.0
    failures: list = field(default_factory=list)

    def add(self, line):
        """Count one file."""
        self.counts[line["outcome"]] += 1
        self.seconds, self.above = max(self.seconds, line["seconds"]), max(self.above, line["above"])
        if line["outcome"] in FAILURES:
            self.failures.append(line)


def run(kind, seed, numbers, source=None, done=lambda count: None):
    """Read these files in processes of their own; return a Row."""
    row, numbers = Row(), list(numbers)
    while numbers:
        batch, arguments = numbers[:BATCH], ["--child", kind, "--seed", str(seed)]
        if source:
            arguments += ["--folder", str(source)]
        command = [sys.executable, str(SCRIPT), *arguments, "--numbers", str(batch[0]), str(batch[-1] + 1)]
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
        try:
            result = subprocess.run(command, capture_output=True, text=True, timeout=600, env=environment)
            output, code = result.stdout, result.returncode
        except subprocess.TimeoutExpired as error:
            output, code = (error.stdout or b"").decode(), -signal.SIGTERM
        lines = [json.loads(line) for line in output.splitlines() if line.endswith("}")]
        for line in lines:
            if "outcome" in line:
                row.add(line)
        if code:
            if not lines or "outcome" in lines[-1]:
                raise RuntimeError(f"{' '.join(command)} ended with {code}: {result.stderr[-2000:]}")
            outcome = "hang" if -code in (getattr(signal, "SIGPROF", 0), signal.SIGTERM) else "crash"
            row.add({**lines[-1], "outcome": outcome, "seconds": 0.0, "above": 0.0, "error": f"exit code {code}"})
        count = len({line["number"] for line in lines})
        numbers = numbers[count:]
        done(count)
    return row


def table(rows):
    """Return the rows as a table in Markdown."""
    names = ["kind", "files", *OUTCOMES, "slowest, s", "MB above a good load"]
    cells = [
        [kind, sum(row.counts.values()), *row.counts.values(), f"{row.seconds:.2f}", f"{max(0, row.above):.0f}"]
        for kind, row in rows.items()
    ]
    if len(rows) > 1:
        sums = [sum(column) for column in list(zip(*cells, strict=True))[1 : 2 + len(OUTCOMES)]]
        most = (max(row.seconds for row in rows.values()), max(0, *(row.above for row in rows.values())))
        cells.append(["all", *sums, f"{most[0]:.2f}", f"{most[1]:.0f}"])
    lines = [names, ["---"] * len(names), *cells]
    return "\n".join(f"| {' | '.join(f'{cell:,}' if isinstance(cell, int) else cell for cell in x)} |" for x in lines)


def keep(kind, seed, row, folder, source):
    """Write what failed once more, to stay, and print how to read it again."""
    for line in row.failures:
        target = folder / kind.replace(" ", "-").replace(",", "")
        target.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            path = write(kind, line["number"], seed, target, source)
            print(f"{line['outcome']}: {line['error']}\n    python tests/fuzz_files.py --read {path}")


def main():
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=2000, help="how many files, all kinds together")
    parser.add_argument("--seed", type=int, default=0, help="another one makes other files")
    parser.add_argument("--kinds", default=",".join(KINDS), help=f"some of {','.join(KINDS)}")
    parser.add_argument("--folder", type=Path, help=f"take the files in it as weights: {'; '.join(WAYS)}")
    parser.add_argument("--failures", type=Path, default=Path("fuzz-failures"), help="where to keep what fails")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="how many processes at once")
    parser.add_argument("--read", type=Path, help="read one file that was kept, here, and show what happens")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--numbers", type=int, nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read:
        print(f"{len(read(options.read)):,} bytes were read")
        return 0
    if options.child:
        child(options.child, options.seed, range(*options.numbers), options.folder)
        return 0
    if options.folder:
        kinds, each = WAYS, sum(path.is_file() for path in options.folder.rglob("*"))
    else:
        kinds = options.kinds.split(",")
        if unknown := set(kinds) - set(KINDS):
            parser.error(f"--kinds takes some of {', '.join(KINDS)}, got {', '.join(sorted(unknown))}")
        each = -(-options.files // len(kinds))
    with tqdm(total=each * len(kinds), desc="Files", disable=None) as bar, ThreadPoolExecutor(options.jobs) as pool:
        jobs = {
            kind: pool.submit(run, kind, options.seed, range(1, each + 1), options.folder, bar.update) for kind in kinds
        }
        rows = {kind: job.result() for kind, job in jobs.items()}
    print(table(rows))
    for kind, row in rows.items():
        keep(kind, options.seed, row, options.failures, options.folder)
    return 1 if any(row.failures for row in rows.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
