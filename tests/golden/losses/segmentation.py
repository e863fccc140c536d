"""Overlap and segmentation losses."""
