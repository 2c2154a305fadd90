"""The tested codec against all others: BD-rates of one benchmark, or the reason why there is none."""

from collections.abc import Sequence
from dataclasses import dataclass

from ...datasets.curves import Curve
from .bd_rate import bd_psnr, bd_rate
from .results import CodecResults, Results


@dataclass(frozen=True, slots=True)
class Deltas:
    """What the tested codec changes, over PSNR from `low_db` to `high_db`.

    `percent` (PCHIP) and `akima_percent` are BD-rates, negative where the tested codec needs fewer bits. `psnr_gain_db`
    is the BD-PSNR, positive where it looks better; None where the curves share no range of rate. `dropped` counts the
    dominated points of both curves.
    """

    percent: float
    akima_percent: float
    low_db: float
    high_db: float
    psnr_gain_db: float | None
    dropped: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """A row of the BD table: `tested` against `reference`.

    `measured` is true for a codec of the same run, false for a curve from elsewhere. `source`, `settings` and `digest`
    are those of the reference curve. `reason` is empty, or says why `deltas` is None.
    """

    tested: str
    reference: str
    measured: bool
    source: str
    settings: str
    digest: str
    deltas: Deltas | None
    reason: str = ""


def tested_codec(results: Results) -> CodecResults | None:
    """The first model of ours whose figures mean something, else the first such codec, else None."""
    comparable = [codec for codec in results.codecs if codec.comparable]
    return next((codec for codec in comparable if codec.kind == "lcodec"), comparable[0] if comparable else None)


def compared(results: Results, curves: Sequence[Curve]) -> tuple[Comparison, ...]:
    """The tested codec against the other measured codecs, then against each of `curves`; none where there is none."""
    tested = tested_codec(results)
    if tested is None:
        return ()
    curve = results.curve(tested)
    others = [results.curve(codec) for codec in results.codecs if codec.comparable and codec is not tested]
    return (
        *(_comparison(curve, other, measured=True) for other in others),
        *(_comparison(curve, other, measured=False) for other in curves),
    )


def relative_percents(results: Results, comparisons: Sequence[Comparison]) -> dict[str, float]:
    """BD-rate in percent of each measured codec against the tested one, itself at 0; those that have none are left out.

    The table read backwards: if the tested codec needs half the bits of another, the other needs twice as many. Exact,
    as both figures come of one mean difference in log-rate.
    """
    tested = tested_codec(results)
    percents = {} if tested is None else {tested.name: 0.0}
    for comparison in comparisons:
        if comparison.measured and comparison.deltas is not None:
            percents[comparison.reference] = 100 / (1 + comparison.deltas.percent / 100) - 100
    return percents


def _comparison(tested: Curve, reference: Curve, *, measured: bool) -> Comparison:
    reason = ""
    try:
        deltas = _deltas(tested, reference)
    except ValueError as error:
        deltas, reason = None, str(error)
    return Comparison(
        tested=tested.name,
        reference=reference.name,
        measured=measured,
        source=reference.source,
        settings=reference.settings,
        digest=reference.digest(),
        deltas=deltas,
        reason=reason,
    )


def _deltas(tested: Curve, reference: Curve) -> Deltas:
    columns = reference.bpp, reference.psnr_db, tested.bpp, tested.psnr_db
    pchip = bd_rate(*columns)
    akima = bd_rate(*columns, "akima")
    try:
        gain_db = bd_psnr(*columns).gain_db
    except ValueError:  # they meet in PSNR, but not in rate
        gain_db = None
    return Deltas(pchip.percent, akima.percent, pchip.low_db, pchip.high_db, gain_db, pchip.dropped)
