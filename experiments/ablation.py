#!/usr/bin/env python3
"""What F, M, alpha and beta do."""

from experiment import Variant, publish, results_table, wordnet_task

VARIANTS = (Variant.of("exact", "exact"), Variant.of("VCAS"), Variant.of("F=25", cal_var_freq=25),
            Variant.of("F=400", cal_var_freq=400), Variant.of("M=3", cal_var_m=3),
            Variant.of("paper, fixed", controller="paper"),
            Variant.of("paper, fixed, α=0.05", controller="paper", s_update_step=0.05),
            Variant.of("paper, fixed, β=0.8", controller="paper", w_ratio_mul=0.8))


def main():
    publish(results_table(wordnet_task("nouns"), VARIANTS))


if __name__ == "__main__":
    main()
