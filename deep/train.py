"""Train a recipe: `python deep/train.py deep/configs/planted_affect.toml --out out/affect`.

On several GPUs: `accelerate launch deep/train.py RECIPE --out FOLDER`.
"""

import argparse
import json

from rpca_affect.deep import train


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", help="TOML file; see deep/configs")
    parser.add_argument("--out", default="out/model", help="folder for weights, checkpoint, history and scores")
    parser.add_argument("--fresh", action="store_true", help="start again although there is a checkpoint")
    parser.add_argument("--quiet", action="store_true", help="no progress display")
    args = parser.parse_args()
    try:
        found = train(args.recipe, args.out, resume=not args.fresh, quiet=args.quiet)
    except (ValueError, OSError) as error:
        parser.exit(2, f"{error}\n".replace("resume=False", "--fresh"))
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
