#!/usr/bin/env python3
"""Takes the pictures of the README: drives the real program in a terminal of its own and draws what it shows.

    python3 assets/screens/shoot.py [--program target/debug/mlconsole] [NAME ...]

Needs Python 3 with venv, the network at the first run (pyte and Pillow, into target/venv-screens) and a monospace
font (DejaVu Sans Mono, or any that fontconfig names).
"""

import argparse
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
VENV = ROOT / "target" / "venv-screens"
PACKAGES = ["pyte==0.8.2", "pillow==12.0.0"]

# name: columns, rows, steps. A step is text to wait for (str), keys (bytes) or seconds of quiet (float).
PICTURES = {
    "dashboard": (140, 40, ["restaurants", 75.0]),
    "endpoint": (140, 40, ["restaurants", 45.0, b"\r", "measured|WEIGHT", 2.0]),
    "traffic": (140, 40, ["restaurants", 45.0, b"t", "If you apply", b"\x1b[1;2D" * 4, 1.5]),
    "test": (140, 40, ["restaurants", 10.0, b"x", "input_data", b"\x13", "Answer", 2.5]),
    "models": (140, 40, ["restaurants", 3.0, b"2", "Operators", 1.0]),
    "small": (80, 24, ["restaurants", 45.0]),
}

GROUND, INK = (22, 23, 27), (220, 222, 226)
NAMED = {
    "black": (40, 42, 48), "red": (240, 110, 110), "green": (140, 194, 101), "brown": (214, 170, 80),
    "blue": (97, 175, 239), "magenta": (198, 130, 220), "cyan": (80, 180, 195), "white": (220, 222, 226),
    "brightblack": (125, 128, 136), "brightred": (255, 140, 140), "brightgreen": (165, 215, 125),
    "brightbrown": (235, 200, 110), "brightblue": (120, 190, 255), "brightmagenta": (215, 155, 235),
    "brightcyan": (110, 205, 215), "brightwhite": (245, 246, 248),
}
CELL_W, CELL_H = 10, 20


def own_python():
    """Runs this script again inside its own environment, which it makes at the first time."""
    python = VENV / "bin" / "python"
    if Path(sys.prefix) == VENV:
        return
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
    os.execv(str(python), [str(python), *sys.argv])


def font_file(bold):
    style = "Bold" if bold else "Book"
    known = Path("/usr/share/fonts/truetype/dejavu") / f"DejaVuSansMono{'-Bold' if bold else ''}.ttf"
    if known.exists():
        return str(known)
    query = ["fc-match", "-f", "%{file}", f"DejaVu Sans Mono:style={style}"]
    return subprocess.run(query, check=True, capture_output=True, text=True).stdout


class Session:
    """The program in a pseudo-terminal, and its screen."""

    def __init__(self, program, columns, rows):
        import pyte

        class Screen(pyte.Screen):
            """pyte knows no faint text: it travels as struck-through, which the console never uses."""

            def select_graphic_rendition(self, *attributes):
                also = {2: (9,), 22: (22, 29)}
                plain = attributes and attributes[0] not in (38, 48)
                told = [code for code in attributes for code in (also.get(code, (code,)) if plain else (code,))]
                super().select_graphic_rendition(*told)

        # The sixteen named colours are the terminal's own, however they are asked for.
        for at, rgb in enumerate(NAMED.values()):
            pyte.graphics.FG_BG_256[at] = "%02x%02x%02x" % rgb
        self.screen = Screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)
        pid, self.fd = pty.fork()
        if pid == 0:
            env = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8"}
            kept = ("PATH", "HOME", "TMPDIR", "USER")
            env.update({name: os.environ[name] for name in kept if name in os.environ})
            os.execve(program, [program, "--demo"], env)
        self.pid = pid
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self, seconds):
        """Takes in what the program writes during so many seconds."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if select.select([self.fd], [], [], min(left, 0.1))[0]:
                try:
                    self.stream.feed(os.read(self.fd, 65536))
                except OSError:
                    raise SystemExit("the program ended early:\n" + "\n".join(self.screen.display)) from None

    def wait(self, texts, seconds=90):
        until = time.monotonic() + seconds
        while not any(text in line for line in self.screen.display for text in texts.split("|")):
            if time.monotonic() > until:
                raise SystemExit(f"{texts!r} never came:\n" + "\n".join(self.screen.display))
            self.read(0.1)

    def run(self, steps):
        for step in steps:
            if isinstance(step, bytes):
                os.write(self.fd, step)
                self.read(0.3)
            elif isinstance(step, str):
                self.wait(step)
            else:
                self.read(step)

    def end(self):
        os.kill(self.pid, signal.SIGTERM)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                self.read(0.1)
            except SystemExit:
                break
        os.waitpid(self.pid, 0)


def colour(name, fallback):
    if name == "default":
        return fallback
    if name in NAMED:
        return NAMED[name]
    return tuple(int(name[at:at + 2], 16) for at in (0, 2, 4))


def braille(draw, x, y, code, ink):
    """Eight dots, two columns of four."""
    places = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3)]
    for bit, (column, row) in enumerate(places):
        if code >> bit & 1:
            left, top = x + 2 + column * 5, y + 2 + row * 5
            draw.rectangle([left, top, left + 1, top + 1], fill=ink)


def special(draw, x, y, char, ink):
    """Characters that must join between cells; false when the font shall draw it."""
    code = ord(char)
    right, bottom, middle, centre = x + CELL_W - 1, y + CELL_H - 1, y + CELL_H // 2, x + CELL_W // 2
    if 0x2800 <= code <= 0x28FF:
        braille(draw, x, y, code - 0x2800, ink)
    elif 0x2581 <= code <= 0x2588:
        draw.rectangle([x, bottom - (code - 0x2580) * CELL_H // 8 + 1, right, bottom], fill=ink)
    elif char in "─━":
        draw.rectangle([x, middle - (char == "━"), right, middle + (char == "━")], fill=ink)
    elif char in "│┼├┤":
        draw.rectangle([centre, y, centre, bottom], fill=ink)
        if char in "┼├":
            draw.rectangle([centre, middle, right, middle], fill=ink)
        if char in "┼┤":
            draw.rectangle([x, middle, centre, middle], fill=ink)
    else:
        return False
    return True


def picture(screen, path):
    from PIL import Image, ImageDraw, ImageFont

    fonts = {bold: ImageFont.truetype(font_file(bold), 16) for bold in (False, True)}
    image = Image.new("RGB", (screen.columns * CELL_W, screen.lines * CELL_H), GROUND)
    draw = ImageDraw.Draw(image)
    for row in range(screen.lines):
        for column in range(screen.columns):
            cell = screen.buffer[row][column]
            ink, ground = colour(cell.fg, INK), colour(cell.bg, GROUND)
            if cell.strikethrough:
                ink = tuple((a + b) // 2 for a, b in zip(ink, ground))
            if cell.reverse:
                ink, ground = ground, ink
            x, y = column * CELL_W, row * CELL_H
            if ground != GROUND:
                draw.rectangle([x, y, x + CELL_W - 1, y + CELL_H - 1], fill=ground)
            if cell.data.strip() and not special(draw, x, y, cell.data[0], ink):
                draw.text((x, y), cell.data, font=fonts[cell.bold], fill=ink)
            if cell.underscore:
                draw.line([x, y + CELL_H - 2, x + CELL_W - 1, y + CELL_H - 2], fill=ink)
    image.quantize(64).save(path, optimize=True)


def main():
    own_python()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=str(ROOT / "target" / "debug" / "mlconsole"))
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(PICTURES))
    options = parser.parse_args()
    for name in options.names or PICTURES:
        columns, rows, steps = PICTURES[name]
        session = Session(options.program, columns, rows)
        try:
            session.run(steps)
            picture(session.screen, HERE / f"{name}.png")
            print(f"{name}.png, {columns}x{rows}")
        finally:
            session.end()


if __name__ == "__main__":
    main()
