"""CRC-32C (Castagnoli), the checksum of TFRecord files, fast enough in NumPy for images.

The register is linear over GF(2): r(A B) = Z(r(A)) ^ r(B), where Z runs it over as many zero bytes as B has. So the data is cut
into equal lanes that advance side by side, and neighbouring lanes are folded until one is left.
"""

from __future__ import annotations

from functools import cache

import numpy as np

POLYNOMIAL = 0x82F63B78  # reflected, RFC 3720 appendix B.4
LANE = 256  # bytes
BYTES: np.ndarray = np.arange(256, dtype=np.uint32)


@cache
def _table() -> np.ndarray:
    """What one byte does to an empty register."""
    table = BYTES.copy()
    for _ in range(8):
        table = (table >> 1) ^ np.where(table & 1, np.uint32(POLYNOMIAL), np.uint32(0))
    return table


def _advance(register: np.ndarray, zeros: np.ndarray) -> np.ndarray:
    """Apply a linear map given as one table per byte of the register."""
    result = zeros[0][register & 255]
    for byte in range(1, 4):
        result ^= zeros[byte][(register >> np.uint32(8 * byte)) & 255]
    return result


@cache
def _zeros(power: int) -> np.ndarray:
    """The map of 2 ** power zero bytes, as four tables."""
    basis = np.stack([BYTES << np.uint32(8 * byte) for byte in range(4)])
    if power == 0:
        return _table()[basis & 255] ^ (basis >> np.uint32(8))
    half = _zeros(power - 1)
    return _advance(half, half)


def crc32c(data: bytes) -> int:
    if len(data) < LANE:
        return _short(data)
    count = -(-len(data) // LANE)
    lanes = np.zeros(count * LANE, np.uint8)  # zeros in front leave an empty register empty
    lanes[len(lanes) - len(data) :] = np.frombuffer(data, np.uint8)
    lanes[len(lanes) - len(data) :][:4] ^= 255  # the register starts with all bits set
    columns = np.ascontiguousarray(lanes.reshape(count, LANE).T)
    register, table = np.zeros(count, np.uint32), _table()
    for column in columns:
        register = table[(register ^ column) & 255] ^ (register >> np.uint32(8))
    power = LANE.bit_length() - 1
    while len(register) > 1:
        if len(register) % 2:
            register = np.concatenate([np.zeros(1, np.uint32), register])
        register = _advance(register[0::2], _zeros(power)) ^ register[1::2]
        power += 1
    return int(register[0]) ^ 0xFFFFFFFF


def _short(data: bytes) -> int:
    register, table = 0xFFFFFFFF, _table()
    for byte in data:
        register = int(table[(register ^ byte) & 255]) ^ (register >> 8)
    return register ^ 0xFFFFFFFF
