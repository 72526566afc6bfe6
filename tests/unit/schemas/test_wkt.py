import pytest

from schemas.wkt import WktError, parse_wkt


@pytest.mark.parametrize(
    ("text", "type_", "positions"),
    [
        ("POINT (112.5 30.25)", "POINT", 1),
        ("point(-0.5 .25)", "POINT", 1),
        ("LINESTRING (112 30, 112.1 30.1, 1.2e1 30)", "LINESTRING", 3),
        ("POLYGON ((0 0, 1 0, 1 1, 0 0), (0.1 0.1, 0.2 0.1, 0.2 0.2, 0.1 0.1))", "POLYGON", 8),
    ],
)
def test_reads_the_three_types(text, type_, positions):
    geometry = parse_wkt(text)
    assert geometry.type == type_
    assert sum(len(ring) for ring in geometry.rings) == positions


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not a geometry"),
        ("MULTIPOINT (1 2)", "allowed: POINT"),
        ("POINT Z (1 2 3)", "not a geometry"),
        ("POINT (1 2 3)", "two numbers"),
        ("POINT (1)", "two numbers"),
        ("POINT (1 2, 3 4)", "one position"),
        ("POINT (1 2) x", "not a geometry"),
        ("POINT (nan 2)", "two numbers"),
        ("POINT (30 112)", "outside WGS84"),
        ("LINESTRING (1 2)", "at least two"),
        ("LINESTRING (1 2, 3 4", "not a geometry"),
        ("POLYGON (0 0, 1 0, 1 1, 0 0)", "parentheses"),
        ("POLYGON ((0 0, 1 0, 1 1, 2 2))", "last equal to the first"),
        ("POLYGON ((0 0, 1 0, 0 0))", "at least four"),
        ("POLYGON ((0 0, 1 0, 1 1, 0 0) (0 0, 1 0, 1 1, 0 0))", "comma"),
    ],
)
def test_says_what_is_wrong_and_allowed(text, reason):
    with pytest.raises(WktError, match=reason):
        parse_wkt(text)
