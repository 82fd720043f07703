"""Checks of a data set and search for duplicate images."""
