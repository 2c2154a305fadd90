"""Learned transforms, models, training, evaluation, and the API and command line on top of everything."""
