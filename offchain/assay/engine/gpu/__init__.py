"""The steps of a pass as Triton kernels, to the bits of `assay.exact.ops`.

arithmetic   what an element's value is: rounding, roots, powers, digits
product      rows by weights, two digit planes at once, and what follows a product
rows         norm, gate and the quantising of rows
attention    rotation and cache, the two passes over the context
device       what the device can do, and the sizes that suit it

Nothing here is loaded before a GPU, or Triton's interpreter, is asked for.
"""

import os

# A float is only ever a guess here; Triton 3.9 warns unless it is told whether to fuse.
os.environ.setdefault("TRITON_DEFAULT_FP_FUSION", "0")
