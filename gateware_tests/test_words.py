"""Digits to words and back; word sizes."""

import gc
import random
import warnings

import pytest
from amaranth.hdl import UnusedElaboratable
from drivers import Bench
from models import bytes_of, count_words, digits

from apack_hdl.decoder import Decoder
from apack_hdl.encoder import Encoder
from apack_hdl.layouts import WORD_BITS
from apack_hdl.words import DigitJoiner
from golden.config import CodecConfig


def random_streams(rng):
    """Streams of all lengths up to a few words, the empty one among them."""
    lengths = [*range(18), *(rng.randrange(40) for _ in range(6))]
    rng.shuffle(lengths)
    return [(rng.randbytes(n), rng.getrandbits(1)) for n in lengths]


@pytest.mark.parametrize("word", WORD_BITS)
@pytest.mark.parametrize("busy", [1.0, 0.5, {"i": 0.2}, {"o": 0.2}])
def test_joiner(word, busy):
    rng = random.Random(f"{word} {busy}")
    streams = random_streams(rng)
    inputs = sum((digits(data, error=error) for data, error in streams), [])
    inputs = [d if d["last"] else d | {"error": rng.getrandbits(1)} for d in inputs]  # without `last` it means nothing
    count = sum(count_words(data, word) for data, _ in streams)
    run = Bench(DigitJoiner(word)).run({"i": inputs}, {"o": count}, seed=word, busy=busy)
    assert bytes_of(run.out["o"], word) == streams


@pytest.mark.parametrize("word", WORD_BITS)
def test_rate(word):
    """One digit per cycle."""
    data = bytes(range(160))
    run = Bench(DigitJoiner(word)).run({"i": digits(data) * 2}, {"o": 2 * count_words(data, word)}, seed=0)
    assert run.times["i"] == list(range(160))
    assert run.times["o"][-1] == 160


def rejected(make, error, message):
    """Whether ``make()`` raises just that."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnusedElaboratable)  # what a failing constructor leaves is never used
        with pytest.raises(error, match=message):
            make()
        gc.collect()


@pytest.mark.parametrize("make", [Encoder, Decoder], ids=lambda make: make.__name__)
@pytest.mark.parametrize("word", [0, 8, 24, 128, -16])
def test_wrong_word_size(make, word):
    rejected(lambda: make(CodecConfig(), word=word), ValueError, rf"^word must be one of 16, 32, 64, not {word}$")


@pytest.mark.parametrize("make", [Encoder, Decoder], ids=lambda make: make.__name__)
@pytest.mark.parametrize("word", ["32", None, 32.0, True])
def test_wrong_kind_of_word_size(make, word):
    rejected(lambda: make(CodecConfig(), word=word), TypeError, rf"^word must be one of 16, 32, 64, not {word!r}$")
