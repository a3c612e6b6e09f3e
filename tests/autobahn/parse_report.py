#!/usr/bin/env python3
"""Judges a report of the Autobahn TestSuite (wstest itself exits 0 whatever happened).

REPORTDIR/index.json: {agent: {case: {behavior, behaviorClose, duration (ms), remoteCloseCode, reportfile}}}
"""
import argparse
import json
import os
import sys
from collections import Counter, defaultdict

PASS = {"OK", "INFORMATIONAL"}  # INFORMATIONAL: behaviour that the RFC leaves open (7.1.6, 7.13.*)


def load(reportdir):
    with open(os.path.join(reportdir, "index.json")) as f:
        return json.load(f)


def order(case):
    return [int(n) for n in case.split(".")]


def is_bad(result, allowed=()):
    """Whether one case fails: both how messages were treated and how the connection was closed count."""
    good = PASS | set(allowed)
    return result["behavior"] not in good or result["behaviorClose"] not in good


def describe(case, r):
    return "%-8s %-13s close: %-13s code %s, %d ms" % (
        case, r["behavior"], r["behaviorClose"], r["remoteCloseCode"], r["duration"])


def print_groups(cases):
    groups = defaultdict(list)
    for case in cases:
        groups[order(case)[0]].append(case)
    for group, members in sorted(groups.items()):
        slowest = max(members, key=lambda c: cases[c]["duration"])
        print("  %3d.*  %4d cases  %7.2f s   slowest %s, %d ms" % (
            group, len(members), sum(cases[c]["duration"] for c in members) / 1e3, slowest, cases[slowest]["duration"]))


def print_perf(cases):
    rows = defaultdict(list)
    for case in sorted(cases, key=order):
        if case.startswith("9."):
            row, column = case.rsplit(".", 1)
            rows[row].append("%s=%d" % (column, cases[case]["duration"]))
    for row in rows:
        print("  %s ms: %s" % (row, " ".join(rows[row])))


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("reportdir")
    ap.add_argument("--agent", help="this agent only")
    ap.add_argument("--expect", type=int, help="how many results each agent must have (else a run may have stopped early)")
    ap.add_argument("--allow", action="append", default=[], metavar="BEHAVIOR",
                    help="let e.g. NON-STRICT, or UNIMPLEMENTED (no deflate was negotiated), pass")
    ap.add_argument("--perf", action="store_true", help="the times of 9.*")
    args = ap.parse_args()

    bad = 0
    agents = {a: cases for a, cases in load(args.reportdir).items() if args.agent in (None, a)}
    for agent, cases in sorted(agents.items()):
        print("%s: %d cases" % (agent, len(cases)))
        for key in ("behavior", "behaviorClose"):
            print("  %-13s %s" % (key, dict(Counter(r[key] for r in cases.values()).most_common())))
        for case in sorted(cases, key=order):
            if is_bad(cases[case], args.allow):
                bad += 1
                print("  ! " + describe(case, cases[case]))
        print_groups(cases)
        if args.perf:
            print_perf(cases)
        if args.expect not in (None, len(cases)):
            bad += 1
            print("  ! expected %d cases" % args.expect)
    if not agents:
        bad += 1
        print("no such agent in the report")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
