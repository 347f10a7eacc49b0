"The pages that `vctutor-app` serves: wide and narrow, by keyboard, with a fake microphone."
import time
from pathlib import Path

import pytest
import soundfile
from conftest import WIDTHS, nameless, pressed, shot, tracebacks, until
from playwright.sync_api import expect
from test_voice import SENTENCE, denied, known_voice, likeness, opened, plays, record, sound_of, talking

from vctutor.conversion import pretrained
from vctutor.data import default_pairs, find_pairs
from vctutor.training import read_checkpoint, write_checkpoint

pytestmark = pytest.mark.xdist_group("app")  # on one worker: the tests share pages
PAGES = ["app/converter", "app/recording", "app/cockpit", "90_view"]
READY = ".vct-mic button, .widget-button, .vct-explore img[src]"


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    with talking(tmp_path_factory.mktemp("microphone")) as started: yield started


def asked_outside(page):
    "A list that fills with what the page asks of other servers."
    outside = []
    page.on("request", lambda r: r.url.startswith(("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:")) or outside.append(r.url))
    return outside


@pytest.fixture(scope="module")
def refused(app, chromium):
    "A converter page on which the browser is made to fail."
    page = opened(chromium)
    page.goto(f"{app[0]}/voila/render/app/converter.ipynb")
    page.wait_for_selector(READY)
    return page


def press_and_read(page, said):
    page.locator(".vct-mic button").click()
    until(page, "said => document.querySelector('.vct-mic [role=status]').textContent.startsWith(said)", arg=said)
    assert "record" in page.locator(".vct-mic button").inner_text()


def test_the_start_page_links_to_pages_that_exist(app, chromium):
    page = opened(chromium)
    outside = asked_outside(page)
    page.goto(app[0])
    shot(page, "app_start")
    links = page.locator("a").evaluate_all("all => all.map(a => a.getAttribute('href'))")
    assert "/voila/render/app/converter.ipynb" in links and "/voila/render/02_stats.ipynb" in links
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.tagName") == "A"
    assert page.errors == [] and outside == []


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_shows_no_code_and_names_its_controls(app, chromium, name, width):
    page = opened(chromium, width=width)
    outside = asked_outside(page)
    page.goto(f"{app[0]}/voila/render/{name}.ipynb")
    page.wait_for_selector(READY)
    page.wait_for_load_state("networkidle")
    if name == "app/cockpit": until(page, "() => document.querySelectorAll('.vct-knob input').length == 6 && document.querySelector('.widget-html img')")
    shot(page, f"app_{name.replace('/', '_')}_{width}")
    until(page, "() => document.documentElement.scrollWidth <= window.innerWidth", timeout=10_000)
    assert "import " not in page.inner_text("body") and page.locator(".jp-CodeMirrorEditor, .cm-editor, .highlight").count() == 0
    assert page.errors == [] and outside == [] and tracebacks(page) == [] and nameless(page) == []
    page.context.close()


def test_from_opening_to_a_converted_recording(app, chromium):
    page, start = opened(chromium), time.time()
    page.goto(app[0])
    page.get_by_role("link", name="Convert a voice").press("Enter")
    page.wait_for_selector(READY)
    there = time.time() - start
    record(page, "body", 2.2)
    page.wait_for_selector("audio[aria-label='recording']")
    wave, rate = sound_of(page, "body", "recording")
    assert known_voice(wave, rate) > 0.8
    convert = page.get_by_role("button", name="convert")
    until(page, "() => !document.querySelector('button.mod-primary').disabled")
    convert.dblclick()  # pressed twice, converted once
    page.wait_for_selector(".vct-download")
    print(f"\nfrom opening the app: page after {there:.1f} s, recorded and converted after {time.time() - start:.1f} s (2.2 s of them speaking)")
    source, converted = (sound_of(page, "body", label)[0] for label in ("source", "converted"))
    assert len(source) == len(converted) and likeness(converted, source) < 0.5
    plays(page, "body", "converted")
    page.get_by_role("button", name="save on this machine").click()
    until(page, "() => document.body.innerText.includes('saved as converted/recording-converted.wav')")
    assert len(soundfile.read(app[1] / "converted" / "recording-converted.wav")[0]) == len(converted)
    page.get_by_role("button", name="save on this machine").click()
    until(page, "() => document.body.innerText.includes('exists already')")
    shot(page, "app_converted_wide")
    expect(convert).to_be_disabled()
    assert nameless(page) == [] and page.errors == []
    page.context.close()


def test_a_converted_sentence_fits_a_phone(app, chromium):
    page = opened(chromium, width="phone")
    page.goto(f"{app[0]}/voila/render/app/converter.ipynb")
    page.wait_for_selector(READY)
    page.get_by_label("or a sentence").select_option("Will we ever forget it.")
    page.wait_for_selector("audio[aria-label='arctic_a0005']")
    pressed(page.get_by_role("button", name="convert"), "Space")
    page.wait_for_selector(".vct-download")
    shot(page, "app_converted_phone")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.context.close()


def test_the_microphone_is_denied_and_a_file_is_broken(app, chromium):
    page = opened(chromium, allowed=False)
    page.goto(f"{app[0]}/voila/render/app/converter.ipynb")
    page.wait_for_selector(READY)
    denied(page)
    page.locator(".vct-upload input").set_input_files(dict(name="cat.wav", mimeType="audio/wav", buffer=b"GIF89a" * 99))
    until(page, "() => (document.querySelector('[role=alert]') || {}).textContent?.includes(\"cat.wav can't be read as sound\")")
    shot(page, "app_denied")
    assert page.errors == []
    page.context.close()


def test_another_checkpoint_and_another_vocoder_are_heard(app, chromium):
    header, tensors = read_checkpoint(pretrained())
    tensors["averaged.scale"] = tensors["averaged.scale"] / 2
    mine = app[1] / "runs" / "mine.safetensors"
    mine.parent.mkdir(exist_ok=True)
    write_checkpoint(mine, tensors, {name: header[name] for name in ("config", "stats")})
    page = opened(chromium)
    page.goto(f"{app[0]}/voila/render/app/converter.ipynb")
    page.wait_for_selector(READY)
    page.get_by_label("or a sentence").select_option("Will we ever forget it.")
    page.wait_for_selector(f"audio[aria-label='{SENTENCE}']")
    sounds, button = [], page.get_by_role("button", name="convert", exact=True)
    for choice in (None, ("checkpoint", "runs/mine.safetensors"), ("vocoder", "hifigan"), ("checkpoint", "shipped: am_michael to af_heart")):
        if choice: page.get_by_label(choice[0]).select_option(choice[1])
        before = page.locator("audio[aria-label='converted']").get_attribute("src") if choice else ""
        pressed(button)
        until(page, "before => { const a = document.querySelector(\"audio[aria-label='converted']\"); return a && a.getAttribute('src') !== before; }", arg=before)
        sounds.append(sound_of(page, "body", "converted")[0])
    plays(page, "body", "converted")
    lengths, alike = {len(wave) for wave in sounds}, [likeness(one, other) for n, one in enumerate(sounds) for other in sounds[:n]]
    shot(page, "app_chosen")
    assert len(lengths) == 1 and max(alike) < 0.98, alike
    assert page.errors == [] and tracebacks(page) == []
    page.context.close()


@pytest.mark.parametrize("case, said", {
    "NotFoundError": "No microphone was found.", "NotReadableError": "The microphone is taken by another program.", "AbortError": "No recording could be made (AbortError:"}.items())
def test_every_failure_has_its_words(refused, case, said):
    refused.evaluate("name => { navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('made up', name)); }", case)
    press_and_read(refused, said)


def test_a_page_without_microphones_says_so(refused):
    refused.evaluate("() => Object.defineProperty(navigator, 'mediaDevices', { value: undefined, configurable: true })")
    press_and_read(refused, "No microphone here: browsers give it only to pages from localhost or over https.")
    refused.evaluate("() => { delete navigator.mediaDevices; }")


def test_a_microphone_that_is_pulled_out_leaves_what_was_said(refused):
    refused.evaluate("""() => { const real = MediaDevices.prototype.getUserMedia.bind(navigator.mediaDevices);
                                navigator.mediaDevices.getUserMedia = async wish => window.stream = await real(wish); }""")
    refused.locator(".vct-mic button").click()
    until(refused, "() => parseFloat(document.querySelector('.vct-mic span').textContent) >= 1")
    refused.evaluate("() => window.stream.getTracks()[0].onended()")
    until(refused, "() => document.querySelector('.vct-mic [role=status]').textContent.startsWith('The microphone stopped by itself')")
    refused.wait_for_selector("audio[aria-label='recording']")
    assert refused.evaluate("() => window.stream.getTracks().every(t => t.readyState == 'ended')") and refused.errors == []


def test_two_sentences_are_recorded_and_it_goes_on_after_a_reload(app, chromium):
    page, pairs = opened(chromium, width="phone"), default_pairs()

    def begin():
        page.goto(f"{app[0]}/voila/render/app/recording.ipynb")
        page.get_by_label("speaker").fill("tester")
        page.get_by_label("speaker").press("Tab")
        page.keyboard.press("Enter")  # start or continue
        page.wait_for_selector(".vct-mic button")

    def stands_at(n): until(page, "text => [...document.querySelectorAll('[role=status]')].some(e => e.textContent == text)", arg=pairs[n].text)

    begin()
    for n in range(2):
        stands_at(n)
        record(page, "body", 2.0)
        page.wait_for_selector("img[alt='mel of the take']")
        if n == 0:
            shot(page, "app_take_phone")
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth") and nameless(page) == []
            pressed(page.get_by_role("button", name="repeat"))
            page.wait_for_selector("img[alt='mel of the take']", state="detached")
            until(page, "() => document.activeElement.closest('.vct-mic')")  # the keyboard is at the record button
            record(page, "body", 2.0)
            page.wait_for_selector("img[alt='mel of the take']")
        until(page, "() => document.activeElement.closest('.vct-mic')")
        until(page, "() => [...document.querySelectorAll('button')].some(b => b.textContent.startsWith('keep') && !b.disabled)")  # the mel is there a moment before
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")  # keep
        until(page, "n => document.body.innerText.includes(`${n} of 100 sentences recorded`)", arg=n + 1)
    stands_at(2)
    begin()
    stands_at(2)
    until(page, "() => document.body.innerText.includes('2 of 100 sentences recorded')")
    shot(page, "app_recording_phone")
    folder = app[1] / "recordings" / "tester"
    kept = find_pairs(folder, pairs[0].target.parent)
    assert [(p.name, p.text, p.split) for p in kept] == [(p.name, p.text, p.split) for p in pairs[:2]]
    wave, rate = soundfile.read(kept[1].source, dtype="float32")
    assert known_voice(wave, rate) > 0.8 and not list(Path(folder).glob(".*.part"))
    assert page.errors == []
    page.context.close()


@pytest.mark.parametrize("width", WIDTHS)
def test_an_explorer_moves_by_keyboard(app, chromium, width):
    page = opened(chromium, width=width)
    page.goto(f"{app[0]}/voila/render/90_view.ipynb")
    slider, image = page.get_by_role("slider").first, ".vct-explore img[src]"
    page.wait_for_selector(image)
    before = page.locator(image).first.get_attribute("src")
    slider.focus()
    slider.press("ArrowRight")
    until(page, "([image, before]) => { const i = document.querySelector(image); return i.complete && i.naturalWidth > 0 && i.getAttribute('src') !== before; }", arg=[image, before])
    page.context.close()
