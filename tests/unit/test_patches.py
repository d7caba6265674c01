"""What `make patch` says about the packages of an image before and after."""

from ops.machine.patches import changes_in_words


def test_changed_added_and_removed_packages_are_named_with_both_versions() -> None:
    before = {"asterisk": "22.10.1", "libssl3t64": "3.5.1", "libold": "1"}
    after = {"asterisk": "22.10.1", "libssl3t64": "3.5.4", "libnew": "2"}
    assert changes_in_words(before, after).split("\n  ")[1:] == [
        "libnew: not there -> 2",
        "libold: 1 -> removed",
        "libssl3t64: 3.5.1 -> 3.5.4",
    ]


def test_unchanged_and_new_images_are_said_to_be_so() -> None:
    assert changes_in_words({"a": "1"}, {"a": "1"}) == "nothing changed"
    assert changes_in_words({}, {"a": "1", "b": "2"}) == "new, 2 packages"
