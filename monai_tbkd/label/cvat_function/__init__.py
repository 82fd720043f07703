"""A function for CVAT's automatic annotation; ``nuctl deploy`` takes this folder as it is."""
