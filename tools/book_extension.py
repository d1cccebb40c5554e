"""A Sphinx extension of a few lines: what the book needs and no setting offers."""


def skip_tuple_fields(app, what, name, obj, skip, options):
    """Leave out the generated "Alias for field number 0": the class's docstring explains it."""
    generated = (getattr(obj, "__doc__", None) or "").startswith("Alias for field number")
    return True if generated else None


def accept_described_types(app, env, node, contnode):
    """Show a type such as "Tensor of shape (N, 784)" as it is written, without looking it up.

    Signatures and type fields hold types of other packages, which have no page here, and words.
    References that an author wrote (they carry `refwarn`) are still checked.
    """
    described = node.get("refdomain") == "py" and "refwarn" not in node
    return contnode if described else None


def setup(app):
    app.connect("autodoc-skip-member", skip_tuple_fields)
    app.connect("missing-reference", accept_described_types)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
