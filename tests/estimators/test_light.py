"""scikit-learn imported without SciPy's statistics: nobody may be able to tell, but by the clock."""

import json
import subprocess
import sys

import pytest


def printed_by(program):
    """What a fresh interpreter prints as its last line, as JSON."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


IMPORTED = "import json, sys\nfrom glassnet import GlassNetClassifier\nassert 'scipy.stats' not in sys.modules\n"
STAND_IN = """
import json, sys
from glassnet.estimators.light import StandIn
sys.modules.pop("scipy.stats", None)
stand_in = sys.modules["scipy.stats"] = StandIn("scipy.stats")
"""


@pytest.mark.parametrize(
    "use",
    [
        "import scipy; half = scipy.stats.norm.cdf(0)",
        "import scipy.stats; half = scipy.stats.norm.cdf(0)",
        "from scipy import stats; half = stats.norm.cdf(0)",
        "from scipy.stats import norm; half = norm.cdf(0)",
        "import scipy.stats.distributions; half = scipy.stats.distributions.norm.cdf(0)",
        "import sklearn.utils.fixes as f; half = f.scipy.stats.norm.cdf(0)",
    ],
)
@pytest.mark.parametrize("before", [IMPORTED, STAND_IN], ids=["after the import", "while the stand-in is there"])
def test_statistics_are_there_as_soon_as_somebody_asks_for_them(before, use):
    code = f"{before}\n{use}\nprint(json.dumps([float(half), type(sys.modules['scipy.stats']).__name__]))"
    assert printed_by(code) == [0.5, "module"]


def test_whoever_has_got_hold_of_the_stand_in_can_keep_it():
    code = f"{STAND_IN}\nhalf = [stand_in.norm.cdf(0), stand_in.norm.cdf(0)]\nprint(json.dumps(list(map(float, half))))"
    assert printed_by(code) == [0.5, 0.5]


def test_threads_that_ask_at_the_same_moment_get_one_module():
    code = f"""{STAND_IN}
import threading
from concurrent.futures import ThreadPoolExecutor
together = threading.Barrier(8)
def ask(i):
    together.wait()
    return id(stand_in.norm)
with ThreadPoolExecutor(8) as pool:
    print(json.dumps(len(set(pool.map(ask, range(8))))))
"""
    assert printed_by(code) == 1


def test_what_is_imported_already_is_left_alone():
    code = """
import json, sys
import scipy.stats, sklearn.base
before = sys.modules["scipy.stats"]
from glassnet import GlassNetClassifier
print(json.dumps(sys.modules["scipy.stats"] is before))
"""
    assert printed_by(code) is True
    assert printed_by(code.replace(", sklearn.base", "")) is True


def test_no_stand_in_stays_when_scikit_learn_cannot_be_imported():
    code = """
import json, sys
sys.modules["sklearn"] = None  # as if it were not installed
try:
    from glassnet import GlassNetClassifier
except ImportError:
    print(json.dumps("scipy.stats" in sys.modules))
"""
    assert printed_by(code) is False
