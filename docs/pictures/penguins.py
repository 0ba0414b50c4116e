"""Draw docs/pictures/penguins.png: which penguin is where, after the two measures of its bill.

python docs/pictures/penguins.py
"""

from pathlib import Path

import numpy as np

from glassnet import GlassNetClassifier, views
from glassnet.datasets import load_dataset

penguins = load_dataset("penguins")
bill = {name: penguins.X[name] for name in ("bill_length_mm", "bill_depth_mm")}
measured = ~np.isnan(bill["bill_length_mm"])
bill = {name: column[measured] for name, column in bill.items()}
species = penguins.y[measured]

clf = GlassNetClassifier(random_state=0).fit(bill, species)
views.save_picture(clf.plot_regions(bill, species), Path(__file__).with_name("penguins.png"))
