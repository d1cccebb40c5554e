"""Valid calls of `aecourse.diagrams`."""

CALLS = {
    "diagram": lambda: {
        "parts": [("data", "x", "784"), ("encoder", "g")], "noise": [(0, "n")],
        "gradients": [(1, 0, True)], "caption": "c", "alt": "a",
    },
}  # fmt: skip
