"""Training of the model of predicted frames: streams of frames in, rate and distortion lowered frame by frame."""

import copy
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from ...formats.clip_order import group_slots
from ..model import Model, tensors_under
from ..quality import weight_of
from ..video.distortion import squared_error
from ..video.model import FrameModel
from .checkpoint import has_record, read_record, write_whole
from .clips import Clip
from .costs import half_pays
from .streams import COLOURS, LEVEL_QUALITY, Batch, Coding, Streams, batch_of, intra_coded, put
from .update import learning_rate, new_optimiser
from .video_recipe import VideoRecipe

_META = "lcodec video"
_MODEL, _AVERAGE = "model.", "average."
_REHEARSAL_STEPS = 8
_SAY_SECONDS = 60.0
_CHECKPOINT_SECONDS = 300.0
_QUALITIES = (0.1, 0.3, 0.5, 0.7, 0.9)
_VALIDATION_FRAMES = 6
_VALIDATION_SIDE = 160


@dataclass(frozen=True, slots=True)
class VideoCheckpoint:
    """Where a run stands: `step` of `steps` done in `seconds`, and the mean log loss of held-out clips."""

    recipe: VideoRecipe
    step: int
    steps: int
    seconds: float
    validation: float

    def write(self, path: Path, model: FrameModel, average: FrameModel) -> None:
        """Write the checkpoint whole."""
        tensors = {_MODEL + name: value for name, value in model.state_dict().items()}
        tensors |= {_AVERAGE + name: value for name, value in average.state_dict().items()}
        write_whole(path, tensors, {_META: json.dumps(asdict(self))})

    @classmethod
    def read(cls, path: Path) -> "tuple[VideoCheckpoint, FrameModel]":
        """The record and the averaged float model. Raises ValueError when the file is no such checkpoint."""
        record = read_record(path, _META, cls, VideoRecipe.from_dict)
        model = FrameModel(record.recipe.model)
        model.load_state_dict(tensors_under(load_file(path), _AVERAGE))
        return record, model.eval()


def is_video_checkpoint(path: Path) -> bool:
    """Whether a file is a checkpoint of a model of predicted frames."""
    return has_record(path, _META)


def train_video(
    recipe: VideoRecipe,
    clips: Sequence[Clip],
    held_out: Sequence[Clip],
    photographs: Sequence[Tensor],
    intra: Model,
    start: FrameModel,
    path: Path,
    minutes: float,
    steps: int | None = None,
) -> VideoCheckpoint:
    """Train for so many minutes, which a few steps turn into a number of them, or for `steps`; keep `path` current.

    It begins with `start`, and intra frames are coded by `intra`. Raises ValueError where no clip is large enough.
    """
    began = said = saved = time.monotonic()
    torch.manual_seed(recipe.seed)
    usable = [clip for clip in clips if min(clip.luma.shape[1:]) >= recipe.crop]
    if not usable:
        raise ValueError(f"of {len(clips)} clips none has both sides of {recipe.crop} pixels or more")
    intra = intra.eval().requires_grad_(False)
    intra.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    model = start.train()
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = copy.deepcopy(model).eval()
    optimiser = new_optimiser(model, recipe)
    streams = Streams(recipe, usable, photographs, intra, recipe.seed)
    half = half_pays(torch.device("cpu"))
    if steps is None:
        steps = max(1, round(60 * minutes / _seconds_per_step(model, recipe, streams, half)))
    _say(f"{recipe.name}: {steps} steps, {len(usable)} clips, {len(photographs)} photographs")
    total, counted = 0.0, 0
    validation = validate(average, intra, recipe, held_out)
    _say(f"validation  {validation:.4f}")
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"].fill_(learning_rate(recipe, step, steps))
        batch = streams.next()
        loss, rgb_hat, y_hat = _loss(model, recipe, batch, half)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip_norm)
        if bool(torch.isfinite(norm)):
            optimiser.step()
        streams.put(rgb_hat, y_hat)
        total, counted = total + float(loss.detach()), counted + 1
        decay = min(recipe.ema, (1 + step) / (10 + step))
        with torch.no_grad():
            torch._foreach_lerp_(list(average.parameters()), list(model.parameters()), 1 - decay)
        done = step + 1
        now = time.monotonic()
        if now - said > _SAY_SECONDS or done == steps:
            _say(f"step {done}/{steps}  loss {total / counted:.4f}  {now - began:.0f} s")
            said, total, counted = now, 0.0, 0
        if now - saved > _CHECKPOINT_SECONDS or done == steps:
            validation = validate(average, intra, recipe, held_out)
            record = VideoCheckpoint(recipe, done, steps, now - began, validation)
            record.write(path, model, average)
            _say(f"validation  {validation:.4f}")
            saved = time.monotonic()
    return record


def _loss(model: FrameModel, recipe: VideoRecipe, batch: Batch, half: bool) -> tuple[Tensor, Tensor, Tensor]:
    """The mean over a batch, decoded rgb and y_hat."""
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
        bpp, squared_error, rgb_hat, y_hat = frame_costs(model, recipe, batch)
    weight = weight_of(batch.quality, (recipe.lambda_low, recipe.lambda_high))
    return ((weight * squared_error + bpp) * weight**-recipe.balance).mean(), rgb_hat, y_hat


def _seconds_per_step(model: FrameModel, recipe: VideoRecipe, streams: Streams, half: bool) -> float:
    """The mean over a few steps, which change nothing."""
    start = 0.0
    for step in range(_REHEARSAL_STEPS + 1):
        if step == 1:
            start = time.monotonic()
        loss, rgb_hat, y_hat = _loss(model, recipe, streams.next(), half)
        loss.backward()  # type: ignore[no-untyped-call]
        streams.put(rgb_hat, y_hat)
    model.zero_grad()
    return (time.monotonic() - start) / _REHEARSAL_STEPS


@torch.no_grad()
def begun_with(intra: Model, recipe: VideoRecipe) -> FrameModel:
    """A model that codes residuals as one of still pictures codes pictures. Raises ValueError where sizes differ."""
    model = FrameModel(recipe.model)
    missing, unexpected = model.load_state_dict(intra.state_dict(), strict=False)
    own = ("transforms.to_analysis.", "transforms.to_synthesis.", "prior.past.")
    if unexpected or not all(name.startswith(own) for name in missing):
        raise ValueError("the start does not fit the recipe: other parts")
    return model


def frame_costs(model: FrameModel, recipe: VideoRecipe, batch: Batch) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """bpp (B,), squared error (B,), both of the size of those of RGB, decoded rgb, y_hat."""
    past = model.past(batch.intra, batch.last, batch.motion)
    y_hat, y_bits, z_bits = model.code(batch.rgb, batch.predicted, past, batch.quality)
    rgb_hat = model.transforms.synthesised(y_hat, batch.predicted, batch.quality).float()
    error = squared_error(COLOURS.to_planes(rgb_hat), (batch.luma, batch.chroma), recipe.chroma)
    return (y_bits + z_bits) / batch.luma[0].numel(), error, rgb_hat, y_hat


@torch.no_grad()
def validate(model: FrameModel, intra: Model, recipe: VideoRecipe, held_out: Sequence[Clip]) -> float:
    """Mean log of the loss over predicted frames of held-out clips, all qualities side by side."""
    quality = torch.tensor(_QUALITIES)
    side, logs = _VALIDATION_SIDE, []
    for clip in held_out:
        end = min(len(clip.luma), _VALIDATION_FRAMES) - 1
        group = min(4, end)
        slots = [*group_slots(0, group), *(slot for n in range(group, end) for slot in group_slots(n, 1))]
        luma = torch.from_numpy(clip.luma[:_VALIDATION_FRAMES, None, :side, :side].copy())
        chroma = torch.from_numpy(clip.chroma[:_VALIDATION_FRAMES, :, : side // 2, : side // 2].copy())
        count = len(quality)
        first = luma[:1].float().expand(count, -1, -1, -1), chroma[:1].float().expand(count, -1, -1, -1)
        shown, y_hat = intra_coded(intra, first, quality)
        codings = [
            Coding(luma, chroma, q, list(slots), y_hat[n, None], {0: (shown[0][n, None], shown[1][n, None])})
            for n, q in enumerate(_QUALITIES)
        ]
        for slot in slots:
            batch = batch_of(codings, [min(1.0, max(0.0, q + LEVEL_QUALITY[slot.level] / 100)) for q in _QUALITIES])
            bpp, error, rgb_hat, last = frame_costs(model, recipe, batch)
            weight = weight_of(batch.quality, (recipe.lambda_low, recipe.lambda_high))
            logs.append((weight * error + bpp).log())
            put(codings, rgb_hat, last)
    return float(torch.stack(logs).mean())


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
