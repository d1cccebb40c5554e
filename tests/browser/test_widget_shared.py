"""What the scripts of all widgets share, in an empty page: start, failure and weights."""

import base64

import pytest

from aecourse.widgets import base

# A widget without a picture: `body` sees what it did in `log`, and every name of the modules.
BARE = """async given => {{
  {source}
  const log = [], el = document.createElement('div'), model = new Model({{_says: '', n: 0}});
  const frames = async () => {{
    for (let i = 0; i < 3; i++) await new Promise(requestAnimationFrame);
  }};
  document.body.append(el);
  {body}
}}"""


@pytest.fixture
def inside(tab):
    """Run JavaScript with these modules in scope: inside(body, given) -> what it returns."""
    source = "\n".join(map(base.joined, base.in_order(["weights", "widget"])))
    return lambda body, given=None: tab.evaluate(BARE.format(source=source, body=body), given)


def test_a_drawing_that_fails_later_says_so_and_can_be_tried_again(inside):
    found = inside("""
      const draw = () => { if (model.get('n') === 1) throw new Error('The pen broke.'); };
      const view = async () => ({draw, describe: () => `n is ${model.get('n')}`});
      await widget(view).render({model, el});
      model.set('n', 1);
      await frames();
      log.push(el.querySelector('[role=alert].ae-error')?.textContent);
      model.set('n', 2);
      el.querySelector('button')?.click();
      await frames();
      log.push(el.querySelector('.ae-said')?.textContent);
      return log;""")
    assert found == ["The pen broke. The rest of the page works without it.", "n is 2"]


def test_a_widget_that_started_at_the_second_try_can_be_stopped(inside):
    found = inside("""
      let tries = 0;
      const view = async () => {
        if (!tries++) throw new Error('No weights.');
        return {draw: () => { log.push(model.get('n')); }, describe: () => 'n'};
      };
      const stop = await widget(view).render({model, el});
      el.querySelector('button').click();
      await frames();
      const before = log.length;
      stop();
      model.set('n', 1);
      await frames();
      return [before > 0, log.slice(before)];""")
    assert found == [True, []]


def test_a_drawing_asked_for_at_once_is_not_drawn_again_in_the_next_frame(inside):
    found = inside("""
      const view = async () => ({draw: () => { log.push(model.get('n')); }, describe: () => 'n'});
      await widget(view).render({model, el});
      await frames();
      log.length = 0;
      model.set('n', 1);
      el.aecourse.redraw();
      await frames();
      return log;""")
    assert found == [1]


def test_base64_is_read_alike_by_old_and_new_browsers(inside):
    content = bytes(range(256)) * 3 + b"end"
    for drop in ("", "delete Uint8Array.fromBase64;"):
        found = inside(f"{drop} return Array.from(bytesOf(given));",
                       base64.b64encode(content).decode())  # fmt: skip
        assert bytes(found) == content
