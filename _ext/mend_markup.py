"""A Sphinx extension: mends what a screen reader would stumble over in Sphinx's markup."""

import re

from docutils import nodes
from sphinx import addnodes
from sphinx.writers.html5 import HTML5Translator


def visit_citation(self, node):
    """A plain box: the roles that docutils gives a reference are no longer valid."""
    self.body.append(self.starttag(node, "div", CLASS="citation"))


def depart_citation(self, node):
    self.body.append("</div>\n")


def visit_entry(self, node):
    """The empty corner of a table heads nothing."""
    HTML5Translator.visit_entry(self, node)
    if not node.astext():
        self.body[-1] = self.body[-1].replace("<th", "<td")
        self.context[-1] = self.context[-1].replace("th>", "td>")


def visit_parameters(self, node):
    node.begin = len(self.body)
    HTML5Translator.visit_desc_parameterlist(self, node)


def depart_parameters(self, node):
    """Parameters below one another are lines, not a list of definitions without terms."""
    HTML5Translator.depart_desc_parameterlist(self, node)
    written = "".join(self.body[node.begin :])
    self.body[node.begin :] = [re.sub(r"<(/?)d[ld]>", r"<\1div>", written)]


def setup(app):
    for kind, *mended in (
        (nodes.citation, visit_citation, depart_citation),
        (nodes.entry, visit_entry, HTML5Translator.depart_entry),
        (addnodes.desc_parameterlist, visit_parameters, depart_parameters),
    ):
        app.add_node(kind, override=True, html=tuple(mended))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
