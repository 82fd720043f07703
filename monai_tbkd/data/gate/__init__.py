"""The frontal check and what it is computed from."""
