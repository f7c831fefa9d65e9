"""Where the camera hangs, from what it shows of the ground: needed for whatever stands upright."""

from typing import Final

import numpy as np

from edge.vision.frames import Floats
from edge.vision.ground import Ground
from edge.vision.lens import Lens

WIDEST: Final = 0.3
"""Shortest focal length that is believed, in picture widths: a view of 118 degrees."""
LONGEST: Final = 6.0
"""Longest one. From straight above the ground tells no focal length; a long one then means that
what is upright hides nothing, which is what is seen there."""


def projection(ground: Ground, lens: Lens, focal: float | None = None) -> Floats:
    """Camera (3, 4): homogeneous undistorted image [px] of homogeneous places [m], z upwards.

    The picture of the ground and square pixels determine the focal length [1]_.

    Parameters
    ----------
    ground : Ground
        The way from the picture to the ground.
    lens : Lens
        Says where the optical axis meets the picture, and its unit of length is the picture's width
        unless the focal length is known.
    focal : float or None
        Focal length. [px] None: found out.

    References
    ----------
    .. [1] Z. Zhang, "A flexible new technique for camera calibration," IEEE Trans. Pattern Analysis
       and Machine Intelligence 22 (11), 2000, pp. 1330-1334.
    """
    width = 2 * lens.centre[0]
    aspect = lens.focal[1] / lens.focal[0]
    to_centre = np.array(
        [[1, 0, -lens.centre[0]], [0, 1 / aspect, -lens.centre[1] / aspect], [0, 0, 1]]
    )
    h = to_centre @ np.linalg.inv(ground.matrix)  # ground to centred image
    h = h / np.linalg.norm(h[:2, :2])  # its third row is positive in front
    if focal is None:
        a = h[0, 0] * h[0, 1] + h[1, 0] * h[1, 1]
        b = h[2, 0] * h[2, 1]
        c = (h[:2, 0] ** 2).sum() - (h[:2, 1] ** 2).sum()
        d = h[2, 0] ** 2 - h[2, 1] ** 2
        inverse_square = -(a * b + c * d / 4) / max(a * a + c * c / 4, 1e-30)
        least, most = (LONGEST * width) ** -2, (WIDEST * width) ** -2
        focal = float(np.clip(inverse_square, least, most) ** -0.5)
    inner = np.diag([focal, focal, 1.0])
    r = np.linalg.inv(inner) @ h
    scale = np.sqrt(np.linalg.norm(r[:, 0]) * np.linalg.norm(r[:, 1]))
    up = np.cross(r[:, 0], r[:, 1]) / scale
    turned = np.column_stack((r[:, 0], r[:, 1], up))
    height = -(np.linalg.inv(turned) @ r[:, 2])[2]
    if height < 0:  # the ground's axes are mirrored
        up = -up
    camera = np.column_stack((h[:, 0], h[:, 1], inner @ up, h[:, 2]))
    found: Floats = np.linalg.inv(to_centre) @ camera
    return found
