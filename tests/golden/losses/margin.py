"""Margin, hinge and perceptron losses."""
