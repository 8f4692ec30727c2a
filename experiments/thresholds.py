#!/usr/bin/env python3
"""The variance budget over several orders of magnitude: where does the loss begin to differ?"""

from experiment import Variant, publish, results_table, wordnet_task

BUDGETS = (0.001, 0.005, 0.025, 0.1, 0.25, 0.5)


def budget(tau):
    # The default has no flags, so that its runs serve the other experiments too.
    return Variant.of("VCAS") if tau == 0.025 else Variant.of(f"VCAS τ={tau}", act_var_tau=tau, w_var_tau=tau)


def main():
    publish(results_table(wordnet_task("nouns"), [Variant.of("exact", "exact"), *map(budget, BUDGETS)]))


if __name__ == "__main__":
    main()
