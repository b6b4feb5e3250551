"""What the program's own log never holds."""

from __future__ import annotations

import logging
import logging.config
from io import StringIO

import pytest
import structlog

from ffsweb import logs


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_traceback_does_not_tell_the_values_of_variables(form: str) -> None:
    stream = StringIO()
    before = structlog.get_config()
    config = logs.configure(process="test", form=form, level="INFO")
    config["handlers"]["stderr"] |= {"stream": stream}
    config["loggers"] = {"tests.leak": {"handlers": ["stderr"], "level": "INFO", "propagate": False}}
    config["root"] = {}
    logging.config.dictConfig(config)
    try:
        _fail("-".join(("sentinel", "4711")))
    except ValueError:
        structlog.get_logger("tests.leak").exception("it_failed")
    finally:
        structlog.configure(**before)
        logging.getLogger("tests.leak").handlers.clear()
    assert "it_failed" in stream.getvalue()
    assert "a bad value" in stream.getvalue()
    assert "sentinel-4711" not in stream.getvalue()


def _fail(password: str) -> None:
    raise ValueError(f"a bad value of {len(password)} characters")
