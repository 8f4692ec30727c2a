#!/usr/bin/env python3
"""Policies solve and paper, draws fixed and bernoulli: FLOPs left out over the run, budgets, and the loss."""

import numpy
from experiment import Variant, metrics_of, publish, results_table, runs_of, table, wordnet_task

EXACT = Variant.of("exact", "exact")
VARIANTS = (Variant.of("VCAS"), Variant.of("solve, bernoulli", draw="bernoulli"),
            Variant.of("paper, fixed", controller="paper"),
            Variant.of("paper, bernoulli", controller="paper", draw="bernoulli"),
            Variant.of("paper, bernoulli, F=10", controller="paper", draw="bernoulli", cal_var_freq=10))
PARTS = 5


def performed(run):
    """FLOPs in each fifth of a run."""
    total = numpy.array([0, *(line["flops_performed"] for line in metrics_of(run))])
    steps = numpy.array([0, *(line["step"] for line in metrics_of(run))])
    return numpy.diff(numpy.interp(numpy.linspace(0, steps[-1], PARTS + 1), steps, total))


def left_out(variant, task):
    """Share of exact training's FLOPs that each fifth of the run left out, in %, mean over seeds."""
    shares = [1 - performed(run) / performed(exact) for run, exact in zip(runs_of(task, variant), runs_of(task, EXACT))]
    return [f"{100 * share:.1f}" for share in numpy.mean(shares, axis=0)]


def spent(variant, task):
    """V_act and V_w as the last adaptation reports them, in budgets, mean over seeds."""
    last = [metrics_of(run)[-1] for run in runs_of(task, variant)]
    return [f"{numpy.mean([line[value] / line['v_sgd'] / line[tau] for line in last]):.2f}"
            for value, tau in (("v_act", "act_var_tau"), ("v_w", "w_var_tau"))]


def main():
    task = wordnet_task("nouns")
    rows = [(variant.name, *left_out(variant, task), *spent(variant, task)) for variant in VARIANTS]
    publish(results_table(task, (EXACT, *VARIANTS)) + "\n\nFLOPs left out in each fifth of the run, %; V_act / V_s and "
            "ΣV_w / V_s by the last adaptation's report, in units of τ\n\n"
            + table(("", *(f"{i + 1}/{PARTS}" for i in range(PARTS)), "V_act", "ΣV_w"), rows))


if __name__ == "__main__":
    main()
