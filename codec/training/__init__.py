"""Training: recipe, crops, optimiser, loop, checkpoint."""
