"""The code of a class or function on the page, as it is installed."""

import ast
import inspect
import io
import re
import tokenize
from collections.abc import Callable
from itertools import accumulate

from IPython.display import Code

from aecourse import validate


def show_source(thing: Callable) -> Code:
    """Show the code of a class or function as it is installed, so that a page cannot go stale.

    Let it be the last line of a cell. Docstrings are left out, because they stand on the API page,
    and so are notes to the formatter.

    Examples
    --------
    >>> print(show_source(_flush_left).data.splitlines()[0])
    def _flush_left(source):
    """
    try:
        source = inspect.getsource(validate.function(thing, "thing")).rstrip()
    except (OSError, TypeError):
        raise ValueError(
            f"thing must be a class or function with source in Python, got {thing!r}"
        ) from None
    program = _without_docstrings(_flush_left(source))
    return Code(re.sub(r"  # fmt: skip$", "", program, flags=re.M), language="python")


def _flush_left(source):
    """Take the first line's indentation off every line that does not begin inside a string."""
    indent = source[: len(source) - len(source.lstrip())]
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    in_string = {n for token in tokens for n in range(token.start[0] + 1, token.end[0] + 1)}
    return "\n".join(
        line if number in in_string else line.removeprefix(indent)
        for number, line in enumerate(source.split("\n"), start=1)
    )


def _without_docstrings(source):
    """Cut the docstrings out of the text, so that comments and layout stay."""
    text = source.encode()  # `ast` counts columns in bytes
    starts = [0, *accumulate(map(len, text.splitlines(keepends=True)))]
    documented = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and ast.get_docstring(node) is not None
    ]
    for node in sorted(documented, key=lambda node: node.body[0].lineno, reverse=True):
        doc, *others = node.body
        before = text[: starts[doc.lineno - 1] + doc.col_offset]
        after = text[starts[doc.end_lineno - 1] + doc.end_col_offset :]
        if not others:
            text = before + b"pass" + after
            continue
        after = after.lstrip(b" \t").removeprefix(b";").lstrip(b" \t")
        if after.startswith(b"\n"):  # its lines held nothing else: they go, too
            before, after = before.rstrip(b" \t"), after[1:]
        text = before + after
    return text.decode()
