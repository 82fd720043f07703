"""The MONAI Label app: boxes, maps and scores for annotators, whose corrections are kept and trained on.

Modules that the server alone needs (`app`, `server`, `image_store`, ...) import ``monailabel``; the others do without.
"""
