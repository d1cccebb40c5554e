"""Chapter 12's self-test in the built book: drawing, answering, explaining, keeping the score."""

import re
from collections import Counter

import pytest
from chromium import HTML
from living import Living

from aecourse.review import questions

ALL = questions()
TOPICS = list(dict.fromkeys(question.topic for question in ALL))
ONLY_ELBO = [int(topic == "elbo") for topic in TOPICS]
STORE = "localStorage.getItem('aecourse-review')"
FRESH = {"chapters": [1] * len(TOPICS), "n": 10, "seed": 1, "position": 0, "choice": -1,
         "checked": False}  # fmt: skip


@pytest.fixture
def quiz(desk):
    """The quiz at the first question of draw 1."""
    opened = desk("review")
    opened.set(**FRESH)
    return opened


def asked(quiz):
    """The questions of the present draw."""
    return [ALL[i] for i in quiz.probe()["outputs"]]


def plain(text):
    """A text without its markup, as a reader sees it."""
    return re.sub(r"`|(?<!\w)\*|\*(?!\w)|[_^]\{([^}]*)\}", lambda m: m[1] or "", text)


def answer(quiz, option):
    quiz.place.locator(".ae-quiz input").nth(option).click()
    quiz.place.get_by_role("button", name="Check").click()


def result(quiz):
    quiz.settle()
    return quiz.place.get_by_role("status").inner_text()


# --- drawing -------------------------------------------------------------------------------------


def test_a_draw_is_random_spread_over_the_chapters_and_the_same_for_the_same_seed(quiz):
    draws = quiz.sweep([{"seed": seed, "n": 20} for seed in (1, 2, 3, 1)])
    drawn = [[ALL[i] for i in probe["outputs"]] for probe in draws]
    assert drawn[0] == drawn[3] and len({tuple(d) for d in drawn}) == 3
    for each in drawn:
        counts = Counter(question.topic for question in each)
        assert len(set(each)) == 20 and set(counts) == set(TOPICS) and max(counts.values()) == 2


def test_over_many_draws_every_question_is_asked(quiz):
    probes = quiz.sweep([{"seed": seed, "n": 11} for seed in range(1, 151)])
    times = Counter(i for probe in probes for i in probe["outputs"])
    assert len(times) == len(ALL) and max(times.values()) < 60  # 150 draws: 19 to 38 on average


def test_a_draw_keeps_to_the_chosen_chapters_and_ends_with_their_questions(quiz):
    quiz.set(chapters=ONLY_ELBO, n=100)
    assert Counter(q.id for q in asked(quiz)) == Counter(q.id for q in ALL if q.topic == "elbo")


def test_a_page_opened_twice_asks_other_questions(desk):
    seeds = {desk("review").get("seed") for _ in range(3)}
    assert len(seeds) == 3 and 0 not in seeds


# --- one question --------------------------------------------------------------------------------


def test_question_and_options_stand_there_in_their_order_with_their_markup(quiz):
    for topic in TOPICS:
        quiz.set(chapters=[int(t == topic) for t in TOPICS], n=100)
        shown = quiz.place.evaluate("""el => {
          const {model, probe, redraw} = el.aecourse, text = (e) => e.textContent;
          return probe().outputs.map((_, i) => {
            model.set('position', i);
            redraw();
            return [text(el.querySelector('legend')),
              [...el.querySelectorAll('.ae-quiz label span')].map(text)];
          });
        }""")
        assert len(shown) == sum(question.topic == topic for question in ALL)
        for question, (legend, options) in zip(asked(quiz), shown):
            assert legend == plain(question.question), question.id
            assert options == [plain(option) for option in question.options], question.id


def test_a_wrong_option_is_explained_beside_the_right_one_with_a_way_back(quiz):
    question = asked(quiz)[0]
    wrong = (question.answer + 1) % 4
    answer(quiz, wrong)
    said = result(quiz)
    assert said.startswith("Not so.") and plain(question.why[wrong]) in said
    assert plain(question.options[question.answer]) in said
    assert plain(question.why[question.answer]) in said
    link = quiz.place.get_by_role("status").get_by_role("link")
    assert link.get_attribute("href") == f"{question.page}.html#{question.section}"
    assert question.title in link.inner_text()
    labels = quiz.place.locator(".ae-quiz label").all_inner_texts()
    assert "right" in labels[question.answer] and "your answer" in labels[wrong]


def test_a_right_option_is_explained_too(quiz):
    question = asked(quiz)[0]
    answer(quiz, question.answer)
    said = result(quiz)
    assert said.startswith("Right.") and plain(question.why[question.answer]) in said
    assert "Not so" not in said


def test_nothing_is_explained_before_an_answer_and_checking_without_one_asks_for_it(quiz):
    assert result(quiz) == ""
    quiz.place.get_by_role("button", name="Check").click()
    assert "Choose one" in result(quiz) and quiz.get("checked") is False
    quiz.place.locator(".ae-quiz input").first.click()
    assert result(quiz) == ""


def test_a_given_answer_cannot_be_changed(quiz):
    answer(quiz, 0)
    quiz.settle()
    assert quiz.place.locator(".ae-quiz input:disabled").count() == 4


def test_every_link_of_the_quiz_leads_to_a_section_of_the_book():
    pages = {question.page for question in ALL}
    if not all((HTML / "chapters" / f"{page}.html").is_file() for page in pages):
        pytest.skip("only the widget's page is built")
    for question in ALL:
        page = (HTML / "chapters" / f"{question.page}.html").read_text(encoding="utf-8")
        assert f'id="{question.section}"' in page, question.id


# --- a whole draw --------------------------------------------------------------------------------


def test_a_draw_ends_with_its_result_and_the_sections_to_read_again(quiz):
    quiz.set(n=5)
    five = asked(quiz)
    for i, question in enumerate(five):
        answer(quiz, question.answer if i < 3 else (question.answer + 1) % 4)
        quiz.place.get_by_role("button", name="Next question" if i < 4 else "Result").click()
    quiz.settle()
    shown = quiz.place.locator("ul").inner_text()
    assert "3 of 5 right" in quiz.place.inner_text()
    assert all(question.title in shown for question in five[3:])
    assert quiz.place.locator("form").is_hidden()


def test_the_score_is_said_kept_over_a_reload_and_cleared_on_demand(tab, server):
    quiz = Living.opened(tab, server.origin, "review")
    question = asked(quiz)[0]
    answer(quiz, question.answer)
    assert "1 right of 1 answered" in quiz.said()
    assert tab.evaluate(f"JSON.parse({STORE})") == {question.id: 1}
    again = Living.opened(tab, server.origin, "review")
    assert "1 right of 1 answered" in again.said()
    again.place.get_by_role("button", name="Clear score").click()
    assert "0 right of 0 answered" in again.said() and tab.evaluate(STORE) == "{}"


@pytest.mark.parametrize("kept", ["'nonsense'", "'null'", "null"])
def test_a_browser_that_keeps_nothing_or_nonsense_still_asks(browser, server, kept):
    page = browser.new_page()
    get = "throw new Error()" if kept == "null" else f"return {kept}"
    page.add_init_script(
        f"Storage.prototype.getItem = () => {{ {get} }};"
        "Storage.prototype.setItem = () => { throw new Error('full') };"
    )
    quiz = Living.opened(page, server.origin, "review")
    answer(quiz, asked(quiz)[0].answer)
    assert "1 right of 1 answered" in quiz.said()
    page.close()


def test_chapters_can_be_left_out_and_none_at_all_asks_for_one(quiz):
    quiz.place.get_by_text("Chapters and length").click()
    for box in quiz.place.get_by_role("checkbox").all()[1:]:
        box.click()
    assert quiz.get("chapters") == [1] + [0] * 10 and {q.topic for q in asked(quiz)} == {"trivial"}
    quiz.place.get_by_role("checkbox").first.click()
    quiz.settle()
    assert "Choose at least one chapter" in quiz.place.inner_text()


# --- keyboard, touch, size, time -----------------------------------------------------------------


def test_the_keyboard_alone_answers_and_goes_on_and_the_focus_follows(quiz):
    def focused():
        quiz.settle()
        return quiz.tab.evaluate("document.activeElement.textContent")

    question, following = asked(quiz)[:2]
    quiz.place.locator(".ae-quiz legend").focus()
    quiz.keys("Tab", "Space", *["ArrowDown"] * question.answer)
    assert quiz.get("choice") == question.answer
    quiz.keys("Enter")
    assert focused() == "Next question" and result(quiz).startswith("Right.")
    quiz.keys("Enter")
    assert focused() == plain(following.question)
    assert quiz.get("position") == 1 and quiz.get("choice") == -1


def test_a_finger_answers_on_a_small_phone_without_sideways_scrolling(phone):
    quiz = phone("review")
    quiz.set(**FRESH | {"n": 100})
    widths = quiz.place.evaluate("""el => el.aecourse.probe().outputs.map((_, i) => {
      el.aecourse.model.set('position', i);
      el.aecourse.redraw();
      return document.documentElement.scrollWidth;
    })""")
    assert len(widths) == len(ALL) and max(widths) <= 360
    quiz.set(**FRESH)
    question = asked(quiz)[0]
    quiz.place.locator(".ae-quiz label").nth(question.answer).tap()
    quiz.place.get_by_role("button", name="Check").tap()
    assert result(quiz).startswith("Right.")
    small = quiz.place.locator("button, .ae-quiz label").evaluate_all(
        "all => all.filter(e => e.offsetParent && e.getBoundingClientRect().height < 28).length"
    )
    assert small == 0


def test_text_is_never_taken_for_html(quiz):
    legend = quiz.place.locator(".ae-quiz legend")
    quiz.set(chapters=[int(t == "tokens") for t in TOPICS], n=100)
    for i, question in enumerate(asked(quiz)):
        if "<word>" in question.question:
            quiz.set(position=i)
            break
    assert "<word>" in legend.inner_text() and legend.locator("word").count() == 0
    assert legend.locator("sub").count() > 0


def test_drawing_a_question_takes_less_than_a_frame(quiz):
    times = quiz.place.evaluate("""async el => {
      const {model, redraw} = el.aecourse, times = [];
      for (let i = 0; i < 100; i++) {
        model.set('seed', i + 1); model.set('position', i % 10);
        const start = performance.now(); redraw(); times.push(performance.now() - start);
      }
      return times.sort((a, b) => a - b);
    }""")
    print(f"review: draw p50 {times[50]:.2f} ms, p95 {times[95]:.2f} ms")
    assert times[50] <= 8
