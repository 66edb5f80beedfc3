"""``python -m golden.rivals list`` names the rivals, ``bench`` times them, ``equal`` compares on equal terms."""

import argparse
import json

from ..container import write_atomic
from ..footprint.settings import Settings
from . import RIVALS
from .bench import run
from .equal import compare, markdown


def main(arguments: list[str] | None = None) -> None:
    """Print what was asked for, and write it as JSON if that was asked for as well."""
    parser = argparse.ArgumentParser(prog="python -m golden.rivals", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="names, titles, sources, and what is not installed")
    bench = commands.add_parser("bench", help="MB of tensor a second, and ratio to raw, of every rival")
    bench.add_argument("--rivals", metavar="NAME,...", help="only these (all)")
    bench.add_argument("--size", type=float, default=4, metavar="MB", help="size of the tensors (4)")
    bench.add_argument("--repeat", type=int, default=1, help="runs of each; the best counts (1)")
    bench.add_argument("--seed", type=int, default=1, help="seed of the tensors (1)")
    bench.add_argument("--json", metavar="OUT", help="write the results to this file")
    equal = commands.add_parser("equal", help="rivals with what APack's files have, APack without it: ratios to raw")
    equal.add_argument("packs", metavar="MODEL|PACK", nargs="+")
    equal.add_argument("--rivals", metavar="NAME,...", default="ans", help="these (ans)")
    equal.add_argument("--kind", choices=("weight", "activation"), default="weight", help="of tensors (weight)")
    asked = parser.parse_args(arguments)
    if asked.command == "list":
        for rival in RIVALS.values():
            print(f"{rival.name:<16} {rival.title:<32} {rival.missing() or rival.source}")
        return
    if asked.command == "equal":
        try:
            names = Settings(rivals=tuple(asked.rivals.split(","))).rivals
            for line in markdown(compare(path, asked.kind, names) for path in asked.packs):
                print(line, end="", flush=True)  # each takes a while
        except (ValueError, TypeError, OSError) as error:
            parser.error(str(error))
        return
    try:
        names = asked.rivals.split(",") if asked.rivals else None
        results = run(names, asked.size, asked.seed, asked.repeat)
        if asked.json:
            write_atomic(asked.json, (json.dumps(results, indent=2) + "\n").encode())
    except (ValueError, OSError) as error:
        parser.error(str(error))
    for line in results:
        numbers = f"{line['ratio']:8.4f} {line['mb_s']:8.1f} MB/s" if line["mb_s"] else f"{'-':>8} {'-':>8}     "
        print(f"{line['tensor']:<18} {line['rival']:<16} {numbers}  {line['remark']}".rstrip())


if __name__ == "__main__":
    main()
