"""Make the Model Zoo's folder of the bundle, and check such folders."""
