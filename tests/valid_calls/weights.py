"""Valid calls of `aecourse.weights`."""

from aecourse.generation import DigitClassifier

CALLS = {
    "manifest": dict,
    "few_label_errors": dict,
    "load": lambda: {"model": DigitClassifier(), "name": "digit_classifier"},
}
