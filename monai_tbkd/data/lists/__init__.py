"""Data sets: layouts, data lists, splits, sampling."""
