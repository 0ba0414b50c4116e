"""glassnet: neural networks for tables that you can see through."""

__version__ = "0.1.0"
