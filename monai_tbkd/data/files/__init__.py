"""Files, text, paths and processes."""
