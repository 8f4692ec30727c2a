"""vcas report's page in a real browser: every plot drawn, no complaint, phone and dark mode, data as CSV."""

import csv
import math
import os
import shutil
import subprocess
import time
from pathlib import Path

import numpy
import pytest
from browser import Browser, find_browser
from made_runs import make_comparison, make_run
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("VCAS_BIN", ROOT / "build" / "release" / "vcas"))
NASTY = 'a <b>run &amp; <!--<script> <img src=x onerror=alert(1)> "%{x}", '
STATE = "document.documentElement?.dataset.state"

# By chart: how many traces it was given and how many marks of them there are.
MARKS = """Object.fromEntries([...document.querySelectorAll("[data-chart]")].map((card) => {
  const place = card.querySelector(".plot");
  const lines = [...place.querySelectorAll(".scatterlayer .trace")].filter(
    (trace) => [...trace.querySelectorAll(".js-line, .points path")].some((path) => path.getAttribute("d")));
  const images = [...place.querySelectorAll(".heatmaplayer image")].filter(
    (image) => image.getAttribute("href").length > 50);
  return [card.dataset.chart, [place.data.length, lines.length + images.length]];
}))"""


def report(*folders, output):
    assert BINARY.is_file(), f"{BINARY} is not built; run scripts/test, or set VCAS_BIN"
    command = [BINARY, "report", *folders, "--output", output]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    assert result.stdout == f"{output}\n"
    return output


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Of one run with probes and a name to trip over, of a comparison of twenty runs, and of one without accuracy."""
    folder = tmp_path_factory.mktemp("pages")
    methods = {name: name for name in ("exact", "vcas", "sb", "ub")}
    return {
        "one": report(make_run(folder / NASTY, probed=True), output=folder / "one.html"),
        "twenty": report(make_comparison(folder / "compared", methods, seeds=5), output=folder / "twenty.html"),
        "language": report(
            make_comparison(folder / "language", {"exact": "exact", "vcas": "vcas"}, seeds=2, task="language model"),
            output=folder / "language.html",
        ),
    }


@pytest.fixture
def browser(tmp_path):
    program = find_browser()
    if not program:
        pytest.skip("no Chromium; VCAS_BROWSER names one")
    with Browser(program, tmp_path) as opened:
        yield opened


def show(browser, page, **how):
    browser.show(page, **how)
    assert browser.wait_for(STATE) == "drawn"


def assert_all_drawn(browser, expected):
    marks = browser.evaluate(MARKS)
    assert set(marks) == set(expected)
    for chart, (traces, drawn) in marks.items():
        assert traces > 0 and drawn == traces, f"{chart}: {drawn} of {traces} traces drawn"


LOSSES = ["loss-over-steps", "loss-over-time", "loss-over-flops", "evaluation-loss"]
TRAINING = [*LOSSES, "accuracy", "macro-f1", "matthews"]
SAMPLING = ["rho", "s", "variances", "nu"]
GRADIENTS = [*(f"sparsity-{i}" for i in range(6)), "median-norms", "norm-quantiles", "variance-by-s"]


@pytest.mark.parametrize("how", [{}, {"dark": True}, {"width": 390, "height": 844, "phone": True}], ids=str)
def test_every_plot_of_one_run_has_marks(browser, pages, how):
    show(browser, pages["one"], **how)
    assert_all_drawn(browser, [*TRAINING, *SAMPLING, *GRADIENTS])
    assert browser.complaints() == []


def test_every_plot_of_twenty_runs_has_marks(browser, pages):
    show(browser, pages["twenty"])
    assert_all_drawn(browser, [*TRAINING, *SAMPLING])
    assert browser.evaluate(MARKS)["loss-over-steps"] == [20, 20]
    names = browser.evaluate("[...document.querySelectorAll('#sampling option')].map((option) => option.text)")
    assert names == [f"vcas, seed {seed}" for seed in range(42, 47)]
    browser.evaluate("(() => { const select = document.querySelector('#sampling select');"
                     "select.value = 3; select.dispatchEvent(new Event('change')); })()")  # fmt: skip
    browser.wait_for(f"Object.values({MARKS}).every(([traces, drawn]) => traces === drawn)")
    assert browser.complaints() == []


def test_a_run_without_accuracy_has_its_own_metric(browser, pages):
    show(browser, pages["language"])
    assert_all_drawn(browser, [*LOSSES, "perplexity", *SAMPLING])
    header = browser.evaluate("[...document.querySelectorAll('#comparison-0 th')].map((cell) => cell.textContent)")
    assert header[3:6] == ["perplexity ↓", "p by seed", "p by example of loss"]
    note = browser.evaluate("document.querySelector('[data-chart=perplexity] p').textContent")
    assert note == "Smaller is better."
    tests = browser.evaluate("[...document.querySelectorAll('#tests-1 tbody tr')].map((row) => row.cells[1].textContent)")
    assert tests == ["train loss, by seed", "perplexity, by seed", "evaluation loss, by example"]
    assert browser.complaints() == []


def test_the_comparison_is_a_table(browser, pages):
    show(browser, pages["twenty"])
    rows = "(id) => [...document.querySelectorAll(`#${id} tbody tr`)].map((row) => [...row.cells].map((c) => c.textContent))"
    comparison = browser.evaluate(f"({rows})('comparison-0')")
    assert [row[:2] for row in comparison] == [[method, "5"] for method in ("exact", "vcas", "sb", "ub")]
    assert len(browser.evaluate(f"({rows})('tests-1')")) == 9
    assert len(browser.evaluate(f"({rows})('runs')")) == 20


def test_the_legend_hides_a_group(browser, pages):
    show(browser, pages["twenty"])
    browser.evaluate("document.querySelectorAll('.legend button')[1].click()")
    browser.wait_for(f"{MARKS}['loss-over-steps'][1] === 15")
    browser.evaluate("document.querySelectorAll('.legend button')[1].click()")
    browser.wait_for(f"{MARKS}['loss-over-steps'][1] === 20")


@pytest.mark.parametrize("page", ["one", "twenty"])
def test_nothing_is_wider_than_a_phone(browser, pages, page):
    show(browser, pages[page], width=390, height=844, phone=True)
    assert browser.evaluate("document.documentElement.scrollWidth") == 390
    outside = """[...document.querySelectorAll('.plot .main-svg')].filter((plot) => {
      const card = plot.closest('.card').getBoundingClientRect(), box = plot.getBoundingClientRect();
      return box.left < card.left || box.right > card.right || box.width < 250;
    }).length"""
    assert browser.evaluate(outside) == 0


def brightness(browser, file):
    browser.screenshot(file)
    return numpy.asarray(Image.open(file).convert("L")).mean()


def test_dark_mode_follows_the_system_at_once(browser, pages, tmp_path):
    ink = "getComputedStyle(document.querySelector('.plot .xtitle')).fill"
    show(browser, pages["one"])
    light = browser.evaluate(ink)
    assert brightness(browser, tmp_path / "light.png") > 200
    browser.set_dark(True)
    browser.wait_for(f"{ink} !== '{light}'")
    assert brightness(browser, tmp_path / "dark.png") < 60


def download(browser, chart, folder):
    folder.mkdir(exist_ok=True)
    browser.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder))
    browser.evaluate(f"document.querySelector('[data-chart={chart}] button').click()")
    file, deadline = folder / f"{chart}.csv", time.monotonic() + 30
    while not file.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    with file.open(newline="") as lines:
        return list(csv.reader(lines))


def test_a_curves_csv_is_the_runs_data(browser, pages, tmp_path):
    show(browser, pages["one"])
    header, *rows = download(browser, "loss-over-steps", tmp_path / "downloads")
    assert header == ["series", "step", "training loss"]
    assert {row[0] for row in rows} == {NASTY}
    assert [int(row[1]) for row in rows] == list(range(20, 1001, 20))
    for _, step, loss in rows:
        expected = 0.2 + 3 * math.exp(-int(step) / 300) + 0.05 * math.sin(1.3 * int(step) + 42)
        assert float(loss) == pytest.approx(expected, rel=1e-5)  # six digits


def test_a_heat_maps_csv_is_the_runs_data(browser, pages, tmp_path):
    show(browser, pages["one"])
    header, *rows = download(browser, "rho", tmp_path / "downloads")
    assert header == ["step", "block", "ρ"]
    assert len(rows) == 50 * 4
    for step, block, ratio in rows:
        expected = (0.2 + 0.8 * math.exp(-int(step) / 400)) * (0.7 + 0.1 * int(block))
        assert float(ratio) == pytest.approx(expected, rel=1e-5)  # six digits


def test_a_name_is_shown_as_it_is(browser, pages):
    show(browser, pages["one"])
    assert browser.evaluate("document.querySelector('#runs tbody td').textContent") == NASTY
    assert browser.evaluate("document.querySelector('.legend button').textContent") == NASTY
    assert browser.evaluate("document.querySelectorAll('main img, main b').length") == 0


def test_a_browser_that_is_too_old_is_told_so(browser, pages):
    browser.call("Page.addScriptToEvaluateOnNewDocument", source="delete window.DecompressionStream")
    browser.show(pages["one"])
    assert browser.wait_for(STATE) == "failed"
    assert "could not be drawn" in browser.evaluate("document.getElementById('status').textContent")
    assert browser.evaluate("document.querySelectorAll('#content table').length") == 1


def test_the_page_moves_anywhere(browser, pages, tmp_path):
    page = shutil.copy(pages["one"], tmp_path / "elsewhere.html")
    show(browser, Path(page))
    assert browser.complaints() == []
