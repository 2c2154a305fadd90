"""`lcodec ablate`: variants on equal terms. The same recipe, steps, pictures and seeds; real files decide.

```
recipe x variants x seeds ─► checkpoints ─► exact models ─► files of held-out pictures ─► BD-rate against the first
                                                        └─► square pictures of three sizes ─► seconds, memory
```

What is finished is kept: an interrupted call goes on when it is made again, and calls with other seeds or variants can
run side by side into one folder before a last call with all of them draws the tables.
"""

import statistics
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..datasets.folders import data_root
from ..entropy.convert import to_exact
from ..entropy.tables import gaussian_rows
from ..formats.files import write_output
from ..formats.picture_writing import write_picture
from ..formats.pictures import read_picture
from .evaluation.bd_rate import bd_rate
from .evaluation.results import CodecResults, Results
from .evaluation.run import Request, run_bench
from .evaluation.test_sets import TestSet, find_test_set
from .model_file import pack_model
from .registry import brought
from .training.checkpoint import Checkpoint, load_average
from .training.loop import Session
from .training.run import default_mode, run_training
from .weights_cache import store_weights

SIDES = (512, 1024, 2048)
_PICTURES = 16  # of those held out, evenly spread
_SQUARES = 3  # pictures of each size
_QUALITIES = (5.0, 30.0, 55.0, 80.0, 100.0)
_MIDDLE = 55.0
_FIRST_ROW = 6


@dataclass(frozen=True, slots=True)
class Ablation:
    """What to compare: a recipe with each value of one key and each seed for so many steps; the first is the anchor.

    `start`: weights that every run begins with.
    """

    recipe: Path
    changes: tuple[str, ...]
    key: str
    values: tuple[str, ...]
    seeds: tuple[int, ...]
    steps: int
    folder: Path
    data: Path | None
    threads: int
    command: str
    start: Path | None = None


@dataclass(frozen=True, slots=True)
class _Run:
    value: str
    seed: int
    name: str
    minutes: float


def ablate(ablation: Ablation, say: Callable[[str], None]) -> str:
    """Train, export and measure what is not there yet; Markdown tables of all of it. Raises as training does."""
    ablation.folder.mkdir(parents=True, exist_ok=True)
    runs = [_trained(ablation, value, seed, say) for seed in ablation.seeds for value in ablation.values]
    held_out = find_test_set(str(ablation.data or data_root() / "train"), held_out=True)
    results = _measured(ablation, held_out.first(_PICTURES), [run.name for run in runs], _QUALITIES, say)
    first = [run for run in runs if run.seed == ablation.seeds[0]]
    sizes = [
        _measured(ablation, _squares(ablation.folder, held_out, side), [run.name for run in first], (_MIDDLE,), say)
        for side in SIDES
    ]
    return "\n\n".join([_rates_table(ablation, runs, results), _sizes_table(ablation, first, sizes)]) + "\n"


def change(key: str, value: str) -> str:
    """A change of a recipe, `key=value`; what is no TOML value by itself is a string."""
    try:
        tomllib.loads(f"value = {value}")
    except tomllib.TOMLDecodeError:
        return f'{key}="{value}"'
    return f"{key}={value}"


def _trained(ablation: Ablation, value: str, seed: int, say: Callable[[str], None]) -> _Run:
    path = ablation.folder / f"{value}-{seed}.checkpoint"
    changes = (*ablation.changes, change(ablation.key, value), f"seed={seed}", f'name="{value}-{seed}"')
    if not path.exists() or Checkpoint.read(path).step < ablation.steps:
        there = path.exists()
        start = None if there else ablation.start
        session = Session(minutes=1.0, resume=there, start=start, mode=default_mode(), steps=ablation.steps)
        run_training(ablation.recipe, changes, path, ablation.data, session)
    record, model = load_average(path)
    if record.steps != ablation.steps:
        raise ValueError(f"{path} is of a run of {record.steps} steps, not {ablation.steps}")
    lambdas = (record.recipe.lambda_low, record.recipe.lambda_high)
    packed = pack_model(model.transforms, to_exact(model.prior), gaussian_rows(), _FIRST_ROW, lambdas)
    entry = brought("own", packed)
    store_weights(entry, packed)
    say(f"{value}, seed {seed}: {entry.full_name}")
    return _Run(value, seed, entry.full_name, record.seconds / 60)


def _measured(
    ablation: Ablation,
    pictures: TestSet,
    names: Sequence[str],
    qualities: tuple[float, ...],
    say: Callable[[str], None],
) -> Results:
    request = Request(
        pictures=pictures,
        codecs=tuple(names),
        command=ablation.command,
        device="cpu",
        qualities=qualities,
        threads=ablation.threads,
    )
    return run_bench(request, lambda done, count, what: say(f"{done} of {count}: {what}") if done == count else None)


def _squares(folder: Path, pictures: TestSet, side: int) -> TestSet:
    """Some of the pictures as squares of a size, larger ones cut, smaller ones mirrored over their border."""
    target = folder / f"{side}-squares"
    target.mkdir(exist_ok=True)
    for path in pictures.first(_SQUARES).paths:
        pixels = read_picture(path.read_bytes()).eight_bits()
        padding = [(0, max(0, side - length)) for length in pixels.shape[:2]]
        square = np.pad(pixels, (*padding, (0, 0)), mode="symmetric")[:side, :side]
        write_output(str(target / f"{path.stem}.png"), write_picture(np.ascontiguousarray(square), ".png"), True)
    return find_test_set(str(target))


def _rates_table(ablation: Ablation, runs: Sequence[_Run], results: Results) -> str:
    found = {run: _codec(results, run.name) for run in runs}
    anchors = {run.seed: found[run] for run in runs if run.value == ablation.values[0]}
    lines = [
        f"| {_heading(ablation)} | {' | '.join(f'seed {seed}' for seed in ablation.seeds)} | mean BD-rate "
        "| minutes | parameters | encode kMAC/px | decode kMAC/px |",
        "|---|" + "---:|" * (len(ablation.seeds) + 5),
    ]
    for value in ablation.values:
        own = [run for run in runs if run.value == value]
        rates = [_bd_percent(results, anchors[run.seed], found[run]) for run in own]
        costs = found[own[0]]
        lines.append(
            f"| {value} | {' | '.join(map(_percent, rates))} | {_percent(_mean(rates))} "
            f"| {statistics.mean(run.minutes for run in own):.1f} | {costs.parameters:,} "
            f"| {costs.encode_kmac_per_px:.1f} | {costs.decode_kmac_per_px:.1f} |"
        )
    head = f"{len(results.pictures)} held-out pictures, digest {results.pictures_digest[:12]}, {results.machine}:"
    return "\n".join([f"`{ablation.command}`", "", head, "", *lines])


def _sizes_table(ablation: Ablation, runs: Sequence[_Run], sizes: Sequence[Results]) -> str:
    lines = [
        f"| {_heading(ablation)} | {' | '.join(f'{side} px: encode s | decode s | peak MiB' for side in SIDES)} |",
        "|---|" + "---:|" * (3 * len(SIDES)),
    ]
    for run in runs:
        cells = []
        for results in sizes:
            codec = _codec(results, run.name)
            point = results.points(codec)[0]
            peak = "-" if codec.peak_memory_bytes is None else f"{codec.peak_memory_bytes / 2**20:.0f}"
            cells.append(f"{point.encode_seconds:.2f} | {point.decode_seconds:.2f} | {peak}")
        lines.append(f"| {run.value} | {' | '.join(cells)} |")
    threads = sizes[0].threads
    return "\n".join([f"Square pictures, medians of {_SQUARES}, quality {_MIDDLE:g}, threads: {threads}:", "", *lines])


def _heading(ablation: Ablation) -> str:
    return ablation.key.rpartition(".")[2]


def _codec(results: Results, name: str) -> CodecResults:
    return next(codec for codec in results.codecs if codec.name == name)


def _bd_percent(results: Results, anchor: CodecResults, tested: CodecResults) -> float | None:
    """None where the curves have nothing in common."""
    a, b = results.curve(anchor), results.curve(tested)
    try:
        return bd_rate(a.bpp, a.psnr_db, b.bpp, b.psnr_db).percent
    except ValueError:
        return None


def _mean(rates: Sequence[float | None]) -> float | None:
    known = [rate for rate in rates if rate is not None]
    return statistics.mean(known) if len(known) == len(rates) else None


def _percent(rate: float | None) -> str:
    return "-" if rate is None else f"{rate:+.2f} %"
