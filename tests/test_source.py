"""What a page shows of the code."""

import ast
import importlib.util
import inspect
import pkgutil
import sys
from pathlib import Path

import pytest

import aecourse
from aecourse import source, train, vae

DEFINITIONS = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
ODD = r"""
def one_line(): "doc"


def one_line_and_more(): "doc 去噪"; x = 1; return x


def comments_stay(x):  # here
    # and here
    'doc'  # noqa
    # here
    return x  # and here


def another_statement_on_its_line():
    'of two words 去噪 and '  \
    'two lines'; x = 1; del x
    return 2


def a_semicolon_and_no_more():
    'doc';
    return 1


async def asynchronous():
    'doc'

    def inner():
        ('doc'
         'in two parts')

    async with inner() as x:
        yield x


def decorate(thing):
    return thing


@decorate
class Outer:
    'doc'

    class Inner(Exception):
        ''  # an empty one

        class Innermost: 'doc';

        @decorate
        @staticmethod
        def flush_left(text='''
    default
'''):
# a comment without indentation
            'doc'
            part = [
        1,
            ]
            return f'''
flush left: {part}
    not a docstring''' + text

        @property
        def last(self):
            def local():
                'doc'
                return 1

            def bare():
                '''
doc
'''
            return local, bare

    def after(self):
        b'no docstring'
        return 'kept'
"""


def without_docstrings(tree):
    for node in ast.walk(tree):
        if isinstance(node, DEFINITIONS) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return ast.dump(tree)


def things_of(scope, module):
    """Every class and function that is written in the module, and what is written in a class."""
    for thing in vars(scope).values():
        thing = getattr(thing, "fget", None) or getattr(thing, "__func__", thing)
        code = getattr(inspect.unwrap(thing), "__code__", None) if callable(thing) else None
        if code and code.co_filename == module.__file__ and code.co_name != "<lambda>":
            yield thing
        elif inspect.isclass(thing) and thing.__module__ == module.__name__:
            yield thing
            yield from things_of(thing, module)


def written_in(module):
    """{qualified name: tree} of every definition in the module's file, none inside a function."""
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    scopes, found = [("", tree)], {}
    while scopes:
        prefix, scope = scopes.pop()
        for node in scope.body:
            if isinstance(node, DEFINITIONS):
                found[prefix + node.name] = node
            if isinstance(node, ast.ClassDef):
                scopes.append((f"{prefix}{node.name}.", node))
    return found


def check_what_is_shown(module):
    written = written_in(module)
    things = {thing.__qualname__: thing for thing in things_of(module, module)}
    assert things.keys() == written.keys()
    for name, thing in things.items():
        shown = source.show_source(thing).data
        compile(shown, name, "exec")
        original = ast.Module([written[name]], [])
        assert without_docstrings(ast.parse(shown)) == without_docstrings(original), name
        assert ast.dump(ast.parse(shown)) == without_docstrings(ast.parse(shown)), name


@pytest.mark.parametrize(
    "name", [found.name for found in pkgutil.walk_packages(aecourse.__path__, "aecourse.")]
)
def test_show_source_shows_the_program_that_runs_without_its_docstrings(name):
    check_what_is_shown(importlib.import_module(name))


@pytest.fixture
def odd(tmp_path, monkeypatch):
    (tmp_path / "odd.py").write_text(ODD, encoding="utf-8")
    found = importlib.util.spec_from_file_location("odd", tmp_path / "odd.py")
    module = importlib.util.module_from_spec(found)
    monkeypatch.setitem(sys.modules, "odd", module)  # where `inspect` looks for it
    found.loader.exec_module(module)
    return module


def test_show_source_shows_oddly_written_code_too(odd):
    check_what_is_shown(odd)


def test_show_source_keeps_comments_and_layout(odd):
    assert source.show_source(odd.one_line).data == "def one_line(): pass"
    assert source.show_source(odd.comments_stay).data.splitlines() == [
        "def comments_stay(x):  # here",
        "    # and here",
        "    # noqa",
        "    # here",
        "    return x  # and here",
    ]
    assert "optimizer.step()" in source.show_source(train.fit).data


@pytest.mark.parametrize("thing", [len, int, train.History.__init__])
def test_show_source_says_what_has_no_source(thing):
    with pytest.raises(ValueError, match="thing must be a class or function with source"):
        source.show_source(thing)


def test_show_source_leaves_out_what_is_said_to_the_formatter():
    assert "# fmt: skip" in inspect.getsource(vae.vae_loss)
    assert "# fmt: skip" not in source.show_source(vae.vae_loss).data
