"""The four steps of the original VCAS for Hugging Face's Trainer, with its names, arguments and defaults."""
