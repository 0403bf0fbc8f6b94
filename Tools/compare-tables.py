"""Prints the tables of Documentation/results.md from the reports of `mafin compare`: one with all collections, and one for each.

    python3 Tools/compare-tables.py REPORT-FOLDER …
"""

import json
import pathlib
import sys


def number(value):
    return "" if value is None else f"{value:.3f}".replace("0.", ".", 1)


def signed(value):
    return f"{value:+.3f}".replace("0.", ".", 1)


def probability(value):
    return "< .001" if value < 0.001 else number(value)


def mark(difference, level=0.05):
    if difference is None or difference["pHolm"] >= level:
        return ""
    return " ▲" if difference["mean"] > 0 else " ▼"


def title(system):
    return system.get("title") or system["name"]


def rows(report):
    return {system["name"]: system for system in report["systems"]}


def whole(reports):
    metric = reports[0]["metric"]
    names = list(dict.fromkeys(system["name"] for report in reports for system in report["systems"]))
    order = {name: place for report in reversed(reports) for place, name in enumerate(rows(report))}
    # "METHOD+SUFFIX" is built on the method that is best on dev, which differs between collections. They share one row.
    merged = {}
    for name in sorted(names, key=lambda name: order[name]):
        base, plus, suffix = name.partition("+")
        key = f"the best on dev +{suffix}" if plus and base != reports[0]["baseline"] else name
        merged.setdefault(key, []).append(name)
    print(f"| {metric} | " + " | ".join(report["title"] for report in reports) + " |")
    print("|---|" + "---|" * len(reports))
    for key, names in merged.items():
        cells, label = [], key
        for report in reports:
            found = next((rows(report)[name] for name in names if name in rows(report)), None)
            if found is None:
                cells.append("–")
                continue
            if key == found["name"]:
                label = title(found)
            cells.append(number(found["metrics"][metric]) + mark((found.get("difference") or {}).get(metric)))
        print(f"| {label} | " + " | ".join(cells) + " |")


def single(report):
    metric = report["metric"]
    documents = report.get("newDocuments") or {}
    groups = [(f"{title} ({documents[count]})", key) for title, key, count in (
        ("Known documents", "known", "knownQueries"), ("New documents", "new", "newQueries")) if documents.get(count)]
    groups += [(f"{subset['title']} ({subset['queries']})", subset["name"]) for subset in report.get("subsets") or []]
    print(f"**{report['title']}**, {report['queries']} queries of {report['split']}")
    print()
    verdict = report.get("verdict")
    if verdict:
        decision = {"ship": "Ship", "do-not-ship": "Do not ship", "cannot-tell": "Cannot tell"}.get(verdict["decision"], verdict["decision"])
        print(f"{decision}. {verdict['reason']}")
        for note in verdict.get("notes") or []:
            print(f"- {note}")
        print()
    print(f"| system | {metric} | over seeds | difference | 95 % interval | p | p (Holm) | Recall@100 | "
          + "".join(f"{heading} | " for heading, _ in groups) + "seconds |")
    print("|---|---|---|---|---|---|---|---|" + "---|" * len(groups) + "---|")
    for system in report["systems"]:
        difference = (system.get("difference") or {}).get(metric)
        values = ((system.get("seeds") or {}).get(metric) or {}).get("values") or []
        results = {result["subset"]: result for result in system.get("subsets") or []}
        results |= {key: system[key] for key in ("known", "new") if system.get(key)}

        def group(name):
            result = results.get(name)
            if result is None:
                return "–"
            found = (result.get("difference") or {}).get(metric)
            return number(result["metrics"][metric]) + (f" ({signed(found['mean'])})" if found else "")

        print(
            f"| {title(system)} | {number(system['metrics'][metric])} | {' / '.join(number(value) for value in values)} | "
            + (f"{signed(difference['mean'])} | {signed(difference['low'])}…{signed(difference['high'])} | {probability(difference['p'])} | "
               f"{probability(difference['pHolm'])}{mark(difference)} | " if difference else "| | | | ")
            + f"{number(system['metrics'].get('Recall@100'))} | " + "".join(f"{group(key)} | " for _, key in groups)
            + (f"{system['seconds']:.1f} |" if system.get("seconds") is not None else "|"))
    print()
    versus = report.get("headToHead")
    if versus:
        beaten = [o for o in versus["opponents"] if o["difference"]["pHolm"] < 0.05 and o["difference"]["mean"] > 0]
        rest = [o for o in versus["opponents"] if o not in beaten]
        names = {name: title(system) for name, system in rows(report).items()}
        print(f"{names[versus['system']]}, chosen on dev, is significantly better than {len(beaten)} of {len(versus['opponents'])} other systems "
              + "(p after Holm's correction over them)."
              + (" It is not significantly better than: "
                 + ", ".join(f"{names[o['name']]} ({signed(o['difference']['mean'])}, p {probability(o['difference']['pHolm'])})"
                             for o in rest) + "." if rest else ""))
        print()
    for omission in report.get("omissions") or []:
        print(f"Left out: {omission['what']}. {omission['reason']}")
    print()


def main():
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    reports = [json.loads((pathlib.Path(folder) / "report.json").read_text()) for folder in sys.argv[1:]]
    whole(reports)
    print()
    for report in reports:
        single(report)


if __name__ == "__main__":
    main()
