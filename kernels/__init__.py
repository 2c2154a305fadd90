"""The hot loops: plain tensor functions, each beside its reference."""
