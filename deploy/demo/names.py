"""The fictional names of the sample city: (slug in zone paths, English, Chinese)."""

from __future__ import annotations

CITY = ("lanshui", "Lanshui", "澜水")

# district -> its code in ids, and its three streets -> their three communities
DISTRICTS: dict[tuple[str, str, str, str], dict[tuple[str, str, str], tuple[str, str, str]]] = {
    ("guyun", "GY", "Guyun", "古筠区"): {
        ("quayside", "Quayside", "河埠街道"): ("lantern-lane", "old-ferry", "salt-stairs"),
        ("drum-tower", "Drum Tower", "鼓台街道"): ("scholars-gate", "bell-yard", "inkstone"),
        ("north-wall", "North Wall", "北垣街道"): ("moat-garden", "archers-field", "plum-well"),
    },
    ("dongqiao", "DQ", "Dongqiao", "东樵区"): {
        ("willow-ferry", "Willow Ferry", "柳津街道"): ("heron-bank", "net-menders", "reed-market"),
        ("silk-mill", "Silk Mill", "缫坊街道"): ("mulberry", "spindle-yard", "dyers-court"),
        ("station-road", "Station Road", "驿前街道"): ("goods-shed", "signal-hill", "clock-square"),
    },
    ("nangang", "NG", "Nangang", "南泓区"): {
        ("tannery", "Tannery", "革坊街道"): ("oak-bark", "hide-market", "limekiln"),
        ("granary", "Granary", "廪仓街道"): ("millet-row", "weighhouse", "threshing-floor"),
        ("dockside", "Dockside", "船坞街道"): ("rope-walk", "pilots-row", "slipway"),
    },
    ("xinhe", "XH", "Xinhe", "新禾区"): {
        ("science-park", "Science Park", "格物街道"): ("prism-court", "lens-grinders", "observatory"),
        ("stadium", "Stadium", "角力街道"): ("discus-green", "rowers-quay", "velodrome"),
        ("orchard", "Orchard", "果园街道"): ("pear-terrace", "cherry-walk", "beekeepers"),
    },
}

BRIDGES = (
    "Stonecutters' Bridge", "Crane Bridge", "Lantern Bridge", "Heron Bridge", "Mill Bridge", "New River Bridge",
)  # fmt: skip

# name of the underpass and the grid it lies in: district, street, community, grid, each counted from 1
UNDERPASSES = (
    ("Willow Ferry Underpass", (2, 1, 2, 3)),
    ("Bell Yard Underpass", (1, 2, 2, 1)),
    ("Plum Well Underpass", (1, 3, 3, 2)),
    ("Goods Shed Underpass", (2, 3, 1, 4)),
    ("Weighhouse Underpass", (3, 2, 2, 2)),
    ("Slipway Underpass", (3, 3, 3, 1)),
    ("Prism Court Underpass", (4, 1, 1, 3)),
    ("Cherry Walk Underpass", (4, 3, 2, 4)),
)
