"""What fuzzing has found worth keeping, once more: nothing but errors of lcodec may come out."""

import warnings

import pytest
from fuzz_targets import CORPUS, TARGETS

from lcodec import DamageWarning


@pytest.mark.parametrize("target", TARGETS)
def test_the_corpus_raises_nothing_unexpected(target):
    files = sorted((CORPUS / target).iterdir())
    assert len(files) > 10
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DamageWarning)
        for path in files:
            TARGETS[target](path.read_bytes())
