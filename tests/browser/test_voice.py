"The microphone, the upload and the converter in JupyterLab: a fake microphone plays a known voice."
import base64
import io
from contextlib import contextmanager

import nbformat
import numpy as np
import pytest
import soundfile
import soxr
from conftest import WIDTHS, Lab, browser, heard_errors, pressed, shot, tracebacks, until
from playwright.sync_api import expect

from vctutor.data import default_pairs

pytestmark = pytest.mark.xdist_group("voice")  # on one worker: the tests share pages
SENTENCE = "arctic_a0005"  # 1.7 s


def write_sentence(path):
    "A shipped sentence as the 48 kHz wav file that Chromium's fake microphone plays, again and again."
    wave, rate = soundfile.read(next(p.source for p in default_pairs() if p.name == SENTENCE), dtype="float32")
    soundfile.write(path, soxr.resample(wave, rate, 48_000), 48_000, subtype="PCM_16")
    return path


def sound_of(page, scope, label):
    "What a player holds: samples and rate."
    url = page.locator(f"{scope} audio[aria-label='{label}']").get_attribute("src")
    return soundfile.read(io.BytesIO(base64.b64decode(url.split(",", 1)[1])), dtype="float32")


def likeness(a, b):
    "The highest correlation of `b` with a part of `a`, or with one that reaches a quarter over its ends; 1 is the same. Both (samples,) at one rate."
    a = np.pad(a, len(b) // 4).astype(np.float64)
    size = 2 ** int(np.ceil(np.log2(len(a) + len(b))))
    match = np.fft.irfft(np.fft.rfft(a, size) * np.conj(np.fft.rfft(b, size)))[:len(a) - len(b) + 1]
    sums = np.concatenate([[0], np.cumsum(a**2)])
    energy = sums[len(b):] - sums[:-len(b)]
    return (match / np.sqrt(np.maximum(energy, 0.1 * energy.max()) * np.sum(b**2))).max()


def record(page, scope, seconds):
    "Press, wait until so much is recorded, press again; by keyboard only."
    button = page.locator(f"{scope} .vct-mic button")
    button.scroll_into_view_if_needed()
    button.focus()
    button.press("Enter")
    until(page, "([scope, seconds]) => parseFloat(document.querySelector(`${scope} .vct-mic span`).textContent) >= seconds", arg=[scope, seconds])
    assert "stop" in button.inner_text() and page.locator(f"{scope} .vct-mic meter").evaluate("m => m.value") > -60
    button.press("Enter")
    until(page, "scope => document.querySelector(`${scope} .vct-mic [role=status]`).textContent.includes('recorded')", arg=scope)


def plays(page, scope, label):
    "Play a sound until it has moved on."
    player = page.locator(f"{scope} audio[aria-label='{label}']")
    player.evaluate("p => p.play()")
    until(page, "([scope, label]) => { const p = document.querySelector(`${scope} audio[aria-label='${label}']`); return p.duration > 0.5 && p.currentTime > 0.1 && !p.error; }", arg=[scope, label])
    player.evaluate("p => p.pause()")


def known_voice(wave, rate):
    "How much of a recording is the sentence that the microphone played."
    first, first_rate = soundfile.read(next(p.source for p in default_pairs() if p.name == SENTENCE), dtype="float32")
    return likeness(wave, soxr.resample(first, first_rate, rate)[int(0.5 * rate):int(1.2 * rate)])


PAGE = ".converter-page"


def mark_page(page):
    "Give the last converter page of the notebook a class of its own."
    page.locator(".vct-upload").last.scroll_into_view_if_needed()
    page.evaluate("""() => { let box = [...document.querySelectorAll('.vct-upload')].at(-1).closest('.jp-OutputArea-output, .jp-Cell-outputArea');
                             box.classList.add('converter-page'); }""")


@contextmanager
def talking(folder):
    "A Chromium whose microphone plays the sentence; a context has to allow it."
    wav = write_sentence(folder / "voice.wav")
    with browser("--use-fake-device-for-media-stream", f"--use-file-for-fake-audio-capture={wav}") as started: yield started


def opened(chromium, *, allowed=True, width="wide"):
    "A page that remembers its errors."
    context = chromium.new_context(permissions=["microphone"] if allowed else [], viewport=dict(width=WIDTHS[width], height=1000))
    page = context.new_page()
    page.set_default_timeout(120_000)
    page.errors = heard_errors(page)
    return page


def denied(page):
    "Press record where the microphone is not allowed, and see what is said."
    button = page.locator(".vct-mic button").first
    button.scroll_into_view_if_needed()
    button.click()
    until(page, "() => document.querySelector('.vct-mic [role=status]').textContent.startsWith('The microphone was not allowed.')")
    assert "record" in button.inner_text()


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    with talking(tmp_path_factory.mktemp("microphone")) as started: yield started


@pytest.fixture(scope="module")
def lab_page(lab, chromium):
    "08b_voice in JupyterLab, run, with a microphone that is allowed."
    page = opened(chromium)
    page.lab = Lab(page, lab).open("08b_voice.ipynb").run_all()
    mark_page(page)
    return page


def test_a_known_voice_is_recorded_converted_played_and_downloaded(lab_page):
    page = lab_page
    record(page, PAGE, 2.2)
    page.wait_for_selector(f"{PAGE} audio[aria-label='recording']")
    wave, rate = sound_of(page, PAGE, "recording")
    assert known_voice(wave, rate) > 0.8, known_voice(wave, rate)
    pressed(page.locator(f"{PAGE} button", has_text="convert"))
    page.wait_for_selector(f"{PAGE} .vct-download")
    shot(page, "lab_converted")
    source, converted = (sound_of(page, PAGE, label)[0] for label in ("source", "converted"))
    assert len(source) == len(converted) and likeness(converted, source) < 0.5, likeness(converted, source)
    plays(page, PAGE, "converted")
    expect(page.locator(f"{PAGE} button", has_text="convert")).to_be_disabled()  # nothing new to convert
    with page.expect_download() as waiting: page.locator(f"{PAGE} .vct-download").click()
    heard, rate = sound_of(page, PAGE, "converted")
    saved, saved_rate = soundfile.read(waiting.value.path(), dtype="float32")
    assert waiting.value.suggested_filename == "recording-converted.wav" and saved_rate == rate
    np.testing.assert_allclose(saved, heard, atol=1.01 / 32768)  # flac and wav round by one step apart


def test_recording_stops_at_its_limit(lab_page):
    page = lab_page
    page.lab.js("""const k = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
                   await k.requestExecute({code: 'microphone.longest = 1.0'}).done;""")
    first = page.locator(".vct-mic").first
    first.scroll_into_view_if_needed()
    until(page, "() => document.querySelector('.vct-mic span').textContent.includes('of 1 s')")
    first.locator("button").click()
    until(page, "() => document.querySelector('.vct-mic [role=status]').textContent.startsWith('The time limit is reached.')")
    assert "record" in first.locator("button").inner_text()


def choose_file(page, name, content):
    page.locator(f"{PAGE} .vct-upload input").set_input_files(dict(name=name, mimeType="audio/wav", buffer=content))


def test_a_broken_file_is_refused_in_words(lab_page):
    page = lab_page
    choose_file(page, "broken.wav", b"RIFF" + bytes(range(256)) * 20)
    until(page, "scope => (document.querySelector(`${scope} [role=alert]`) || {}).textContent?.includes(\"broken.wav can't be read as sound\")", arg=PAGE)
    expect(page.locator(f"{PAGE} button", has_text="convert")).to_be_disabled()
    shot(page, "lab_broken")


def test_a_file_too_big_is_not_sent(lab_page):
    page = lab_page
    choose_file(page, "big.wav", bytes(9_000_000))
    until(page, "scope => document.querySelector(`${scope} .vct-upload [role=status]`).textContent.includes('big.wav has 9.0 MB: at most 8 MB')", arg=PAGE)


def test_a_good_file_is_taken(lab_page, tmp_path):
    page = lab_page
    choose_file(page, "good.wav", write_sentence(tmp_path / "good.wav").read_bytes())
    page.wait_for_selector(f"{PAGE} audio[aria-label='good']")
    assert page.locator(f"{PAGE} [role=alert]").count() == 0
    expect(page.locator(f"{PAGE} button", has_text="convert")).to_be_enabled()


def test_no_error_in_the_console(lab_page):
    assert lab_page.errors == []
    assert tracebacks(lab_page) == []


def test_a_microphone_that_is_denied_says_so(lab, notebooks, chromium):
    cell = nbformat.v4.new_code_cell("from vctutor.voice import converter_page\nconverter_page()")
    nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata=dict(kernelspec=dict(name="python3", display_name="Python 3"))), notebooks / "only_the_page.ipynb")
    page = opened(chromium, allowed=False)
    Lab(page, lab).open("only_the_page.ipynb").run_all()
    page.wait_for_selector(".vct-mic button")
    denied(page)
    shot(page, "lab_denied")
    assert page.errors == []
