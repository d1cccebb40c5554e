"""One valid call of every public function, a file per room: what `test_error_rule.py` breaks.

`CALLS` gives, by the function's name in its room ("gaussian_kl", "VAE" for its constructor,
"VAE.encode" for a method), a function that makes fresh arguments by name, for a method also
"self"; `dict` makes none. They are small: each is called many times.
"""
