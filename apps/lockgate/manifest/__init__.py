"""The manifest of a release: built with the image, compared by a start without Django."""
