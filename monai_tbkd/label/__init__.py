"""The MONAI Label app: films out, boxes, maps and scores drawn, corrections back in.

Modules that the server alone needs (`app`, `server`, `film_store`, ...) import ``monailabel``; the others do without.
"""
