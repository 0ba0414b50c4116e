"""Scores kept on disk, one JSON object a line, so that an interrupted run goes on where it stopped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[1] / ".cache"
FORMAT = 1  # of splits, preparation and scores; raised when one of them changes, so that older lines do not count


class Store:
    """Scores by key, a plain dict of what they depend on. A line is appended as soon as a score is known.

    Lines that cannot be read (the last of an interrupted run) are passed over; of several with one key the last counts.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.scores: dict[str, dict[str, Any]] = {}
        for line in path.read_text().splitlines() if path.exists() else ():
            try:
                row = json.loads(line)
                self.scores[_text(row["key"])] = row["scores"]
            except (ValueError, KeyError, TypeError):
                continue

    def get(self, key: dict[str, Any]) -> dict[str, Any] | None:
        """The scores kept under the key, or None."""
        return self.scores.get(_text({"format": FORMAT, **key}))

    def put(self, key: dict[str, Any], scores: dict[str, Any]) -> None:
        """Keep scores, here and on disk. The line begins after a newline of its own: the last may have been cut."""
        key = {"format": FORMAT, **key}
        self.scores[_text(key)] = scores
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a") as file:
            file.write(f"\n{json.dumps({'key': key, 'scores': scores}, sort_keys=True)}\n")


def _text(key: dict[str, Any]) -> str:
    return json.dumps(key, sort_keys=True)
