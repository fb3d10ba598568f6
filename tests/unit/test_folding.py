"""What kubectl repeats is folded, and nothing else."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from meshtui.ui.folding import folded

KEY = "kubectl.kubernetes.io/last-applied-configuration"


def manifest(value, **options):
    obj = {
        "metadata": {"annotations": {"a": "1", KEY: value, "z": "2"}, "name": "x"},
        "spec": {"rules": [{"to": "ecom"}]},
    }
    return yaml.safe_dump(obj, **options)


@given(
    st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=200),
    st.sampled_from([None, "|", "'", '"']),
    st.integers(20, 120),
)
def test_every_other_line_is_kept(value, style, width):
    options = {"default_style": style, "width": width, "allow_unicode": True}
    text = manifest(value + '{"apiVersion":"v1"}\n', **options)
    short = folded(text, "o")
    assert len([line for line in short.split("\n") if KEY in line]) == 1
    rest = yaml.safe_load("\n".join(line for line in short.split("\n") if KEY not in line))
    wanted = yaml.safe_load(text)
    del wanted["metadata"]["annotations"][KEY]
    assert rest == wanted
    assert folded(short, "o").count("\n") == short.count("\n")


@pytest.mark.parametrize("text", ["", "kind: Pod\n", "metadata:\n  annotations:\n    x: |\n      a\n"])
def test_what_has_no_such_annotation_stays(text):
    assert folded(text, "o") == text


def test_it_says_how_much_is_folded_and_the_key():
    text = f"metadata:\n  annotations:\n    {KEY}: |\n      {{}}\n  name: x"
    assert folded(text, "o") == f"metadata:\n  annotations:\n    {KEY}: … 2 B, o unfolds\n  name: x"
