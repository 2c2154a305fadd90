"""Same latents, same bytes; same bytes, same symbols: across threads, layouts, libraries' kernels and processes."""

import json

import numpy as np
import pytest
import torch
from checks import ROOT, onednn, picture, run_python
from exact_probe import parts, probe

from lcodec import Codec
from lcodec.codec.model_file import unpack_model
from lcodec.codec.registry import MODELS, by_name
from lcodec.codec.weights_cache import read_weights
from lcodec.entropy import walk
from lcodec.entropy.contexts import CONTEXTS
from lcodec.entropy.exact_prior import ExactPrior
from lcodec.formats.container import unpack
from lcodec.kernels import exact_reference

PROBE = ROOT / "tests" / "exact_probe.py"
ENVIRONMENTS = {
    "plain": {},
    "one thread, no oneDNN vectors": {"OMP_NUM_THREADS": "1", "ONEDNN_MAX_CPU_ISA": "SSE41"},
    "AVX2": {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"},
    "no vectors": {"ATEN_CPU_CAPABILITY": "default", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2", "MKL_CBWR": "COMPATIBLE"},
}


NAMES = [entry.name for entry in MODELS if not entry.lossless and not entry.moving]
# Every kind of layer and of attention once; all contexts are coded on every carrier in test_entropy_prior.
PROBED = ["tiny", "base", "lattice", "linear-attention", "masked-transformer", "channel-transformer"]


@pytest.fixture(scope="module")
def here():
    threads = torch.get_num_threads()
    yield [probe(name) for name in PROBED]
    torch.set_num_threads(threads)


@pytest.mark.parametrize("environment", ENVIRONMENTS.values(), ids=ENVIRONMENTS)
def test_fresh_processes_agree_whatever_the_processor_may_use(environment, here):
    done = run_python(str(PROBE), *PROBED, environment=environment)
    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(done.stdout) == here


@pytest.mark.parametrize("name", NAMES)
def test_shipped_model_equals_the_int64_oracle(name):
    coding = unpack_model(read_weights(by_name(name)), torch.device("cpu"))
    oracle = ExactPrior(coding.prior.config, exact_reference)
    oracle.load_state_dict(coding.prior.state_dict())
    oracle.prepare(torch.device("cpu"))
    pixels = torch.from_numpy(picture(49, 83))
    for gain_index in (0, 3333, 8192):
        coded = coding.compress(pixels, gain_index)
        y_hat, crc = walk.decode(oracle, coding.coder, coded.steps, gain_index, (4, 6), torch.device("cpu"))
        assert crc == coded.symbols_crc and torch.equal(y_hat, coded.y_hat)


@pytest.mark.parametrize("name", NAMES)
def test_synthesis_differs_by_at_most_one_level_between_kernels(name):
    coding = unpack_model(read_weights(by_name(name)), torch.device("cpu"))
    coded = coding.compress(torch.from_numpy(picture(100, 75)), 6000)
    results = []
    for enabled in (True, False):
        with onednn(enabled):
            results.append(coding.synthesise(coded.y_hat, 6000, 100, 75).int())
    assert (results[0] - results[1]).abs().max() <= 1


@pytest.mark.parametrize("name", CONTEXTS)
def test_a_probe_codes_more_than_zeros(name):
    """Else agreement would mean nothing."""
    prior, coder = parts(name)
    y = torch.from_numpy(np.random.default_rng(0).normal(0, 3, (1, 20, 8, 8)))
    coded = walk.encode(prior, coder, y, y[:, :6, :2, :2], 5000, torch.device("cpu"))
    means = prior.step(0, torch.ones(1, 16, 8, 8).double(), torch.zeros(1, 20, 8, 8).double(), {})[0]
    assert means.unique().numel() >= 2 and len(b"".join(coded.steps)) > 200


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", NAMES)
def test_files_cross_between_cpu_and_gpu(name):
    cpu, gpu = Codec(name, "cpu"), Codec(name, "cuda")
    for quality in (5.0, 50.0, 95.0):
        original = picture(150, 211)
        for writer, reader in ((cpu, gpu), (gpu, cpu)):
            data = writer.encode(original, quality)
            reader.verify_stream(unpack(data))
            difference = reader.decode(data).astype(int) - writer.decode(data).astype(int)
            assert abs(difference).max() <= 1
