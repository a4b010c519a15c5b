"""Tests of the zoo; as the zoo itself, they run from the root of the checkout."""
