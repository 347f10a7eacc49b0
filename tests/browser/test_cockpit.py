"The training cockpit in a real browser: it runs, is paused, a knob moves, it goes on, and the picture shows it."
import re

import nbformat
import pytest
from conftest import WIDTHS, Lab, browser, heard_errors, nameless, shot, tracebacks, until

PAGE = "cockpit_alone.ipynb"
ALONE = """from vctutor.cockpit import Run, cockpit, gather
from vctutor.config import preset
from vctutor.data import default_pairs
from vctutor.training import new_state
cfg = preset("tiny", num_epochs=200)
material = gather(default_pairs(), cfg, training=12, held=2)
run = Run(new_state(cfg, material.stats), material)
cockpit(run)"""
CURVES = ".widget-html img[alt^='after '][alt*='D(real)']"


@pytest.fixture(scope="module")
def chromium_browser():
    with browser() as started: yield started


@pytest.fixture(params=["lab", "app"])
def page(request, chromium_browser, notebooks):
    "A notebook with a cockpit, run, in JupyterLab or in the app, with what went wrong in `page.errors`."
    kernel = dict(kernelspec=dict(name="python3", display_name="Python 3", language="python"))  # or JupyterLab asks for one
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(ALONE)], metadata=kernel), notebooks / PAGE)
    where = request.param
    address = request.getfixturevalue("lab") if where == "lab" else request.getfixturevalue("app")[0]
    opened = chromium_browser.new_page(viewport=dict(width=WIDTHS["wide"], height=900))
    opened.set_default_timeout(60_000)
    opened.errors, opened.where, opened.address = heard_errors(opened), where, address
    if where == "lab": Lab(opened, address).open(PAGE).run_all()
    else: opened.goto(f"{address}/voila/render/{PAGE}", timeout=240_000)
    opened.locator("button[title^='train on']").first.wait_for(timeout=240_000)
    yield opened
    opened.close()


def button(page, title): return page.locator(f"button[title^='{title}']:visible").first


def enabled(page, title, seconds=60):
    "The button, as soon as it can be pressed."
    until(page, "t => { const b = [...document.querySelectorAll(`button[title^='${t}']`)].find(b => b.offsetParent); return b && !b.disabled }",
                           arg=title, timeout=seconds * 1000)
    return button(page, title)


def status(page): return page.locator(".widget-html b:visible").first.locator("xpath=..")


def step(page): return int(re.search(r"step (\d+) of", status(page).inner_text())[1])


def until_step(page, number):
    until(page, "n => { const s = [...document.querySelectorAll('.widget-html')].map(e => e.textContent.match(/step (\\d+) of/)).find(m => m); return s && +s[1] >= n }",
                           arg=number, timeout=120_000)


def picture_says(page, text):
    until(page, "([s, t]) => { const i = document.querySelector(s); return i && i.complete && i.naturalWidth > 0 && i.alt.includes(t) }", arg=[CURVES, text])


def slider(page, name): return page.get_by_role("slider", name=name, exact=True).last


def turned(page, name, key):
    "Press a key on a slider: its old and its new value, as they stand beside it."
    handle = slider(page, name)
    handle.scroll_into_view_if_needed()
    old = handle.get_attribute("aria-valuetext")
    handle.press(key)
    return old, handle.get_attribute("aria-valuetext")


def sound(page): return page.locator("audio[aria-label^='converted, step']:visible").first.get_attribute("src")


def test_runs_is_paused_turned_and_goes_on(page):
    enabled(page, "stop after" if "running" in status(page).inner_text() else "begin anew")
    before = step(page)

    enabled(page, "train on").press("Enter")                       # by keyboard
    enabled(page, "stop after")
    until_step(page, before + 20)
    enabled(page, "stop after").press("Enter")
    enabled(page, "train on")
    assert "paused" in status(page).inner_text()
    paused = step(page)
    assert paused >= before + 20

    enabled(page, "do a single").click()                           # by mouse
    until_step(page, paused + 1)
    enabled(page, "train on")
    assert step(page) == paused + 1

    old, new = turned(page, "l1_weight", "ArrowRight")
    mark = f"after step {paused + 1}: l1_weight {old} → {new}"
    page.locator("li", has_text=mark).first.wait_for()
    picture_says(page, mark)
    for name in ("learning_rate", "g_steps", "label_smoothing", "d_loss_threshold"):
        old, new = turned(page, name, "ArrowRight")
        assert new != old
        page.locator("li", has_text=f"after step {paused + 1}: {name} {old} → {new}").first.wait_for()
    handle = slider(page, "g_steps")                               # by mouse, to its left end
    place = handle.bounding_box()
    handle.click(position=dict(x=2, y=place["height"] / 2))
    page.locator("li", has_text="g_steps 2 → 1").first.wait_for()
    knob = handle.locator("xpath=ancestor::*[contains(@class, 'vct-knob')]")
    knob.get_by_role("button").click()                             # the default, one click away
    page.locator("li", has_text="g_steps").first.wait_for(state="detached")
    first_heard = sound(page)

    enabled(page, "train on").press("Enter")
    until_step(page, paused + 6)
    turned(page, "max_norm", "ArrowRight")                         # while it runs
    page.locator("li", has_text="max_norm").first.wait_for()
    picture_says(page, "max_norm")
    enabled(page, "stop after").press("Enter")
    enabled(page, "train on")
    picture_says(page, f"after {step(page)} steps")
    picture_says(page, mark)

    page.locator(f"audio[aria-label='converted, step {step(page)}']:visible").wait_for()
    heard = page.evaluate("""async n => { const a = [...document.querySelectorAll('.widget-html audio')].filter(a => a.offsetParent);
        const shown = a.map(x => x.getAttribute('aria-label')); for (const x of a) { x.volume = 0; await x.play(); }
        await new Promise((yes, no) => { setTimeout(() => no(new Error('nothing plays')), 10000);
            const look = () => a.every(x => x.currentTime > 0.1 && !x.error) ? yes() : requestAnimationFrame(look); look(); });
        return shown }""")
    assert {f"converted, step {step(page)}", "source", "target"} <= set(heard)
    assert sound(page) != first_heard                              # it has learnt meanwhile
    if page.where == "app": assert nameless(page) == []                # JupyterLab has controls of its own

    if page.where == "lab":                                        # loaded anew, while it runs
        enabled(page, "train on").press("Enter")
        enabled(page, "stop after")
        Lab(page, page.address).js("await window.jupyterapp.commands.execute('docmanager:save');")
        Lab(page, page.address).open(PAGE)
        page.locator("button[title^='stop after']").first.wait_for(timeout=120_000)
        until_step(page, paused + 10)
        picture_says(page, mark)
        enabled(page, "stop after").press("Enter")
        enabled(page, "train on")

    fold = button(page, "show or hide")
    fold.focus()
    fold.press("Enter")
    page.locator("select:visible").first.wait_for()
    for width, pixels in WIDTHS.items():
        if (page.where, width) == ("lab", "phone"): continue           # JupyterLab itself has no room there
        page.set_viewport_size(dict(width=pixels, height=2000))
        button(page, "begin anew").scroll_into_view_if_needed()
        if page.where == "app": until(page, "() => document.documentElement.scrollWidth <= window.innerWidth", timeout=10_000)
        shot(page, f"cockpit_{page.where}_{width}")
    page.set_viewport_size(dict(width=WIDTHS["wide"], height=900))

    for kind in ("aligned", "pitch_matched", "disguised"): page.get_by_label(kind, exact=True).last.select_option("0")
    enabled(page, "begin anew").press("Enter")
    page.locator("[role=alert]:visible", has_text="some kind of source is needed").first.wait_for()
    shot(page, f"cockpit_{page.where}_refused")
    page.get_by_label("aligned", exact=True).last.select_option("1")
    enabled(page, "begin anew").press("Enter")
    until(page, "() => [...document.querySelectorAll('.widget-html')].some(e => e.textContent.includes('not started, step 0 of'))")
    assert not page.errors, page.errors
    assert tracebacks(page) == []
