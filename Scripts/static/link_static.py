"""Links the objects of a SwiftPM product again, with Swift's runtime and all other libraries inside, for systems with an older glibc.

    link_static.py program .build/release mafin    OUTPUT
    link_static.py library .build/release MafinC   OUTPUT

SwiftPM links Swift's runtime into programs (--static-swift-stdlib) but not into dynamic libraries, and always against the glibc of this
machine. Here it is linked against zig's stubs of an older glibc (`pip install ziglang`), so that the floor is glibc 2.28 wherever it is built.
Only the C library and libgcc_s remain outside.
"""

import argparse
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile

import icu_data

HERE = pathlib.Path(__file__).resolve().parent
GLIBC = "2.28"
# Libraries that zig has stubs of, or that the C library contains.
OF_GLIBC = {"-lm", "-lc", "-ldl", "-lpthread", "-lutil", "-lrt"}


def run(*command):
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"error: {pathlib.Path(str(command[0])).name} failed:\n{(result.stderr or result.stdout)[-4000:]}")
    return result.stdout


def archive(name):
    """A static library of this machine's compiler, by name."""
    path = pathlib.Path(run("clang", f"-print-file-name=lib{name}.a").strip())
    if not path.is_absolute():
        sys.exit(f"error: there is no lib{name}.a on this machine; install the development package of lib{name}")
    return path


def relocatable(path, work):
    """A copy of a static library of images that names a stderr of our own (older_glibc.c).

    Debian compiles it for programs. In that form a shared library cannot reach a variable of the C library.
    """
    copy = work / path.name
    run("objcopy", "--redefine-sym", "stderr=mafin_stderr", path, copy)
    return copy


def parts_of_glibc(zig, work):
    """What zig makes of the wanted version of glibc: the objects that start a program, and stubs of its libraries.

    zig itself does not link, because its own runtime would bring a slower memcpy and another rounding of exp.
    """
    source = work / "empty.c"
    source.write_text("int main(void) { return 0; }\n")
    shown = subprocess.run([*zig, "-pie", "-v", source, "-o", work / "empty"], capture_output=True, text=True)
    found = {path.name: path.resolve() for path in map(pathlib.Path, re.findall(r"\S+/o/[0-9a-f]{32}/\S+", shown.stdout + shown.stderr))}
    libraries = ["libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "libutil.so.1", "librt.so.1", "libld.so.2", "libc_nonshared.a"]
    if missing := [name for name in ["Scrt1.o", *libraries] if name not in found]:
        sys.exit(f"error: zig links no {missing[0]}; is another version of ziglang installed?\n{shown.stderr[-2000:]}")
    return [found["Scrt1.o"]], ["-Wl,--as-needed", *(found[name] for name in libraries), "-Wl,--no-as-needed"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=["program", "library"])
    parser.add_argument("folder", type=pathlib.Path, help="SwiftPM's folder of products")
    parser.add_argument("product")
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument("--keep-icu-data", action="store_true", help="keep ICU's data of locales (icu_data.py says what for)")
    arguments = parser.parse_args()

    swiftc = pathlib.Path(shutil.which("swiftc") or sys.exit("error: swiftc is not on the PATH")).resolve()
    runtime = swiftc.parent.parent / "lib/swift_static/linux"
    machine = platform.machine()
    listing = arguments.folder / f"{arguments.product}.product/Objects.LinkFileList"
    if not listing.exists():
        sys.exit(f"error: there is no {listing}; build the product {arguments.product} first")
    objects = [line.strip().strip("'\"").replace("\\ ", " ") for line in listing.read_text().splitlines() if line.strip()]

    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        run(swiftc.parent / "swift-autolink-extract", *objects, "-o", work / "autolink")
        named = dict.fromkeys((work / "autolink").read_text().split())
        libraries, archives = [], []
        # What Foundation's modules name only when they are imported as static ones.
        parts = ["FoundationEssentials", "FoundationInternationalization", "_FoundationICU", "CoreFoundation", "_FoundationCShims", "_FoundationCollections"]
        extra = [f"-l{part}" for part in parts] if "-lFoundation" in named else []
        # zlib, libpng, libjpeg-turbo and SQLite are named on SwiftPM's command line, through pkg-config, and not in objects.
        extra += ["-lz", "-lpng", "-ljpeg"] + (["-lsqlite3"] if arguments.kind == "program" else [])
        for flag in dict.fromkeys([*named, *extra]):
            if flag in OF_GLIBC or not flag.startswith("-l"):
                continue
            if (runtime / f"lib{flag[2:]}.a").exists():
                libraries.append(flag)
            elif flag in {"-lpng", "-ljpeg"}:
                archives.append(relocatable(archive(flag[2:]), work))
            elif flag != "-lstdc++":
                archives.append(archive(flag[2:]))

        # Without its sanitizer, which zig adds to unoptimised code, and whose runtime brings a slower memcpy and other rounding of exp.
        zig = [sys.executable, "-m", "ziglang", "cc", "-target", f"{machine}-linux-gnu.{GLIBC}", "-fno-sanitize=undefined"]
        shims = [work / "older_glibc.o"]
        if arguments.kind == "program":
            # SwiftPM gives the entry point of a program the name of its target, so that tests can link it.
            entry = re.findall(r" T (\w+_main)$", run("nm", "--defined-only", *objects), re.MULTILINE)
            if len(entry) != 1:
                sys.exit(f"error: expected one entry point in {listing}, found {len(entry)}")
            source = work / "main.c"
            source.write_text(f"int {entry[0]}(int, char **);\nint main(int count, char **given) {{ return {entry[0]}(count, given); }}\n")
            shims.append(work / "main.o")
            run(*zig, "-O2", "-fPIC", "-c", source, "-o", shims[-1])
        run(*zig, "-O2", "-fPIC", "-Wall", "-Werror", "-c", HERE / "older_glibc.c", "-o", shims[0])
        if not arguments.keep_icu_data:
            symbols = run("nm", "--defined-only", runtime / "lib_FoundationICU.a")
            name = re.search(r" R (icudt\d+_dat)$", symbols, re.MULTILINE)
            if not name:
                sys.exit("error: lib_FoundationICU.a has no symbol icudt…_dat; link with --keep-icu-data")
            run("ar", "x", "--output", work, runtime / "lib_FoundationICU.a", "icu_packaged_data.cpp.o")
            # The symbol is all of the section.
            run("objcopy", "-O", "binary", "--only-section=.rodata", work / "icu_packaged_data.cpp.o", work / "all.dat")
            try:
                (work / "icu.dat").write_bytes(icu_data.cut_down((work / "all.dat").read_bytes()))
            except ValueError as error:
                sys.exit(f"error: lib_FoundationICU.a: {error}; link with --keep-icu-data")
            source = work / "icu.S"
            source.write_text(
                f'.section .rodata\n.balign 16\n.global {name.group(1)}\n.type {name.group(1)}, %object\n'
                f'{name.group(1)}:\n.incbin "{work / "icu.dat"}"\n.section .note.GNU-stack,"",%progbits\n'
            )
            shims.append(work / "icu.o")
            run(*zig, "-c", source, "-o", shims[-1])

        startup, glibc = parts_of_glibc(zig, work)
        gcc = [run("clang", f"-print-file-name={name}").strip() for name in ["crtbeginS.o", "crtendS.o"]]
        (work / "objects").write_text("\n".join(f'"{path}"' for path in objects))
        # What nothing refers to is left out, as SwiftPM does. Swift finds its metadata by the names of sections, so these stay.
        command = ["clang", "-nostdlib", "-fuse-ld=lld", "-Wl,--gc-sections", "-Wl,-z,nostart-stop-gc", "-o", arguments.output]
        if arguments.kind == "program":
            command += ["-pie", *startup]
        else:
            # Only what the header declares: the kernels have names like these, and two copies of Swift's runtime in one process must not mix.
            header = (HERE.parent.parent / "Sources/CMafin/include/mafin.h").read_text(encoding="utf-8")
            names = sorted(set(re.findall(r"^[a-z][^;({]*?\b(mafin_\w+)\(", header, re.MULTILINE)))
            (work / "exports").write_text("{ global: " + " ".join(f"{name};" for name in names) + " local: *; };\n")
            command += ["-shared", f"-Wl,--version-script={work / 'exports'}", "-Wl,-soname,libMafinC.so"]
        command += [gcc[0], runtime / machine / "swiftrt.o", *shims, "-Wl,--start-group", f"@{work / 'objects'}"]
        command += [f"-L{runtime}", *libraries, "-lswiftCore", "-ldispatch", "-lBlocksRuntime", *archives, archive("stdc++"), "-Wl,--end-group"]
        # This machine's libgcc_s names functions of this machine's glibc. Each machine has its own.
        command += [*glibc, run("clang", "-print-file-name=libgcc_s.so.1").strip(), archive("gcc"), "-Wl,--allow-shlib-undefined", gcc[1]]
        command += ["-Wl,-z,relro", "-Wl,-z,now", "-Wl,--build-id=sha1", "-Wl,--hash-style=gnu", "-Wl,--eh-frame-hdr", "-s"]
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        run(*command)


main()
