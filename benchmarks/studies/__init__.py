"""Comparisons of trained models: many trainings of the zoo, and a table of them."""
