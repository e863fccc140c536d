"""Metric learning and contrastive losses."""
