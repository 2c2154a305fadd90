"""Probability models in exact arithmetic and the range coder. Knows latents and integers, never pictures."""
