"""The network compiled: a plan of operations, kernels that run many steps in one call, threads, prediction."""
