"""Valid calls of `aecourse.exercises`."""

CALLS = {
    "check": lambda: {"name": "trivial-1", "answer": 1.0},
    "exercises": dict,
}
