"""A Secret does not show itself."""

from __future__ import annotations

import copy
import dataclasses
import json
import logging
import pickle
import pprint
import traceback

import pytest
from django.template import Context, Engine
from hypothesis import given
from hypothesis import strategies as st

from ffsweb.sealed import MASK, Secret

SENTINEL = "sentinel-5f2c"


@dataclasses.dataclass(frozen=True, slots=True)
class Holder:
    name: str
    secret: Secret


@pytest.mark.parametrize(
    "show",
    [
        repr,
        str,
        ascii,
        format,
        pprint.pformat,
        lambda s: f"{s}",
        lambda s: f"{s!r:>40}",
        lambda s: f"{s:>40}",
        lambda s: "%s %r %-30s" % (s, s, s),  # noqa: UP031
        "{0} {0!r} {0!s:^30}".format,
        lambda s: repr([s, {"a": s}, (s,)]),
        lambda s: repr(Holder("a", s)),
        lambda s: repr(dataclasses.asdict(Holder("a", s))),
        lambda s: repr(copy.deepcopy({"x": s})),
        lambda s: repr(copy.copy(s)),
        lambda s: repr(s.reveal),
        lambda s: json.dumps({"x": s}, default=str),
    ],
)
def test_it_hides_its_value_however_it_is_shown(show):
    shown = show(Secret(SENTINEL))
    assert SENTINEL not in shown
    assert shown


def test_its_mask_does_not_tell_the_length():
    assert str(Secret("a")) == str(Secret("a" * 500)) == MASK


def test_json_refuses_it():
    with pytest.raises(TypeError):
        json.dumps({"x": Secret(SENTINEL)})


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickle_refuses_it_in_every_protocol(protocol):
    with pytest.raises(TypeError, match="never pickled"):
        pickle.dumps(Secret(SENTINEL), protocol)
    with pytest.raises(TypeError, match="never pickled"):
        Secret(SENTINEL).__getstate__()


def test_it_has_no_attribute_dictionary_and_does_not_change():
    secret = Secret(SENTINEL)
    with pytest.raises(TypeError):
        vars(secret)
    with pytest.raises(AttributeError, match="does not change"):
        secret._value = b"x"
    with pytest.raises(AttributeError, match="does not change"):
        del secret._value
    assert secret.reveal_text() == SENTINEL


def test_it_is_not_converted_by_built_ins():
    for convert in (bytes, list, int, float, iter, len):
        with pytest.raises(TypeError):
            convert(Secret(SENTINEL))


@pytest.mark.parametrize("bad", [f"{SENTINEL}\udc80", b"\xff" + SENTINEL.encode(), 5])
def test_no_traceback_shows_it_even_with_local_variables(bad):
    try:
        Secret(bad).reveal_text()
    except (ValueError, TypeError) as error:
        assert error.__context__ is None
        tree = traceback.TracebackException.from_exception(error, capture_locals=True)
        own = [frame for frame in tree.stack if frame.filename.endswith("secret.py") and "ffsweb" in frame.filename]
        assert own
        assert SENTINEL not in str(error)
        assert all(SENTINEL not in value for frame in own for value in (frame.locals or {}).values())
    else:
        pytest.fail("it was accepted")


def test_a_template_shows_the_mask_and_cannot_reveal():
    template = Engine().from_string("[{{ s }}][{{ s.reveal }}][{{ s.reveal_text }}][{{ s|length }}]")
    shown = template.render(Context({"s": Secret(SENTINEL)}))
    assert SENTINEL not in shown
    assert MASK in shown


def test_a_log_record_shows_the_mask(caplog):
    with caplog.at_level(logging.INFO):
        logging.getLogger("test").info("%s %r", Secret(SENTINEL), {"a": Secret(SENTINEL)})
    assert SENTINEL not in caplog.text
    assert MASK in caplog.text


def test_it_is_unhashable():
    with pytest.raises(TypeError):
        {Secret("a")}


def test_it_equals_only_a_secret_with_the_same_bytes():
    assert Secret("ä") == Secret("ä".encode())
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert Secret("a") != b"a"
    assert bool(Secret("a")) is True
    assert bool(Secret("")) is False


@pytest.mark.parametrize("value", [None, 1, ["a"], Secret("a")])
def test_it_refuses_what_is_neither_text_nor_bytes(value):
    with pytest.raises(TypeError, match="made of text"):
        Secret(value)


@given(st.binary())
def test_it_gives_back_the_bytes_it_was_given(value):
    assert Secret(value).reveal() == value


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_it_gives_back_the_text_it_was_given(value):
    assert Secret(value).reveal_text() == value
