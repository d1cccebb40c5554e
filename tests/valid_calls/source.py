"""Valid calls of `aecourse.source`."""

from aecourse import source

CALLS = {"show_source": lambda: {"thing": source.show_source}}
