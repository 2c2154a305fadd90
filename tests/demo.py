"""`make demo`: a photograph in, a file out, the photograph back, in two processes, with what it cost."""

import sys
import time
from pathlib import Path

from checks import ROOT, run_process

from lcodec.codec.evaluation.metrics import psnr_db
from lcodec.formats.pictures import read_picture


def main(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    source, coded, decoded = ROOT / "tests" / "kodim23.png", folder / "kodim23.lcc", folder / "kodim23.png"
    seconds = []
    for command in (("encode", source, "-q", "50", "-o", coded), ("decode", coded, "-o", decoded)):
        start = time.perf_counter()
        done = run_process(*command, "-f")
        seconds.append(time.perf_counter() - start)
        if done.returncode:
            sys.exit(done.stderr.decode())
    before, after = (read_picture(path.read_bytes()).pixels for path in (source, decoded))
    height, width = before.shape[:2]
    size = coded.stat().st_size
    print(f"{source.relative_to(ROOT)}  {width} x {height}, {source.stat().st_size} bytes as PNG")
    print(f"{coded}  {size} bytes, {8 * size / (width * height):.3f} bpp, quality 50")
    print(f"{decoded}  PSNR {psnr_db(before, after):.2f} dB")
    print(f"encode {seconds[0]:.2f} s, decode {seconds[1]:.2f} s, each a process of its own, start-up included")


if __name__ == "__main__":
    main(Path("demo"))
