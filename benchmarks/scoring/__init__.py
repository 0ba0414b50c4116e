"""What `benchmarks/accuracy.py` and `ablation.py` share: tables, splits, peers, scores on disk, summaries, goals."""
