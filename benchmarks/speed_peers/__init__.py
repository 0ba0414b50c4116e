"""What `benchmarks/speed.py` measures: the works, the programs that do them, and the tables of figures."""
