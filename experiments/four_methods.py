#!/usr/bin/env python3
"""Exact training, SB, UB and VCAS side by side, at each method's own FLOPs and at equal FLOPs, on two text tasks."""

from experiment import Variant, publish, results_table, wordnet_task

# SB and UB keep a third; VCAS at its default budget and at larger ones, towards their FLOPs.
VARIANTS = (Variant.of("exact", "exact"), Variant.of("SB", "sb"), Variant.of("UB", "ub"), Variant.of("VCAS"),
            Variant.of("VCAS τ=0.1", act_var_tau=0.1, w_var_tau=0.1),
            Variant.of("VCAS τ=0.5", act_var_tau=0.5, w_var_tau=0.5))


def main():
    publish("\n\n".join(f"**wordnet-{name}**\n\n{results_table(wordnet_task(name), VARIANTS)}"
                        for name in ("nouns", "verbs")))


if __name__ == "__main__":
    main()
