"""Heat maps of what is kept, as TensorBoard's own reader finds them in a run's events."""

import io
import json
import re
import shutil

import numpy
import pytest

PIL_Image = pytest.importorskip("PIL.Image")
event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
plotly_colors = pytest.importorskip("plotly.colors")

# As src/training/heat_map.h has it: columns share 480 pixels, then a gap and the scale.
GRID, GAP, SCALE = 480, 8, 12


def metrics(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def read_events(folder):
    everything = {event_accumulator.IMAGES: 0, event_accumulator.SCALARS: 0}
    return event_accumulator.EventAccumulator(str(folder), size_guidance=everything).Reload()


def drawn_pictures(folder):
    accumulator = read_events(folder)
    return {
        tag: [(event.step, event.encoded_image_string) for event in accumulator.Images(tag)]
        for tag in accumulator.Tags()["images"]
    }


def row_height(rows):
    return min(16, max(2, 384 // rows))


def viridis(levels=1000):
    """Colours of ratios from 0 to 1, by the scale of the plotting library."""
    anchors = numpy.array([plotly_colors.hex_to_rgb(color) for color in plotly_colors.sequential.Viridis], float)
    position = numpy.linspace(0, len(anchors) - 1, levels + 1)
    return numpy.stack([numpy.interp(position, numpy.arange(len(anchors)), anchors[:, c]) for c in range(3)], axis=1)


def ratios_of(pixels):
    """The nearest ratio of each colour [..., 3], in thousandths."""
    scale = viridis()
    distances = numpy.linalg.norm(pixels[..., None, :].astype(float) - scale, axis=-1)
    assert distances.min(-1).max() < 2, "a colour that is not on the scale"
    return distances.argmin(-1) / 1000


def shown_ratios(encoded, columns, rows):
    """The ratios [rows, columns] that a picture shows, bottom row first."""
    image = PIL_Image.open(io.BytesIO(encoded)).convert("RGBA")
    height = row_height(rows)
    assert image.size == (GRID + GAP + SCALE, rows * height)
    pixels = numpy.asarray(image)
    assert (pixels[:, GRID : GRID + GAP, 3] == 0).all()
    top, bottom = ratios_of(pixels[[0, -1], -1, :3])
    assert (top, bottom) == (1, 0)  # the scale
    x = (2 * numpy.arange(columns) + 1) * GRID // (2 * columns)
    y = numpy.arange(rows)[::-1] * height + height // 2
    cells = pixels[numpy.ix_(y, x)]
    assert (cells[..., 3] == 255).all()
    return ratios_of(cells[..., :3])


def by_number(name):
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def logged_ratios(line, tag):
    if tag == "sampling/rho":
        return line["rho"]
    return [line["nu"][name] for name in sorted(line["nu"], key=by_number)]


@pytest.fixture(scope="module")
def loose(train_arguments):
    """Arguments of a run whose budgets allow a tiny model to leave something out."""
    return train_arguments(act_var_tau=0.5, w_var_tau=0.5, save_strategy="steps", save_steps=30)


@pytest.fixture(scope="module")
def folder(vcas, loose, tmp_path_factory):
    """A finished run, not to be changed."""
    folder = tmp_path_factory.mktemp("sampled") / "run"
    result = vcas(*loose, "--output_dir", folder)
    assert result.returncode == 0, result.stderr
    return folder


def test_pictures_show_the_ratios_of_metrics_jsonl(folder):
    lines = metrics(folder)
    pictures = drawn_pictures(folder)
    assert sorted(pictures) == ["sampling/nu", "sampling/rho"]
    for tag, events in pictures.items():
        steps = [step for step, _ in events]
        assert steps == sorted(set(steps)) and set(steps) <= {line["step"] for line in lines}
        assert steps[0] == 5 and steps[-1] == 60
        for step, encoded in events:
            expected = numpy.array([logged_ratios(line, tag) for line in lines if line["step"] <= step]).T
            shown = shown_ratios(encoded, expected.shape[1], expected.shape[0])
            # Colours are steps of 1/250, rounded to whole numbers of which two neighbours differ by one or more.
            assert numpy.abs(shown - expected).max() < 0.006, (tag, step)
        assert expected.min() < 0.8  # something was left out, so that there is something to show


def test_a_picture_follows_each_adaptation(folder):
    pictures = drawn_pictures(folder)
    previous, adapted = None, []
    for line in metrics(folder):
        if previous != (previous := [line[key] for key in ("v_sgd", "v_act", "v_w", "s")]):
            adapted.append(line["step"])
    assert len(adapted) >= 4
    for events in pictures.values():
        assert set(adapted) <= {step for step, _ in events}


def test_the_descriptions_say_what_is_shown(folder):
    accumulator = read_events(folder)
    names = sorted(metrics(folder)[0]["nu"], key=by_number)
    description = accumulator.SummaryMetadata("sampling/nu").summary_description
    assert re.findall(r"`(.*)`", description) == names[::-1]
    assert "nearest the input at the bottom" in accumulator.SummaryMetadata("sampling/rho").summary_description


def test_a_resumed_run_draws_the_pictures_of_a_whole_one(vcas, loose, folder, tmp_path):
    # As a run leaves it that died after step 60: events and lines go on behind the checkpoint that is taken up.
    resumed = tmp_path / "resumed"
    shutil.copytree(folder, resumed, ignore=shutil.ignore_patterns("checkpoint-60", "summary.json"))
    result = vcas(*loose, "--output_dir", resumed, "--resume_from_checkpoint", "auto")
    assert result.returncode == 0, result.stderr
    assert len(list(resumed.glob("events.out.tfevents.*"))) == 2
    assert drawn_pictures(resumed) == drawn_pictures(folder)


def test_a_run_in_a_new_folder_draws_from_the_point_where_it_went_on(vcas, loose, folder, tmp_path):
    result = vcas(*loose, "--output_dir", tmp_path / "run", "--resume_from_checkpoint", folder / "checkpoint-30")
    assert result.returncode == 0, result.stderr
    lines = metrics(tmp_path / "run")
    step, encoded = drawn_pictures(tmp_path / "run")["sampling/rho"][-1]
    assert (step, lines[0]["step"]) == (60, 35)
    expected = numpy.array([line["rho"] for line in lines]).T
    assert numpy.abs(shown_ratios(encoded, len(lines), 2) - expected).max() < 0.006


@pytest.mark.parametrize(("method", "tags"), [("exact", []), ("sb", ["sampling/rho"]), ("ub", ["sampling/rho"])])
def test_other_methods_have_what_they_leave_out(vcas, train_arguments, tmp_path, method, tags):
    result = vcas(*train_arguments(method, max_steps=20), "--output_dir", tmp_path / "run")
    assert result.returncode == 0, result.stderr
    pictures = drawn_pictures(tmp_path / "run")
    assert sorted(pictures) == tags
    for events in pictures.values():
        expected = numpy.array([line["rho"] for line in metrics(tmp_path / "run")]).T
        assert numpy.abs(shown_ratios(events[-1][1], 4, 2) - expected).max() < 0.006
