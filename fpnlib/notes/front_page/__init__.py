"""Note 00, the front page.

- `ledger`: the verdicts as a table that the reader sorts.
"""
