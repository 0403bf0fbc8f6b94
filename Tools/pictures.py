"""Made-up pictures for goldens and measurements."""

import numpy as np


def picture(width, height, seed, noise=12):
    """RGB bytes of a picture with smooth colours, edges and a little noise: an array (height, width, 3)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    x, y = x / max(1, width - 1), y / max(1, height - 1)
    planes = [127 + 100 * np.sin(7 * x + phase) * np.cos(5 * y - phase) for phase in rng.uniform(0, 6, 3)]
    result = np.stack(planes, -1)
    for _ in range(6):
        centre, radius, colour = rng.uniform(0, 1, 2), rng.uniform(0.05, 0.3), rng.uniform(0, 255, 3)
        result[(x - centre[0]) ** 2 + (y - centre[1]) ** 2 < radius**2] = colour
    result += rng.normal(0, noise, result.shape)
    return np.clip(result, 0, 255).astype(np.uint8)
