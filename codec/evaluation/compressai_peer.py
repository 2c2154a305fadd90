"""CompressAI's models on a folder of pictures, written as `lcodec bench` writes its results, to be shown beside them.

    python compressai_peer.py FOLDER -o peer.json --models mbt2018-mean,cheng2020-anchor --weights random

CompressAI cannot share an environment with lcodec (it needs NumPy below 2), so this script stands alone: it imports
nothing of lcodec and runs in the environment that `make compressai-env` makes. `peers` reads what it wrote.
"""

import argparse
import hashlib
import json
import multiprocessing
import platform
import resource
import shlex
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Protocol, TypedDict, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

FORMAT = "lcodec bench 1"
RANDOM_NOTE = "random weights: speed and size only; rate and distortion mean nothing"
SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})
PSNR_LIMIT_DB = 100.0
COST_SIZE = (512, 768)  # height and width that kMAC per pixel are counted at
ALIGNMENT_PX = 64

Pixels = NDArray[np.uint8]
_Result = TypeVar("_Result")


class PeerError(Exception):
    """What keeps the measurement from being made, in one line."""


class Coded(TypedDict):
    """Entropy coded strings, and the size of the hyper-latent."""

    strings: list[list[bytes]]
    shape: tuple[int, int]


class Network(Protocol):
    """A model of CompressAI; `s`, a level, is for those of variable rate only."""

    def parameters(self) -> Iterable[Tensor]: ...
    def compress(self, x: Tensor, *, s: int = ...) -> Coded: ...
    def decompress(self, strings: list[list[bytes]], shape: tuple[int, int], *, s: int = ...) -> dict[str, Tensor]: ...


@dataclass(frozen=True, slots=True)
class Choice:
    """A model of the zoo at a quality of the zoo; `weights` is `pretrained`, `random` (from `seed`) or a file."""

    model: str
    quality: int
    weights: str
    seed: int


class Codec:
    """A network as a codec of pictures, uint8 (H, W, 3): padded by their edges, coded, cut back."""

    def __init__(self, choice: Choice) -> None:
        self.network = _network(choice)
        self.level = {"s": choice.quality - 1} if hasattr(self.network, "levels") else {}
        self.n_parameters = sum(p.numel() for p in self.network.parameters())

    @torch.no_grad()
    def encode(self, pixels: Pixels) -> Coded:
        height, width = pixels.shape[:2]
        x = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
        padding = (0, -width % ALIGNMENT_PX, 0, -height % ALIGNMENT_PX)
        return self.network.compress(torch.nn.functional.pad(x, padding, mode="replicate"), **self.level)

    @torch.no_grad()
    def decode(self, coded: Coded, height: int, width: int) -> Pixels:
        x_hat = self.network.decompress(**coded, **self.level)["x_hat"][0, :, :height, :width]
        return np.ascontiguousarray(x_hat.clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).numpy())


def count_macs(run: Callable[[], object]) -> int:
    """Multiply-accumulates of the convolutions, transposed ones and matrix products of one call of `run`.

    Counted where torch carries them out, so that those count that models call without a layer, as context models do.
    """
    with FlopCounterMode(display=False) as counter:
        run()
    return int(counter.get_total_flops()) // 2


def kmac_per_px(codec: Codec) -> tuple[float, float]:
    """Thousand multiply-accumulates per pixel, (encode, decode), counted while a grey picture of 768x512 is coded."""
    pixels = np.full((*COST_SIZE, 3), 128, np.uint8)
    coded = codec.encode(pixels)
    encode, decode = count_macs(lambda: codec.encode(pixels)), count_macs(lambda: codec.decode(coded, *COST_SIZE))
    return encode / 1000 / pixels[..., 0].size, decode / 1000 / pixels[..., 0].size


def digest(paths: Sequence[Path]) -> str:
    """SHA-256 over the SHA-256 sums of files, sorted: states which pictures, whatever their names."""
    sums = sorted(hashlib.sha256(path.read_bytes()).hexdigest() for path in paths)
    return hashlib.sha256("\n".join(sums).encode("ascii")).hexdigest()


def psnr_db(a: Pixels, b: Pixels) -> float:
    """PSNR in dB over all samples, at most 100."""
    return _psnr_db(a.astype(np.float64) - b)


def psnr_yuv_db(a: Pixels, b: Pixels) -> float:
    """(6 PSNR_Y + PSNR_U + PSNR_V) / 8 in dB, at most 100; planes of BT.601, full range, 4:4:4, not rounded."""
    red, green, blue = np.moveaxis(a.astype(np.int64) - b.astype(np.int64), 2, 0)
    luma = 299 * red + 587 * green + 114 * blue  # thousandths; integers, so that equal planes are exactly equal
    planes = luma / 1000, (1000 * blue - luma) / 1772, (1000 * red - luma) / 1402
    y_db, u_db, v_db = (_psnr_db(plane, limit_db=float("inf")) for plane in planes)
    return min((6 * y_db + u_db + v_db) / 8, PSNR_LIMIT_DB)


def similarity(a: Pixels, b: Pixels) -> tuple[float | None, float | None]:
    """(SSIM, MS-SSIM) by pytorch-msssim; None where it is absent, or for a picture too small."""
    try:
        import pytorch_msssim
    except ImportError:
        return None, None
    x, y = (torch.from_numpy(pixels).permute(2, 0, 1)[None].float().contiguous() for pixels in (a, b))
    side = min(a.shape[:2])
    ssim = float(pytorch_msssim.ssim(x, y, data_range=255)) if side >= 11 else None
    return ssim, float(pytorch_msssim.ms_ssim(x, y, data_range=255)) if side >= 161 else None


def _psnr_db(difference: NDArray[np.float64], limit_db: float = PSNR_LIMIT_DB) -> float:
    mse = float(np.mean(difference * difference))
    return limit_db if mse == 0 else min(10.0 * float(np.log10(255.0**2 / mse)), limit_db)


def _zoo() -> ModuleType:
    """`compressai.zoo`, also where the torchvision that it imports has no binary that fits this torch."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            try:
                import torchvision  # noqa: F401
            except RuntimeError:  # its Python part names operators that its binary would have defined
                for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
                    del sys.modules[name]
                for name in ("nms", "qnms"):
                    torch.library.define(f"torchvision::{name}", "(Tensor dets, Tensor scores, float iou) -> Tensor")
            import compressai.zoo.image
        except ImportError as error:
            raise PeerError(f"CompressAI cannot be imported: {error}; `make compressai-env` makes its home") from None
        zoo: ModuleType = compressai.zoo
        return zoo


def _network(choice: Choice) -> Network:
    zoo = _zoo()
    build = zoo.image_models[choice.model]
    torch.manual_seed(choice.seed)
    try:
        if choice.weights == "pretrained":
            network = build(choice.quality, pretrained=True, progress=False)
        elif choice.weights == "random":
            network = build(choice.quality)
        else:
            state = torch.load(choice.weights, map_location="cpu", weights_only=True)
            network = type(build(choice.quality)).from_state_dict(zoo.load_state_dict(state.get("state_dict", state)))
    except Exception as error:
        why = (str(error).splitlines() or [type(error).__name__])[0]
        if choice.weights == "pretrained":
            why = f"its weights cannot be had ({why}); `--weights random` measures speed and size without"
        elif choice.weights != "random":
            why = f"{Path(choice.weights).name} does not hold its weights ({type(error).__name__})"
        raise PeerError(f"{choice.model} at quality {choice.quality}: {why}") from None
    network.eval()
    network.update(force=choice.weights == "random")  # tables that came with weights are kept
    made: Network = network
    return made


def _ladder(model: str, wanted: Sequence[int] | None) -> list[int]:
    """The wanted qualities of a model, None for all. PeerError for a model or quality that the zoo does not have."""
    zoo = _zoo()
    if model not in zoo.image_models:
        raise PeerError(f"CompressAI has no model {model!r}; it has: {', '.join(zoo.image_models)}")
    known = sorted(zoo.image.cfgs.get(model, range(1, 9)))  # models of variable rate are listed elsewhere
    for quality in wanted or ():
        if quality not in known:
            raise PeerError(f"{model} has no quality {quality}; it has {known[0]} to {known[-1]}")
    return list(wanted or known)


def _pictures(folder: Path, limit: int | None) -> list[Path]:
    """The pictures directly in a folder, sorted by name, or so many of them, evenly spread."""
    if not folder.is_dir():
        raise PeerError(f"not a folder: {folder}")
    found = [p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and p.name[0] != "." and p.is_file()]
    if not found:
        raise PeerError(f"no pictures in {folder}")
    found.sort(key=lambda path: path.name)
    count = min(limit or len(found), len(found))
    return [found[i * len(found) // count] for i in range(count)]


def _read(path: Path) -> Pixels:
    try:
        with Image.open(path) as image:
            return np.array(ImageOps.exif_transpose(image).convert("RGB"))
    except OSError as error:
        raise PeerError(f"{path.name} cannot be read: {error}") from None


def _peak_memory_bytes(choice: Choice, threads: int, path: Path) -> int:
    """Peak resident memory of this process once it has coded and decoded a picture; to be run in a fresh one."""
    torch.set_num_threads(threads)
    pixels = _read(path)
    codec = Codec(choice)
    codec.decode(codec.encode(pixels), *pixels.shape[:2])
    status = Path("/proc/self/status")
    if status.exists():  # Linux: ru_maxrss would begin with the size of the process that started this one
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _timed(call: Callable[[], _Result]) -> tuple[_Result, float, float]:
    """(result, wall seconds, processor seconds)."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = call()
    return result, time.perf_counter() - wall, time.process_time() - cpu


def _sample(codec: Codec, quality: int, path: Path) -> dict[str, object]:
    pixels = _read(path)
    coded, encode_seconds, encode_cpu_seconds = _timed(lambda: codec.encode(pixels))
    rebuilt, decode_seconds, decode_cpu_seconds = _timed(lambda: codec.decode(coded, *pixels.shape[:2]))
    ssim, ms_ssim = similarity(pixels, rebuilt)
    return {
        "picture": path.name,
        "quality": float(quality),
        "file_bytes": sum(len(string) for strings in coded["strings"] for string in strings),
        "psnr_db": psnr_db(pixels, rebuilt),
        "psnr_yuv_db": psnr_yuv_db(pixels, rebuilt),
        "ssim": ssim,
        "ms_ssim": ms_ssim,
        "encode_seconds": encode_seconds,
        "encode_cpu_seconds": encode_cpu_seconds,
        "decode_seconds": decode_seconds,
        "decode_cpu_seconds": decode_cpu_seconds,
    }


def _measure(model: str, options: argparse.Namespace, paths: Sequence[Path]) -> dict[str, object]:
    """One model at all its qualities. Its figures are those of its largest network; `settings` has the others'."""
    choices = [Choice(model, q, options.weights, options.seed) for q in _ladder(model, options.qualities)]
    samples: list[dict[str, object]] = []
    sizes: dict[int, tuple[tuple[float, float], Choice]] = {}
    for choice in choices:
        codec = Codec(choice)
        if codec.n_parameters not in sizes:  # the count also warms the process up
            sizes[codec.n_parameters] = kmac_per_px(codec), choice
        for path in paths:
            samples.append(_sample(codec, choice.quality, path))
            print(f"{model} {choice.quality} {path.name}", file=sys.stderr)
    largest = max(sizes)
    kmac, choice = sizes[largest]
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as fresh:
        peak = fresh.submit(_peak_memory_bytes, choice, options.threads, paths[0]).result()
    weights = Path(options.weights).name
    settings = (
        f"qualities {' '.join(str(c.quality) for c in choices)} of CompressAI's zoo, MSE, {weights} weights; "
        f"only the entropy coded strings count, there is no container; float32 on the CPU, threads: {options.threads}"
    )
    for parameters, (other, first) in sorted(sizes.items()):
        if parameters != largest:
            cost = f"{parameters} parameters, {other[0]:.1f} and {other[1]:.1f} kMAC per pixel"
            settings += f"; the network from quality {first.quality} on has {cost}"
    return {
        "name": f"compressai-{model}",
        "kind": "peer",
        "settings": settings,
        "version": f"compressai {metadata.version('compressai')}, torch {torch.__version__}",
        "parameters": largest,
        "encode_kmac_per_px": kmac[0],
        "decode_kmac_per_px": kmac[1],
        "peak_memory_bytes": peak,
        "samples": sorted(samples, key=lambda sample: str(sample["picture"])),
        "note": RANDOM_NOTE if options.weights == "random" else "",
        "comparable": options.weights != "random",
    }


def _machine() -> str:
    """Processor and system, for people."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        found = [line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if "model name" in line]
        name = f"{found[0]}, {len(found)} logical processors" if found else name
    return f"{name}, {platform.system()}, Python {platform.python_version()}"


def _facts(path: Path) -> dict[str, object]:
    height, width = _read(path).shape[:2]
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return {"name": path.name, "width_px": width, "height_px": height, "sha256": sha256}


def _run(options: argparse.Namespace, command: str) -> None:
    paths = _pictures(options.folder, options.limit)
    if not options.output.absolute().parent.is_dir():
        raise PeerError(f"not a folder: {options.output.parent}")
    if options.weights not in ("pretrained", "random") and not Path(options.weights).is_file():
        raise PeerError(f"no such file of weights: {options.weights}")
    torch.set_num_threads(options.threads)
    for model in options.models:  # a wrong name shall be told before the first minute is spent
        _ladder(model, options.qualities)
    results = {
        "format": FORMAT,
        "dataset": options.folder.resolve().name,
        "pictures_digest": digest(paths),
        "pictures": [_facts(path) for path in paths],
        "command": command,
        "machine": _machine(),
        "version": f"compressai {metadata.version('compressai')}",
        "commit": "",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "threads": options.threads,
        "jobs": 1,
        "codecs": [_measure(model, options, paths) for model in options.models],
        "absent": [],
    }
    options.output.write_text(json.dumps(results, indent=1, allow_nan=False))


def _qualities(text: str) -> list[int] | None:
    """`all`, `3`, `1..8`, `2,4,6`."""
    if text == "all":
        return None
    first, dots, last = text.partition("..")
    chosen = range(int(first), int(last) + 1) if dots else [int(part) for part in text.split(",")]
    if not chosen:
        raise ValueError("no quality")
    return sorted(set(chosen))


def _count(text: str) -> int:
    if int(text) < 1:
        raise ValueError("below 1")
    return int(text)


def main(arguments: Sequence[str]) -> int:
    """The command line; returns the exit code: 0, or 1 after a line on standard error. Exits with 2 for usage."""
    parser = argparse.ArgumentParser(prog="compressai_peer.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder of pictures")
    parser.add_argument("-o", "--output", type=Path, required=True, help="JSON to write")
    parser.add_argument("--models", type=lambda text: list(dict.fromkeys(text.split(","))), required=True, help="A,B")
    parser.add_argument("--qualities", type=_qualities, help="of the zoo: all (default), 1..8, or 3,6")
    parser.add_argument("--weights", default="pretrained", help="pretrained (default), random, or a .pth.tar file")
    parser.add_argument("--threads", type=_count, default=1, help="of torch (default 1)")
    parser.add_argument("--limit", type=_count, help="only so many pictures, evenly spread")
    parser.add_argument("--seed", type=int, default=0, help="of random weights (default 0)")
    options = parser.parse_args(arguments)
    is_file = options.weights not in ("pretrained", "random")
    if is_file and (len(options.models) != 1 or len(options.qualities or ()) != 1):
        parser.error("a file of weights is of one model at one quality: name both")
    try:
        _run(options, shlex.join([parser.prog, *arguments]))
    except PeerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
