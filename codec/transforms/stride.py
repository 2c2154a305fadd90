"""How far apart latents are."""

STRIDE = 16  # pixels, in either direction
