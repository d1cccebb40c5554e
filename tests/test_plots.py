"""Figures and diagrams carry their captions and alternative texts."""

import xml.etree.ElementTree as ET

import matplotlib.pyplot as plt
import pytest
import torch

from aecourse import plots
from aecourse.diagrams import diagram
from aecourse.train import History

CHAIN = [("data", "x", "784"), ("encoder", "g"), ("code", "h", "30"), ("decoder", "f")]


@pytest.fixture
def shown(monkeypatch):
    outputs = []
    monkeypatch.setattr(plots, "display", outputs.append)
    return outputs


def test_a_figure_is_shown_with_its_caption_and_alt_text_and_closed(shown):
    fig, _ = plt.subplots()
    plots.show(fig, caption="What to see.", alt="The finding.")
    bundle, metadata = shown[0]._repr_mimebundle_()
    assert bundle["image/png"].startswith(b"\x89PNG") and bundle["text/plain"] == "The finding."
    assert metadata["aecourse"] == {"alt": "The finding.", "caption": "What to see."}
    assert not plt.fignum_exists(fig.number)


def test_a_photograph_can_keep_its_colours_in_the_dark_theme(shown):
    plots.show(plt.figure(), caption="What to see.", alt="The finding.", keep_colours=True)
    assert shown[0]._repr_mimebundle_()[1]["aecourse"]["classes"] == "keep-colours"


def test_in_a_running_notebook_the_caption_stands_below(shown, monkeypatch):
    monkeypatch.delenv("AECOURSE_QUIET")
    plots.show(plt.figure(), caption="What to see.", alt="The finding.")
    assert "What to see." in shown[1].data


def test_a_figure_drawn_twice_has_the_same_bytes(shown):
    for _ in range(2):
        plots.show(plots.image_grid([torch.eye(28).reshape(1, -1)]), caption="c", alt="a")
    assert shown[0].png == shown[1].png


def test_an_image_grid_shows_each_image_in_its_place():
    images = torch.rand(3, 784)
    fig = plots.image_grid([images, images.flip(0)], labels=["a", "b"], titles=["1", "2", "3"])
    drawn = fig.axes[4].images[0].get_array()  # second row, second column
    assert torch.equal(torch.tensor(drawn.data), images[1].view(28, 28))


def test_an_image_grid_with_rows_of_different_lengths_is_refused():
    with pytest.raises(ValueError, match=r"each of rows must have shape \(2, 784\), got"):
        plots.image_grid([torch.zeros(2, 784), torch.zeros(3, 784)])


def test_a_training_curve_refuses_more_terms_than_it_has_line_styles():
    terms = {term: [1.0] for term in "abcde"}
    with pytest.raises(ValueError, match="terms must be at most 4, got 5"):
        plots.training_curve(History(terms), terms=[*terms])


def test_a_training_curve_shows_what_was_logged():
    history = History({"loss": [3.0, 2.0], "kl": [1.0, 1.5]})
    fig = plots.training_curve(history, terms=("loss", "kl"))
    assert [line.get_ydata().tolist() for line in fig.axes[0].lines] == [[3.0, 2.0], [1.0, 1.5]]


def test_a_scatter_names_every_digit():
    _, ax = plt.subplots()
    plots.scatter(ax, torch.rand(50, 2), torch.arange(50) % 10)
    assert sorted(text.get_text() for text in ax.texts) == list("0123456789")


def test_sampled_rows_depend_on_the_seed_alone():
    x = torch.arange(20.0)
    assert torch.equal(plots.sample_rows(x, 5, seed=1), plots.sample_rows(x, 5, seed=1))
    assert not torch.equal(plots.sample_rows(x, 5, seed=1), plots.sample_rows(x, 5, seed=2))


def test_a_diagram_is_well_formed_and_says_what_it_shows():
    html = diagram(CHAIN, gradients=[(3, 1, True)], caption="a < b", alt='say "x"')._repr_html_()
    figure = ET.fromstring(html)
    assert figure.find("figcaption").text == "a < b"
    assert figure.find("svg").get("aria-label") == 'say "x"'
    texts = [text.text for text in figure.iter("text")]
    assert texts == ["x", "784", "g", "h", "30", "f", "gradient"]


def test_noise_enters_a_diagram_from_above_inside_the_drawing():
    html = diagram(CHAIN, noise=[(2, "n1", "30"), (0, "n0")], caption="c", alt="a")._repr_html_()
    svg = ET.fromstring(html)[0]
    top = float(svg.get("viewBox").split()[1])
    groups = svg.findall("g")
    assert [g.find("text").text for g in groups] == ["n1", "n0"]
    for group in groups:
        shift, circle = float(group.get("transform")[12:-1]), group.find("circle")
        centre, radius = float(circle.get("cy")) + shift, float(circle.get("r"))
        assert top < centre - radius and centre + radius < 30


def test_a_diagram_refuses_unknown_roles_and_empty_texts():
    with pytest.raises(ValueError, match="role must be one of.*'box'"):
        diagram([("box", "x")], caption="c", alt="a")
    with pytest.raises(ValueError, match="caption must be a text that is not empty"):
        diagram(CHAIN, caption="", alt="a")
    with pytest.raises(ValueError, match=r"position in noise must be an integer in \[-4, 3\]"):
        diagram(CHAIN, noise=[(4, "n")], caption="c", alt="a")
    with pytest.raises(ValueError, match="label and shape in noise must be"):
        diagram(CHAIN, noise=[(1, "n", 30)], caption="c", alt="a")
    with pytest.raises(ValueError, match="stopped in gradients must be True or False, got 'no'"):
        diagram(CHAIN, gradients=[(3, 1, "no")], caption="c", alt="a")


def test_a_table_holds_each_number_in_the_format_of_its_column():
    table = plots.table(
        {"PCA": [13.871, 30, "-"], "$|x|$": (torch.tensor(3.0), 1200, 0.5)},
        ["model", "error", "k", "share"], formats=["{:.1f}", "{:,d}", "{:.0%}"],
    )  # fmt: skip
    assert table.data.splitlines() == [
        "| model | error | k | share |",
        "| :-- | --: | --: | --: |",
        "| PCA | 13.9 | 30 | - |",
        r"| $\|x\|$ | 3.0 | 1,200 | 50% |",
    ]
    assert repr(table) == table.data, "a console shows the table, not an address"


def test_a_table_of_one_column_takes_bare_numbers_and_one_format():
    table = plots.table({"a": 1.25, "b": 2}, ["name", "x"])
    assert table.data.endswith("| a | 1.25 |\n| b | 2.00 |")


@pytest.mark.parametrize(
    ("rows", "formats", "message"),
    [
        ({"a": [1, 2]}, "{:.2f}", "2 in 'a'"),
        ({"a": [1]}, ["{}", "{}"], "formats must be"),
        ({"a": [None]}, "{:.2f}", "formats must fit the values, got '{:.2f}' for None"),
        ({"a": [1.5]}, "{:d}", "formats must fit the values, got '{:d}' for 1.5"),
    ],
)
def test_a_table_with_too_many_or_too_few_entries_says_where(rows, formats, message):
    with pytest.raises(ValueError, match=message):
        plots.table(rows, ["name", "x"], formats=formats)


def test_a_table_without_a_heading_above_its_labels_is_refused():
    with pytest.raises(ValueError, match="each of columns must be a text that is not empty"):
        plots.table({"a": 1}, ["", "x"])
