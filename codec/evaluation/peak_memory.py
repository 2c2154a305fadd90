"""Peak memory of a codec: a fresh process codes and decodes one picture and says how large it became.

Run as `python -m lcodec.codec.evaluation.peak_memory CODEC DEVICE THREADS PICTURE QUALITY`; it prints bytes.
"""

import resource
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..codec import Device


def peak_memory_bytes(codec: str, device: "Device", threads: int, picture: Path, quality: float) -> int | None:
    """Peak resident memory of such a process, interpreter and libraries included; None if it failed.

    Programs that a codec runs count where they are larger.
    """
    command = [sys.executable, "-m", __name__, codec, device, str(threads), str(picture), str(quality)]
    done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, text=True, check=False)
    return int(done.stdout) if done.returncode == 0 else None


def main(codec: str, device: "Device", threads: str, picture: str, quality: str) -> None:
    """Print the peak in bytes."""
    from ...formats.pictures import read_picture
    from .subjects import find_subject, is_model

    if is_model(codec):
        import torch

        torch.set_num_threads(int(threads))
    subject = find_subject(codec, device)
    subject.decode(subject.encode(read_picture(Path(picture).read_bytes()).pixels, float(quality)))
    unit = 1 if sys.platform == "darwin" else 1024
    programs = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit
    print(max(_own_peak_bytes(unit), programs))


def _own_peak_bytes(unit: int) -> int:
    status = Path("/proc/self/status")
    if status.exists():  # Linux: ru_maxrss would begin with the size of the process that started this one
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


if __name__ == "__main__":
    main(*sys.argv[1:])  # type: ignore[arg-type]
