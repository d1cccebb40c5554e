"""The self-test of the last chapter: questions over the whole book, and a fair draw of some."""

import json
import random
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, fields
from functools import lru_cache
from importlib.resources import files

from aecourse import validate

OPTIONS = 4


@dataclass(frozen=True)
class Question:
    """A question with four options, of which one is right.

    Its texts are plain, with a little markup: `code` in backticks, *emphasis*, x_{sub}, x^{sup}.

    Attributes
    ----------
    id
        "topic-number", for example "elbo-3".
    topic, page, section, title
        Chapter, its file without ending, label and heading of the section to read again.
    answer
        Position of the right option, from 0.
    why
        For each option: why it is right, or which mistake it is and what is true.
    """

    id: str
    topic: str
    page: str
    section: str
    title: str
    question: str
    options: tuple[str, str, str, str]
    answer: int
    why: tuple[str, str, str, str]


def questions() -> tuple[Question, ...]:
    """All questions, in the order of the book.

    A broken file is a ValueError that names the question and the field.

    Examples
    --------
    >>> questions()[0].id
    'trivial-1'
    """
    return _load()


def draw(n: int, seed: int, topics: Iterable[str] | str | None = None) -> tuple[Question, ...]:
    """Draw n different questions at random, spread over the chapters as evenly as possible.

    The same seed draws the same questions. If there are fewer than n, all are drawn.

    Parameters
    ----------
    topics
        Chapters to draw from, such as ("vae", "elbo"); all if omitted.

    Examples
    --------
    >>> drawn = draw(4, seed=0, topics=["vae", "elbo"])
    >>> sorted(question.topic for question in drawn)
    ['elbo', 'elbo', 'vae', 'vae']
    """
    n, seed = validate.integer(n, "n"), validate.integer(seed, "seed", low=0)
    chance, piles = random.Random(seed), defaultdict(list)
    for question in questions():
        piles[question.topic].append(question)
    topics = list(piles) if topics is None else _chosen(topics, piles)
    for topic in topics:
        chance.shuffle(piles[topic])
    drawn = []
    while any(piles[topic] for topic in topics):  # one round: each chapter gives one
        round_ = [piles[topic].pop() for topic in topics if piles[topic]]
        chance.shuffle(round_)
        drawn += round_
    return tuple(drawn[:n])


def _chosen(topics, known):
    topics = [topics] if isinstance(topics, str) else validate.sequence(topics, "topics")
    for topic in topics:
        validate.choice(topic, "each of topics", list(known))
    return list(dict.fromkeys(topics))


@lru_cache
def _load():
    path = files("aecourse") / "datasets" / "questions.json"
    if not path.is_file():
        raise OSError(f"{path} is missing. Restore it, for example with `git checkout`.")
    return _parse(path.read_text(encoding="utf-8"))


def _parse(text):
    try:
        entries = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"questions must be JSON: {error}") from None
    if not isinstance(entries, list) or not entries:
        raise ValueError("questions must be a list with at least one entry")
    found = tuple(_question(entry, i) for i, entry in enumerate(entries))
    ids = [question.id for question in found]
    twice = sorted({name for name in ids if ids.count(name) > 1})
    if twice:
        raise ValueError(f"id must be unique, got {twice[0]!r} twice")
    return found


def _question(entry, number):
    """One checked entry of the file."""
    names = [field.name for field in fields(Question)]
    if not isinstance(entry, dict) or sorted(entry) != sorted(names):
        raise ValueError(f"question {number} must have the fields {', '.join(names)}")
    where = f"question {number} ({entry['id']!r})"
    for name in ("id", "topic", "page", "section", "title", "question"):
        validate.text(entry[name], f"{name} of {where}")
    for name in ("options", "why"):
        if not isinstance(entry[name], list) or len(entry[name]) != OPTIONS:
            raise ValueError(f"{name} of {where} must be a list of {OPTIONS} texts")
        for text in entry[name]:
            validate.text(text, f"each entry in {name} of {where}")
    if len(set(entry["options"])) < OPTIONS:
        raise ValueError(f"options of {where} must all differ")
    validate.integer(entry["answer"], f"answer of {where}", low=0, high=OPTIONS - 1)
    return Question(**entry | {name: tuple(entry[name]) for name in ("options", "why")})

