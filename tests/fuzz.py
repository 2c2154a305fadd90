"""Coverage-guided fuzzing: `python tests/fuzz.py TARGET [libFuzzer's options]`, with atheris beside the tests' tools.

    reader   bytes to sections: unpack, and what is left of damaged files
    coder    bytes to symbols: the range decoder with any rows
    files    bytes to pixels: whole decoding by the model `tiny`, salvage among it

Checksums would keep a fuzzer outside: the mutator repairs them, most of the time. What it finds is kept in
`tests/corpus/TARGET/`, which the ordinary tests replay (`test_fuzz_corpus.py`).
"""

import random
import sys
import warnings
import zlib

import atheris

SIGNATURE_BYTES = 6
INSTRUMENTED = [
    "lcodec.formats",
    "lcodec.entropy.coder",
    "lcodec.entropy.walk",
    "lcodec.codec.alpha",
    "lcodec.codec.drawn",
]
TYPES = (1, 2, 3, 4, 5, 6, 0x81, 0x82, 0x83, 0x84)


def split(data: bytes) -> list[tuple[int, bytes]]:
    """(type, payload) of what can be read as sections."""
    position, found = SIGNATURE_BYTES, []
    while position < len(data):
        kind, length, shift = data[position], 0, 0
        position += 1
        while position < len(data):
            byte = data[position]
            position += 1
            length |= (byte & 127) << shift
            shift += 7
            if byte < 128 or shift > 28:
                break
        found.append((kind, data[position : position + length]))
        position += length + 4
    return found


def join(signature: bytes, sections: list[tuple[int, bytes]], chance: random.Random) -> bytes:
    """A file with checksums that hold, but for a few."""
    parts = [signature]
    for index, (kind, payload) in enumerate(sections):
        length, left = bytearray(), len(payload)
        while left > 127:
            length.append(128 | left & 127)
            left >>= 7
        length.append(left)
        section = bytes([kind]) + bytes(length) + payload
        crc = zlib.crc32(section, zlib.crc32(signature) if index == 0 else 0)
        parts.append(section + (crc ^ (chance.random() < 0.02)).to_bytes(4, "little"))
    return b"".join(parts)


def mutated(data: bytes, most_bytes: int, seed: int) -> bytes:
    """Sections moved, doubled, lost or changed inside, and their checksums repaired."""
    chance = random.Random(seed)
    if len(data) < SIGNATURE_BYTES + 8 or chance.random() < 0.05:
        return atheris.Mutate(data, most_bytes)
    signature, sections = data[:SIGNATURE_BYTES], split(data)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        if not sections:
            break
        place = chance.randrange(len(sections))
        kind, payload = sections[place]
        match chance.randrange(9):
            case 0:
                sections.insert(chance.randrange(len(sections) + 1), sections[place])
            case 1:
                del sections[place]
            case 2:
                other = chance.randrange(len(sections))
                sections[place], sections[other] = sections[other], sections[place]
            case 3:
                sections[place] = (chance.choice((*TYPES, chance.randrange(256))), payload)
            case 4:
                signature = bytes(atheris.Mutate(signature, SIGNATURE_BYTES)).ljust(SIGNATURE_BYTES, b"\0")[
                    :SIGNATURE_BYTES
                ]
            case _:
                sections[place] = (kind, bytes(atheris.Mutate(payload, max(1, most_bytes // 2))))
    return join(signature, sections, chance)[:most_bytes]


def main() -> None:
    with atheris.instrument_imports(include=INSTRUMENTED):
        import fuzz_targets

        from lcodec.formats.errors import DamageWarning

    target = sys.argv.pop(1)
    folder = fuzz_targets.CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    for index, data in enumerate(fuzz_targets.seeds(target)):
        (folder / f"seed-{index}").write_bytes(data)
    warnings.simplefilter("ignore", DamageWarning)
    options = {} if target == "coder" else {"custom_mutator": mutated}
    atheris.Setup([*sys.argv, str(folder)], fuzz_targets.TARGETS[target], **options)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
