"""Trains every sample again in a scratch folder and compares it with the committed files, byte by byte.

    python assets/check.py        exit code 0: all equal; 1: the differing files are named
"""

import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent


def main():
    different = []
    for script in sorted(HERE.glob("*/train.py")):
        with tempfile.TemporaryDirectory() as scratch:
            subprocess.run([sys.executable, str(script), "--out", scratch], check=True)
            made = sorted(file for file in pathlib.Path(scratch).rglob("*") if file.is_file())
            for file in made:
                committed = script.parent / file.relative_to(scratch)
                if not committed.exists() or committed.read_bytes() != file.read_bytes():
                    different.append(str(committed.relative_to(HERE.parent)))
            print(f"{script.parent.name}: {len(made)} files compared")
    if different:
        print("these files are not what the scripts make:", *different, sep="\n  ")
        print("run the train.py beside them and commit the result, or mend the script")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
