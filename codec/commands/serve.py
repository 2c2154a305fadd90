"""The verb that keeps models loaded for others: serve."""

import argparse
from pathlib import Path

from .arguments import Verbs, add_limit, add_machine, positive, say, start_torch


def add_serve_verb(verbs: Verbs) -> None:
    text = "keep models loaded and code for others: `lcodec encode --server SOCKET`, or HTTP to /encode and /decode"
    serve = verbs.add("serve", _serve, text)
    serve.add_argument("socket", type=Path, help="Unix socket to make, for its owner only")
    serve.add_argument("-m", "--model", default="base", help="model to load at once; others when asked for")
    serve.add_argument("--jobs", type=positive, default=4, help="requests at a time (default 4)")
    add_limit(serve)
    add_machine(serve)


def _serve(options: argparse.Namespace) -> None:
    from ..api import codec
    from ..serve import Service, serve

    start_torch(options, 0)
    codec(options.model, options.device)
    service = Service(options.device, options.max_pixels)
    serve(options.socket, service, options.jobs, lambda: say(f"serving at {options.socket}"))
