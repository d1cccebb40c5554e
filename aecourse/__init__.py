"""aecourse: the tested code behind the book, one module per chapter."""

__version__ = "0.1.0"
