"""What lies on disk: the container (SPEC.md), pictures in and out, whole files, and the errors they raise.

Import the modules themselves: `container` needs nothing but the standard library, `pictures` needs Pillow.
"""
