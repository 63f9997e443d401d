"""Note 06: batch norm.

- `explorers`: `distribution`, `passes`, `norm_family`, `running_statistics`, `learning_rates`, `folding`.
- `experiments`: claims BN-1 (`gradients`), BN-2 (`bookkeeping`), BN-3 (`scale_and_bias`), BN-4 (`batch_sizes`), BN-5
  (`folding`), BN-6 and BN-7 (`learning_rates`), with what the exact ones share (`exactness`), the nets that are trained
  (`digits`), batch norm as a graph (`graph`), running statistics (`running`) and four norms on real maps (`family`).
- `exercises`: the gradients, the running variance, folding, longer weights, and a freeze to mend.
"""
