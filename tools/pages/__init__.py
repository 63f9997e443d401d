"""The book as pages: Sphinx makes them from the executed notebooks, and what is here keeps their explorers alive."""
