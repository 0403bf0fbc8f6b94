"""Writes man pages from what `mafin --experimental-dump-help` prints: mafin(1), and a page for each subcommand, such as mafin-train(1).

    mafin --experimental-dump-help | man_pages.py FOLDER
"""

import json
import pathlib
import sys


def escaped(text):
    """Text for troff: nothing in it is a request or an escape."""
    lines = text.replace("\\", "\\e").replace("-", "\\-").splitlines()
    text = "\n".join("\\&" + line if line[:1] in (".", "'") else line for line in lines)
    return "".join(letter if ord(letter) < 128 else f"\\[u{ord(letter):04X}]" for letter in text)


def paragraphs(text):
    """Text in paragraphs. Indented lines are tables or examples, and keep their breaks."""
    for block in text.strip("\n").split("\n\n"):
        if any(line.startswith("  ") for line in block.splitlines()):
            yield f".PP\n.nf\n{escaped(block)}\n.fi"
        elif block.strip():
            yield f".PP\n{escaped(block)}"


def flag(argument, short=False):
    """How an option is written: --output, -o output; with `short` by its first name alone."""
    names = [("-" if name["kind"] == "short" else "--" if name["kind"] == "long" else "-") + name["name"] for name in argument.get("names", [])]
    value = argument.get("valueName", "value")
    if argument["kind"] == "positional":
        return f"\\fI{escaped(value)}\\fR"
    written = ", ".join(f"\\fB{escaped(name)}\\fR" for name in (names[:1] if short else names))
    return written + (f" \\fI{escaped(value)}\\fR" if argument["kind"] == "option" else "")


def page(command, names, version):
    """The page of a command. `names` are the words that run it."""
    title = "-".join(names)
    yield f'.TH "{title.upper()}" 1 "" "{version}" "mafin"'
    yield f".SH NAME\n{escaped(title)} \\- {escaped(command.get('abstract', '').rstrip('.'))}"
    arguments = [argument for argument in command.get("arguments", []) if argument.get("shouldDisplay", True) or argument.get("names")]
    subcommands = [sub for sub in command.get("subcommands", []) if sub["commandName"] != "help"]
    synopsis = f"\\fB{escaped(' '.join(names))}\\fR"
    for argument in arguments:
        if argument["kind"] == "positional":
            part = flag(argument) + (" ..." if argument.get("isRepeating") else "")
            synopsis += f" [{part}]" if argument.get("isOptional") else f" {part}"
        elif not argument.get("isOptional"):
            synopsis += f" {flag(argument, short=True)}"
    yield f".SH SYNOPSIS\n{synopsis}" + (" \\fIcommand\\fR" if subcommands else "") + " [\\fIoptions\\fR]"
    if command.get("discussion"):
        yield ".SH DESCRIPTION"
        yield from paragraphs(command["discussion"])
    if subcommands:
        yield ".SH COMMANDS"
        for sub in subcommands:
            yield f".TP\n\\fB{escaped('-'.join([*names, sub['commandName']]))}\\fR(1)\n{escaped(sub.get('abstract', ''))}"
    if arguments:
        yield ".SH OPTIONS"
        for argument in arguments:
            text = " ".join(part for part in (argument.get("abstract"), argument.get("discussion")) if part)
            default = argument.get("defaultValue")
            if default and "(default:" not in text:
                text += f" (default: {default})"
            yield f".TP\n{flag(argument)}\n{escaped(text)}"
    if len(names) > 1:
        yield f".SH SEE ALSO\n.BR {escaped('-'.join(names[:-1]))} (1)"


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    dumped = json.load(sys.stdin)
    version = "mafin"

    def write(command, names):
        text = "\n".join(page(command, names, version)) + "\n"
        (folder / f"{'-'.join(names)}.1").write_text(text, encoding="utf-8")
        for sub in command.get("subcommands", []):
            if sub["commandName"] != "help":
                write(sub, [*names, sub["commandName"]])

    write(dumped["command"], [dumped["command"]["commandName"]])


main()
