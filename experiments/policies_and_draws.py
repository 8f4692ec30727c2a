#!/usr/bin/env python3
"""Policies solve and paper, draws fixed and bernoulli: FLOPs left out over the run, and the loss."""

from experiment import Variant, publish, results_table, wordnet_task

VARIANTS = (Variant.of("exact", "exact"), Variant.of("VCAS"),
            Variant.of("solve, bernoulli", draw="bernoulli"),
            Variant.of("paper, fixed", controller="paper"),
            Variant.of("paper, bernoulli", controller="paper", draw="bernoulli"),
            Variant.of("paper, bernoulli, F=10", controller="paper", draw="bernoulli", cal_var_freq=10))


def main():
    publish(results_table(wordnet_task("nouns"), VARIANTS))


if __name__ == "__main__":
    main()
