"""gdb.py: shows guests to gdb. In gdb, or in ~/.gdbinit: source /usr/local/share/lucet/gdb.py

It adds the command `lucet-modules`: for every module that the process has loaded, gdb learns the guest functions' names and how to
get from their frames to those of their callers. Afterwards `bt` in a host function shows the guest that called it, and the host that
entered the guest. `break NAME` works for guest functions, too.

liblucet maps modules by itself, so gdb is not told of them. A module that was loaded in place is read from its file; of others the kernel
has the only copy, which root can read. Otherwise name the file: `lucet-modules guest.so ...`; which one is which is found by the build ids. Not here:
lines of the guest's source, which modules keep in a form of their own (lucet_instance_backtrace).
"""

import struct

import gdb

PT_LUCET = 0x6C756365
PT_NOTE = 4


def program_headers(header, table_at):
    """Kind, offset and length of each segment; `table_at(offset, length)` reads."""
    if header[:6] != b"\x7fELF\x02\x01":
        return
    (start,) = struct.unpack_from("<Q", header, 32)
    size, count = struct.unpack_from("<HH", header, 54)
    table = table_at(start, size * count)
    for place in range(0, len(table), size):
        kind, _flags, offset, _address, _physical, length = struct.unpack_from("<IIQQQQ", table, place)
        yield kind, offset, length


def build_id(read):
    """The build id of the module that `read(offset, length)` reads; None: it is no Lucet module."""
    segments = list(program_headers(read(0, 64), read))
    if PT_LUCET not in (kind for kind, _, _ in segments):
        return None
    return next((read(offset, length) for kind, offset, length in segments if kind == PT_NOTE), None)


def build_id_of_file(path):
    """The same for a file, which may not be there."""

    def read(offset, length):
        with open(path, "rb") as file:
            file.seek(offset)
            return file.read(length)

    try:
        return build_id(read)
    except (OSError, struct.error):
        return None


def mapped_files():
    """Files that are mapped from their first byte: start, end, and a name, which may be no path."""
    for line in gdb.execute("info proc mappings", to_string=True).splitlines():
        words = line.split()
        if len(words) >= 6 and words[0].startswith("0x") and int(words[3], 16) == 0:
            name = words[5] if words[5].startswith(("/", "[")) else words[4]
            yield int(words[0], 16), int(words[1], 16), name


class LucetModules(gdb.Command):
    """Reads the symbols of all Lucet modules that the process has loaded. Arguments: files of modules."""

    def __init__(self):
        super().__init__("lucet-modules", gdb.COMMAND_FILES, gdb.COMPLETE_FILENAME)
        self.known = set()

    def invoke(self, argument, _from_tty):
        inferior = gdb.selected_inferior()
        files = gdb.string_to_argv(argument)
        found = 0
        for start, end, name in mapped_files():
            if (inferior.pid, start) in self.known or name.startswith("["):
                continue
            try:
                wanted = build_id(lambda offset, length: bytes(inferior.read_memory(start + offset, length)))
            except (gdb.MemoryError, struct.error):
                continue
            if wanted is None:
                continue
            kernels = f"/proc/{inferior.pid}/map_files/{start:x}-{end:x}"
            path = next((path for path in [*files, name, kernels] if build_id_of_file(path) == wanted), None)
            if path is None:
                print(f"The module at {start:#x}, build id {wanted[16:].hex()}, is in no file that can be read: lucet-modules FILE")
                continue
            gdb.execute(f"add-symbol-file {path} -o {start:#x}", to_string=True)
            self.known.add((inferior.pid, start))
            found += 1
        print(f"{found} new module{'s' if found != 1 else ''}")


LucetModules()
