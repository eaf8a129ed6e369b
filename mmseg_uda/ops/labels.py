"""What label maps of this package mean."""

#: train id of pixels that do not count, in every label map
IGNORE = 255
