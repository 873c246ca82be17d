"""Measurements of masks: areas of classes, connected components, regions, density maps."""
