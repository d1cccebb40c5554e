"""The widgets' modules in a page of their own, as Jupyter loads them; no built book is needed."""

import base64

import pytest
from readings import BLUE, COLOURED, GREEN, ORANGE, PURPLE, RED

from aecourse import widgets

KINDS = [getattr(widgets, name) for name in widgets.__all__]
each_widget = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
ROLES = {  # what a widget draws on its canvases
    "ComponentSlider": [ORANGE],
    "CodeMap": [ORANGE],
    "CodeSource": [ORANGE],
    "SampleThenRescale": [BLUE, ORANGE, RED, PURPLE],
    "LatentPlane": [ORANGE],
    "BetaSlider": [ORANGE, GREEN],
    "WatchTheBound": [BLUE, ORANGE, RED],
    "LatentSize": [ORANGE],
}

# anywidget's side: a module from a blob, a model, an element that is on the page only later.
LIVE = """async ({module, css, state, packs}) => {
  const {default: widget} = await import(
    URL.createObjectURL(new Blob([module], {type: 'text/javascript'})));
  const bytes = text => new DataView(Uint8Array.from(atob(text), c => c.charCodeAt(0)).buffer);
  const all = {...state, _packs: Object.fromEntries(
    Object.entries(packs).map(([name, text]) => [name, bytes(text)]))};
  const model = {get: name => all[name], set(name, value) { all[name] = value; },
    on() {}, off() {}, save_changes() {}};
  const el = document.createElement('div');
  document.head.append(Object.assign(document.createElement('style'), {textContent: css}));
  await widget.render({model, el});
  await new Promise(requestAnimationFrame);
  document.body.append(el);
}"""


def live(tab, kind):
    """The widget as Jupyter starts it, before it is on the page."""
    packs = {key: base64.b64encode(build()).decode() for key, build in kind.packs().items()}
    tab.evaluate(LIVE, {"module": kind._esm, "css": kind._css, "state": kind().state(),
                        "packs": packs})  # fmt: skip
    return tab.locator(".ae-widget").last


@each_widget
def test_the_module_that_jupyter_gets_parses_and_exports_a_widget(tab, kind):
    found = tab.evaluate(
        """async text => {
          const {default: widget, ...others} = await import(
            URL.createObjectURL(new Blob([text], {type: 'text/javascript'})));
          return [Object.keys(widget), typeof widget.render, Object.keys(others)];
        }""",
        kind._esm,
    )
    assert found == [["render"], "function", []]


@pytest.mark.parametrize("name", ROLES)
def test_a_widget_that_starts_before_it_is_on_the_page_has_its_colours(tab, name):
    root = live(tab, getattr(widgets, name))
    assert not root.locator(".ae-error").count()
    tab.wait_for_function(COLOURED, arg=[root.element_handle(), ROLES[name]])


def test_two_widgets_of_a_notebook_share_no_id_and_no_group_of_buttons(tab):
    """Each comes with its own copy of the base."""
    live(tab, widgets.SampleThenRescale)
    second = live(tab, widgets.SampleThenRescale)
    ids = tab.locator("[id]").evaluate_all("all => all.map(element => element.id)")
    assert len(ids) == 6 and len(set(ids)) == 6
    second.get_by_role("radio").last.click()
    assert tab.locator("input[type=radio]:checked").count() == 2
