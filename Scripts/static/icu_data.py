"""ICU's data, cut down to what mafin needs.

All of it (names of months, rules of sorting, … of 700 locales) is 34 MB, a third of the static program and half of the library. mafin formats no
dates by a locale, sorts by no locale's rules and converts no charsets. Properties and normal forms of characters are code and need no data.
What stays is the table of names in the DNS: without it Foundation gives no address a host, not even one in ASCII.
`Scripts/test-wheel.sh` and `Scripts/test-container.sh` test what was linked so.

The layout is that of ICU's `DataHeader`, followed by a table of contents ("CmnD"): the number of items, an offset of a name and an offset of data
for each, the names in order, the data. Offsets count from the table.
"""

import struct

KEPT = ("uts46.nrm",)


def cut_down(data):
    """The same data with the items of ``KEPT`` alone. Raises ValueError if it is no such data, or lacks one of them."""
    if len(data) < 32 or data[2:4] != b"\xda\x27" or data[12:16] != b"CmnD":
        raise ValueError("expected ICU's data with a table of offsets (CmnD)")
    (start,) = struct.unpack_from("<H", data, 0)
    (count,) = struct.unpack_from("<I", data, start)
    entries = [struct.unpack_from("<II", data, start + 4 + 8 * number) for number in range(count)]
    ends = [offset for _, offset in entries[1:]] + [len(data) - start]
    kept = []
    for (name_offset, offset), end in zip(entries, ends):
        name = data[start + name_offset : data.index(b"\0", start + name_offset)]
        if name.decode().rsplit("/", 1)[-1] in KEPT:
            kept.append((name + b"\0", data[start + offset : start + end]))
    if len(kept) != len(KEPT):
        raise ValueError(f"expected the items {', '.join(KEPT)}, found {len(kept)} of them")

    def aligned(length):
        return (length + 15) // 16 * 16

    names_start = 4 + 8 * len(kept)
    place = aligned(start + names_start + sum(len(name) for name, _ in kept)) - start
    table, names, items = struct.pack("<I", len(kept)), b"", b""
    for name, item in kept:
        table += struct.pack("<II", names_start + len(names), place + len(items))
        names += name
        items += item.ljust(aligned(len(item)), b"\0")
    head = data[:start] + table + names
    return head.ljust(start + place, b"\0") + items
