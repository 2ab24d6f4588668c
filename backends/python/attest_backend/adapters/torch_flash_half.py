# SPDX-License-Identifier: Apache-2.0
"""torch's CPU flash kernel in float16, with the arithmetic that it has.

Its exponential in 16-bit types is a cubic polynomial put into the bits of a float (Vectorized::fexp_u20 in
ATen/cpu/vec/vec512/vec512_float.h). Evaluated in float32 steps over -86 to 0 it is off by at most 1.125e-4;
e^0 is 1 - 5.3e-5. The sum of the weights shows that, the weights rounded to float16 do not.
"""

from __future__ import annotations

from ..claims import Claims
from .torch_sdpa import Flash_float16

EXP_ERROR = 1.13e-4


class FlashHalf(Flash_float16):  # type: ignore[misc, valid-type]
    def claims(self) -> Claims:
        return Claims(**{**vars(super().claims()), "overrides": {"exp_error": EXP_ERROR}})
