"""Generated sequences: what they contain, which elements count, the same stream every time."""

from __future__ import annotations

import collections

import numpy as np
import pytest
from pydantic import ValidationError

from htmrun.components.sources import open_source
from htmrun.components.sources.reber import ReberParameters
from htmrun.components.sources.sequences import SequencesParameters


def stream(parameters, seed=0, epoch=0, chunk=997):
    source = open_source(parameters)
    chunks = list(source.train(seed, epoch, chunk))
    assert all(len(c) <= chunk for c in chunks)
    for c in chunks:
        noise = c.target == source.class_names.index("~") if "~" in source.class_names else False
        assert ((c.fields["symbol"] == c.target) | noise).all()
        assert c.target.dtype == np.int64
    symbols = [source.class_names[s] for c in chunks for s in c.target]
    assert set(symbols) <= set(source.class_names)
    assert len(set(source.class_names)) == source.classes
    scored = np.concatenate([c.scored for c in chunks]).tolist()
    reset = np.concatenate([c.reset for c in chunks]).tolist()
    assert len(symbols) == parameters.steps == source.samples
    return symbols, scored, reset


def test_the_classic_pair():
    p = SequencesParameters(
        sequences=2, length=5, shared=3, gap=0, noise_symbols=0, steps=500, resets=True,
        score="determined",
    )  # fmt: skip
    symbols, scored, reset = stream(p)
    words = collections.Counter("".join(symbols[i : i + 5]) for i in range(0, 500, 5))
    assert set(words) == {"ABCDE", "FBCDG"}
    assert min(words.values()) > 25
    assert scored == [0, 1, 1, 1, 1] * 100
    assert reset == [1, 0, 0, 0, 0] * 100
    assert stream(p.model_copy(update={"score": "ending"}))[1] == [0, 0, 0, 0, 1] * 100


def test_sequences_gaps_and_their_alphabets():
    p = SequencesParameters(
        sequences=6, length=7, shared=3, gap=2, noise_symbols=5, steps=9 * 400 + 4,
        score="determined",
    )  # fmt: skip
    source = open_source(p)
    assert source.classes == 3 * (7 + 4) + 1
    symbols, scored, reset = stream(p)
    starts = range(0, 9 * 400, 9)
    words = {tuple(symbols[i : i + 7]) for i in starts}
    assert len(words) == 6
    middles = collections.Counter(word[3:6] for word in words)
    assert sorted(middles.values()) == [2, 2, 2]
    own = [s for word in words for s in (*word[:3], word[6])]
    assert len(own) == len(set(own)) == 24
    noise = {s for i in starts for s in symbols[i + 7 : i + 9]}
    assert noise == {"~"}
    fields = np.concatenate([c.fields["symbol"] for c in source.train(0, 0, 500)])
    assert set(fields[fields >= 3 * (7 + 4)]) == set(range(33, 38)), "noise symbols stay apart"
    assert scored == ([0, 1, 1, 1, 1, 1, 1, 0, 0] * 401)[: len(scored)]
    assert reset == [1] + [0] * (len(reset) - 1)


def _decided(words, word, i):
    """Say whether the intact elements before place i leave one possibility for place i."""
    if word[i] is None:
        return False
    fits = [
        w
        for w in words
        if all(seen is None or seen == s for seen, s in zip(word[:i], w[:i], strict=True))
    ]
    return any(s is not None for s in word[:i]) and len({w[i] for w in fits}) == 1


def test_noise_replaces_elements_and_takes_what_they_decided_out_of_the_score():
    p = SequencesParameters(
        sequences=4, length=6, shared=3, gap=1, noise=0.3, noise_symbols=3, steps=7 * 600,
        score="determined",
    )  # fmt: skip
    clean = stream(p.model_copy(update={"noise": 0.0}))[0]
    symbols, scored, _ = stream(p)
    starts = range(0, len(symbols), 7)
    words = {tuple(clean[i : i + 6]) for i in starts}
    spoilt = sum(a != b for a, b in zip(symbols, clean, strict=True))
    assert 0.25 < spoilt / (600 * 6) < 0.35
    for i in starts:
        word = [None if s.startswith("~") else s for s in symbols[i : i + 6]]
        assert all(s in (None, c) for s, c in zip(word, clean[i : i + 6], strict=True))
        expected = [int(_decided(words, word, place)) for place in range(6)]
        assert scored[i : i + 7] == [*expected, 0]


@pytest.mark.parametrize(
    "parameters",
    [
        SequencesParameters(noise=0.1, steps=40_000),
        ReberParameters(steps=20_000),
        ReberParameters(embedded=False, steps=20_000, resets=True),
    ],
)
def test_a_shorter_stream_is_the_beginning_of_a_longer_one(parameters):
    first = stream(parameters)
    assert first == stream(parameters, chunk=10**6), "blocks do not show"
    short = stream(parameters.model_copy(update={"steps": 777}))
    assert short == tuple(part[:777] for part in first)


def _accepts(text):
    """An independent acceptor: read from the right, with the grammar's arcs turned round."""
    back = {
        "end": {"E": ["six"]},
        "six": {"S": ["four"], "V": ["five"]},
        "five": {"V": ["three"]},
        "four": {"X": ["two"], "P": ["five"]},
        "three": {"P": ["one"], "T": ["three"], "X": ["four"]},
        "two": {"T": ["one"], "S": ["two"]},
        "one": {"B": ["zero"]},
        "zero": {},
    }
    states = {"end"}
    for symbol in reversed(text):
        states = {s for state in states for s in back[state].get(symbol, [])}
    return "zero" in states


def test_the_acceptor_knows_published_strings():
    for word in ("BTSSXXTVVE", "BPVVE", "BTXXVPSE", "BPVPXVPXVPXVVE", "BTSXXTVPSE"):
        assert _accepts(word)
    for word in ("BTSSPXSE", "BPTVVB", "BTXXVVSE", "BPVSPSE", "BTSSSE", "BTE", "BPVVEE"):
        assert not _accepts(word)


def _strings(symbols, embedded):
    out, text = [], ""
    for s in symbols:
        text += s
        # The inner string ends with E too: the outer one ends with T E or P E.
        if s == "E" and (not embedded or (len(text) > 4 and text[-2] in "TP")):
            out.append(text)
            text = ""
    return out


def test_plain_strings_are_accepted_and_score_what_is_certain():
    symbols, scored, reset = stream(ReberParameters(embedded=False, resets=True, steps=30_000))
    words = _strings(symbols, False)
    assert len(words) > 3000
    assert all(map(_accepts, words))
    assert len(set(words)) > 100
    starts = np.cumsum([0, *map(len, words)])
    assert np.flatnonzero(reset).tolist() == [s for s in starts if s < len(symbols)]
    assert [i for i, s in enumerate(scored) if s] == [i for i, s in enumerate(symbols) if s == "E"]
    # Both arcs of a state are as likely: half the strings begin with T.
    assert 0.46 < np.mean([w[1] == "T" for w in words]) < 0.54


def test_embedded_strings_repeat_their_second_symbol_and_score_it():
    symbols, scored, reset = stream(ReberParameters(steps=30_000))
    words = _strings(symbols, True)
    assert len(words) > 1500
    ends = np.cumsum([len(w) for w in words])
    for word in words:
        assert word[0] == "B"
        assert word[-1] == "E"
        assert word[1] == word[-2]
        assert _accepts(word[2:-2])
    counted = [i for i, s in enumerate(scored) if s and i < ends[-1]]
    assert counted == [end - 2 for end in ends]
    assert sum(reset) == reset[0] == 1


def test_embedded_strings_can_score_all_that_is_certain():
    symbols, scored, _ = stream(ReberParameters(steps=5_000, score="determined"))
    position = 0
    for word in _strings(symbols, True):
        inner = [int(s == "E") for s in word[2:-2]]
        inner[0] = 1  # the inner B
        assert scored[position : position + len(word)] == [0, 0, *inner, 1, 1]
        position += len(word)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sequences": 3}, "sequences: found 3, expected an even number"),
        ({"length": 5, "shared": 4}, "shared: 4 leaves no first and last element"),
        ({"noise_symbols": 0}, "noise_symbols: found 0 with gap = 1"),
    ],
)
def test_impossible_sequences_are_refused(settings, message):
    with pytest.raises(ValidationError, match=message):
        SequencesParameters(**settings)


def test_long_range_needs_the_embedded_grammar():
    with pytest.raises(ValidationError, match="only with embedded = true"):
        ReberParameters(embedded=False, score="long_range")
