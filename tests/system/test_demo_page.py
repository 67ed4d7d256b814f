# SPDX-License-Identifier: GPL-2.0-or-later
"""What the demo writes, from figures that are known."""

import json
import re

import pytest

from hylab import demo, demo_page

FACTS = {"accelerator": "tcg", "kernel": "6.1", "line_mbps": 1000, "clients": 4, "rounds": 2,
         "cpus": 2, "moved": 3}


@pytest.fixture(name="found")
def _found():
    found = {}
    for duty in demo.DUTIES:
        found[duty.name, "alone"] = [demo.Found(5.0), demo.Found(7.0)]
        found[duty.name, "plain"] = [demo.Found(20.0, (400, 410), 405, 4.5, 60000),
                                     demo.Found(30.0, (300,), 295, 5.5, 70000)]
        found[duty.name, "hylics"] = [demo.Found(6.5, (950, 951), 950, 0.02, 900)] * 2
    return found


def test_the_table_has_medians_and_spans(found):
    text = demo_page.text(demo.DUTIES, found, FACTS)
    assert text.count("6.00 (5.00 – 7.00)") == text.count("25.0 (20.0 – 30.0)") == 2
    assert text.count("350 (295 – 405)") == 2 and "65,000 (60,000 – 70,000)" in text
    assert "clients get 2.7 times as much while the job runs" in text
    assert "takes 6.5 s instead of 25.0; alone it takes 6.0" in text
    assert "TCG" in text and "Ratios on KVM are smaller" in text and "(3 were)" in text


def test_one_round_is_no_median(found):
    said = demo_page.text(demo.DUTIES, found, {**FACTS, "rounds": 1, "accelerator": "kvm"})
    assert "One round." in said and "The VM runs on KVM." in said and "Medians" not in said


def test_the_page_has_the_table_its_pictures_and_all_figures(found, tmp_path):
    path = demo_page.write(tmp_path, demo.DUTIES, found, FACTS)
    text = path.read_text(encoding="utf-8")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["demo.json", "index.html"]
    assert text.count("<svg") == 3 * len(demo.DUTIES) and "no picture" not in text
    assert text.count("25.0 (20.0 – 30.0)") == 2
    assert not re.search(r"(src|href)=['\"](?!#)", text), "a page that wants something else"
    raw = json.loads((tmp_path / "demo.json").read_text(encoding="utf-8"))
    assert raw["facts"] == FACTS and len(raw["runs"]) == 6 * len(demo.DUTIES)
    assert raw["runs"][2] == {"duty": "transcode", "arm": "plain", "job_s": 20.0,
                              "rates_mbps": [400, 410], "mean_mbps": 405,
                              "vm_cpu_s_per_gb": 4.5, "vm_switches_per_gb": 60000}
