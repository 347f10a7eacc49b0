"Every widget of every notebook, moved by keyboard and by mouse, in JupyterLab and in the app, wide and narrow."
import pytest
from conftest import ROOT, SHOTS, WIDTHS, Lab, browser, heard_errors, shot, tracebacks, until

from vctutor.app import read_notebook, widget_cells

MINUTE = 60_000  # ms
STOPPED = "There was an error when executing cell"  # what Voila says of a page whose code fails
CHANGED = "([box, tag, before]) => { const e = box.querySelector(tag); return e && e.getAttribute('src') && e.getAttribute('src') !== before }"


PAGES = {path.stem: n for path in sorted((ROOT / "nbs").glob("[0-9]*.ipynb")) if (n := len(widget_cells(read_notebook(path))))}


@pytest.fixture(scope="module")
def chromium():
    with browser() as started: yield started


@pytest.fixture
def opened(request, chromium):
    "A function that opens a notebook in a front end and runs it; its kernel is shut down afterwards."
    fronts = {}

    def go(name, front):
        page = chromium.new_page(viewport=dict(width=WIDTHS["wide"], height=1000))
        fronts[page] = front
        page.set_default_timeout(3 * MINUTE)
        errors = heard_errors(page)
        if front == "lab": Lab(page, request.getfixturevalue("lab")).open(f"widgets/{name}.ipynb").run_all(600)
        else: page.goto(f"{request.getfixturevalue('app')[0]}/voila/render/{name}.ipynb", timeout=10 * MINUTE, wait_until="domcontentloaded")
        until(page, f"n => document.body.innerText.includes('{STOPPED}') || document.querySelectorAll('.vct-explore .vct-panel img[src]').length >= n", arg=PAGES[name], timeout=3 * MINUTE)
        assert STOPPED not in page.inner_text("body")
        return page, errors

    yield go
    for page, front in fronts.items():
        if front == "lab": page.evaluate("async () => { await window.jupyterapp.shell.currentWidget.sessionContext.shutdown() }")
        page.goto("about:blank")  # Voila ends the kernel of a page that is left
        page.close()


def source_of(box, tag): return box.locator(tag).get_attribute("src")


def moved(page, box, act, *, wait_for):
    "Do something, and wait until the picture or the sound is another."
    before, element = source_of(box, wait_for), box.element_handle()
    act()
    until(page, CHANGED, arg=[element, wait_for, before], timeout=3 * MINUTE)


def one_step(slider):
    "The key that takes a slider one step away from where it is."
    return "ArrowLeft" if slider.input_value() == slider.get_attribute("max") else "ArrowRight"


def far_end(slider):
    "The key that takes a slider to the end that is farther away."
    return "Home" if float(slider.input_value()) > float(slider.get_attribute("max")) / 2 else "End"


def drag(page, slider):
    "Take the handle with the mouse to the end that is farther away."
    place, at, top = slider.bounding_box(), float(slider.input_value()), float(slider.get_attribute("max"))
    across = lambda share: place["x"] + 8 + share * (place["width"] - 16)  # the handle is 16 pixels wide
    y = place["y"] + place["height"] / 2
    page.mouse.move(across(at / top), y)
    page.mouse.down()
    page.mouse.move(across(0 if at > top / 2 else 1), y, steps=5)
    page.mouse.up()


def plays(box):
    "The sound is there, long enough, and the browser can play it."
    return box.locator("audio").evaluate("""async a => { if (a.readyState < 1) await new Promise((yes, no) => { a.onloadedmetadata = yes; a.onerror = () => no(a.error) });
        await a.play(); a.pause(); return a.duration > 0.05 && !a.error }""")


@pytest.mark.parametrize("front", ["lab", "app"])
@pytest.mark.parametrize("name", PAGES)
def test_widgets(name, front, opened):
    page, errors = opened(name, front)
    boxes = page.locator(".vct-explore")
    assert boxes.count() >= PAGES[name]
    for i in range(boxes.count()):
        box = boxes.nth(i)
        box.scroll_into_view_if_needed()
        sliders, reset, note = box.get_by_role("slider"), box.get_by_role("button", name="back to the start"), box.locator(".vct-panel [role=status]")
        assert all(s.evaluate("s => s.labels[0].textContent.length > 0") for s in sliders.all())
        start, said = [s.input_value() for s in sliders.all()], note.inner_text()
        height, heard = box.bounding_box()["height"], source_of(box, "audio")

        first = sliders.first
        first.focus()
        moved(page, box, lambda: first.press(one_step(first)), wait_for="img")   # by keyboard
        assert first.input_value() != start[0]
        moved(page, box, lambda: drag(page, first), wait_for="img")              # by mouse
        if heard:
            assert source_of(box, "audio") != heard and plays(box)
        until(page, "i => i.complete && i.naturalWidth > 100 && i.alt.length > 0", arg=box.locator("img").element_handle())
        assert abs(box.bounding_box()["height"] - height) < 30                   # the page does not jump

        if first.input_value() == start[0]: moved(page, box, lambda: first.press(one_step(first)), wait_for="img")  # of two positions the mouse took the first
        moved(page, box, lambda: reset.click(), wait_for="img")
        assert [s.input_value() for s in sliders.all()] == start and note.inner_text() == said
        for s in sliders.all()[1:]:  # every other slider, to its far end and back
            s.focus()
            moved(page, box, lambda: s.press(far_end(s)), wait_for="img")
            moved(page, box, lambda: reset.click(), wait_for="img")
        assert [s.input_value() for s in sliders.all()] == start and note.inner_text() == said
        for s in sliders.all():  # the button beside a slider
            knob = s.locator("xpath=ancestor::*[contains(@class, 'vct-knob')]")
            usual = knob.get_by_role("button")
            if usual.count() and usual.is_enabled():
                usual.click()
                assert knob.locator("output").inner_text() == usual.inner_text().removeprefix("✓ ").removeprefix("default ")
    widths = WIDTHS if front == "app" else dict(wide=WIDTHS["wide"])  # JupyterLab is no page for a phone
    for label, width in widths.items():
        page.set_viewport_size(dict(width=width, height=1000))
        for i, box in enumerate(boxes.all()):
            until(page, "b => b.scrollWidth <= b.clientWidth + 1 && b.getBoundingClientRect().right <= innerWidth", arg=box.element_handle(), timeout=10_000)  # once it is laid out again
            if SHOTS: box.screenshot(path=SHOTS / f"{name}-{front}-{label}-{i}.png")
        shot(page, f"{name}-{front}-{label}")
    assert tracebacks(page) == []
    assert errors == []


def test_rapid_moves_draw_the_last(opened):
    "Twenty keys in a row: only a few pictures, and the last one is that of the last key."
    page, errors = opened("90_view", "app")
    box = page.locator(".vct-explore").first
    slider, picture = box.get_by_role("slider", name="hop_length"), box.locator("img")
    picture.evaluate("i => { window.drawn = 0; new MutationObserver(all => window.drawn += all.length).observe(i, { attributes: true, attributeFilter: ['src'] }) }")
    slider.focus()
    for key in ["ArrowRight", "ArrowLeft"] * 8 + ["ArrowRight"] * 4: slider.press(key)
    until(page, "([note]) => note.textContent.includes('× 65 frames')", arg=[box.locator(".vct-panel [role=status]").element_handle()])
    assert page.evaluate("window.drawn") < 10
    assert errors == []
