"""The four original files of MNIST, and of Fashion-MNIST: where they stand, how they get there, are they genuine?"""

import errno
import os
import threading
from concurrent.futures import Future, wait
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pooch

from npcnn.errors import FileFormatError

NAMES = (  # in the order of Keras' four arrays
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)

FIRST_ANSWER = 3.0  # seconds to wait for any sign of life before we say that there is no network
NEXT_ANSWER = 10.0  # seconds to wait in the middle of a download


class DownloadError(OSError):
    """Files are not on disk and cannot be downloaded: no network, or no place to put them."""


@dataclass
class Originals:
    """Four files as they were published."""

    title: str
    folders: tuple[str, ...]  # below the data folder: the first that is there, or else the first, made at need
    url: str
    sha256: dict[str, str]  # of each file, gzipped and not

    @property
    def folder(self) -> Path:
        """Where the files stand, or would stand."""
        places = [data_folder() / name for name in self.folders]
        return next((place for place in places if place.is_dir()), places[0])


MNIST = Originals(
    "MNIST",
    ("mnist",),
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    {
        "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
)
FASHION_MNIST = Originals(
    "Fashion-MNIST",
    ("fashion-mnist", "fashion_mnist"),
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    {
        "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    },
)


def data_folder() -> Path:
    """Return the folder that the environment variable NPCNN_DATA_DIR names, or else npcnn's in the user's cache."""
    return Path(os.path.expanduser(os.environ.get("NPCNN_DATA_DIR") or pooch.os_cache("npcnn")))


def is_writable(folder: Path) -> bool:
    """Return whether files may be put into a folder, which need not exist yet."""
    folder = folder.absolute()
    for place in (folder, *folder.parents):
        if place.exists():
            write_bits = place.stat().st_mode & 0o222  # to root every folder is writable; the bits say what is meant
            return place.is_dir() and write_bits != 0 and os.access(place, os.W_OK)
    return False  # not even the root exists: on Windows, a drive that is not there


def find(folder: Path) -> dict[str, Path]:
    """Return those of the four files that stand in the folder, name -> path in order; a gzipped one is preferred."""
    return {name: path for name in NAMES for path in (folder / name, folder / f"{name}.gz") if path.is_file()}


def find_genuine(originals: Originals) -> dict[str, Path]:
    """Do as `find` does; raise FileFormatError unless each is, bit for bit, the file of that name as published."""
    found = find(originals.folder)
    for path in found.values():
        if (got := pooch.file_hash(path)) != (wanted := originals.sha256[path.name]):
            wrong = f"damaged, or not {originals.title}: expected sha256 {wanted}, got {got}"
            hint = "Delete it and it will be downloaded again; to read other data, give load_data its folder."
            raise FileFormatError(f"{path}: {wrong}. {hint}")
    return found


def fetch(originals: Originals) -> Path:
    """Return the folder that has the four files, each checked.

    What is missing is downloaded; it gets its name only once it is complete and checked.

    Raises:
        FileFormatError: A file is not the published one.
        DownloadError: A file is missing, and cannot be downloaded.
    """
    folder, found = originals.folder, find_genuine(originals)
    missing = [f"{name}.gz" for name in NAMES if name not in found]
    if not missing:
        return folder

    def transfer(url: str, file: str, caller: pooch.Pooch | None) -> None:
        pooch.HTTPDownloader(progressbar=True, timeout=(FIRST_ANSWER, NEXT_ANSWER))(url, file, caller)
        os.chmod(file, 0o644)  # pooch's temporary file is private, but data folders are shared

    lacking = f"{folder} lacks {', '.join(missing)}"
    if not is_writable(folder):
        raise DownloadError(f"{lacking}, and nothing can be written into that folder")
    try:
        knock(originals)
        for name in missing:
            try:
                pooch.retrieve(
                    originals.url + name, originals.sha256[name], fname=name, path=folder, downloader=transfer
                )
            except ValueError as error:  # pooch: the hash is wrong
                raise FileFormatError(f"{folder / name}: {error}") from None
    except OSError as error:
        host, why = urlsplit(originals.url).hostname, error.strerror or type(error).__name__
        raise DownloadError(f"{lacking}, and the download from {host} failed: {why}") from None
    return folder


def knock(originals: Originals) -> None:
    """Raise OSError unless the server gives a sign of life within FIRST_ANSWER seconds.

    A timeout given to a library counts anew for each step and for each of the server's addresses, and does
    not count for the look-up of its name, which can take long without a network. Hence a thread, which is
    left behind when the time is up.
    """
    answer: Future[bool] = Future()

    def ask() -> None:
        try:
            downloader = pooch.HTTPDownloader(timeout=FIRST_ANSWER)
            answer.set_result(downloader(originals.url + f"{NAMES[0]}.gz", None, None, check_only=True))
        except Exception as error:
            answer.set_exception(error)

    threading.Thread(target=ask, daemon=True).start()
    if not wait([answer], FIRST_ANSWER).done:
        raise TimeoutError(errno.ETIMEDOUT, f"no answer within {FIRST_ANSWER:g} seconds")
    answer.result()
