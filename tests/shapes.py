"""Signatures that are true: every call in a test run is compared with its annotations.

`conftest.py` installs jaxtyping's import hook with `on_return` as its type checker. A call is
checked when it has returned: an argument that does not fit its annotation must have been refused
by then, with the function's own ValueError, and a result that does not fit is an error.
"""

import inspect
from typing import Any

from beartype import BeartypeConf, beartype

CHECK = beartype(conf=BeartypeConf(is_pep484_tower=True))  # a whole number is a float, too


def on_return(stub):
    """Check arguments and result together, after the call.

    jaxtyping asks twice: before the call with a stub that returns Any, after it with one that
    returns what is annotated, and takes the arguments again.
    """
    before_the_call = inspect.signature(stub).return_annotation is Any
    return stub if before_the_call else CHECK(stub)
