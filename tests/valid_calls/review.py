"""Valid calls of `aecourse.review`."""

CALLS = {
    "questions": dict,
    "draw": lambda: {"n": 2, "seed": 0, "topics": ["vae"]},
}
