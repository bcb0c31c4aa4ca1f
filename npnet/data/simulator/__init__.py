r"""A seeded simulator of Galaxy Zoo 1 Table 2, for machines that do not have the table.

The story that it tells, galaxy by galaxy:

1. A galaxy has a **type** :math:`t` (elliptical, disk, clockwise, anticlockwise, disturbed) and a
   **redshift** :math:`z`, and is looked at by :math:`N` volunteers.
2. Each volunteer walks down a **tree of yes/no questions**, and the leaf is the vote:

   .. code-block:: text

       recognised? --yes--> spiral? --yes--> edge-on? --yes--> P_EDGE
            |                  |                 +--no--> clockwise? --yes--> P_CW
            |                  |                               +--no-------> P_ACW
            |                  +--no--> P_EL
            +--no--> merger? --yes--> P_MG
                         +--no-----> P_DK

   The log odds of "yes" to question :math:`q` vary from galaxy to galaxy as
   :math:`x_q \sim \mathcal N(m_{qt}, s_{qt}^2)`; the volunteers of one galaxy answer independently with
   probability :math:`\sigma(x_q)`, so the votes of a galaxy are multinomial.
3. **Distance blurs**: spiral arms fade into smooth ellipses.  The log odds of "spiral?" fall by
   :math:`b(z) = \kappa z / (z + z_0)`.
4. The **debiased** columns undo the blur on average.  Of the :math:`S = (k_{el} + k_{cs}) / N` votes for
   either kind, the odds spiral : elliptical are multiplied by :math:`e^{b(z)}` and :math:`S` is kept:

   .. math::
       \text{P\_CS\_DEBIASED} = S\,\frac{k_{cs} e^{b}}{k_{cs} e^{b} + k_{el}}, \qquad
       \text{P\_EL\_DEBIASED} = S - \text{P\_CS\_DEBIASED}

5. The **flags** rest on a bias correction of their own.  From the debiased log odds
   :math:`A = \log\frac{k_{cs} + 1/2}{k_{el} + 1/2} + b(z)` it makes, with an error
   :math:`\varepsilon \sim \mathcal N(0, 1)`,

   .. math::
       L = \mu + s_- \min(A, 0) + s_+ \max(A, 0) + \tau \varepsilon

   and the flag is SPIRAL where :math:`S \sigma(L) > 0.8`, ELLIPTICAL where :math:`S \sigma(-L) > 0.8`,
   else UNCERTAIN.

Everything hidden is Gaussian in log odds, so the posterior of the class given the votes is a few
one-dimensional integrals: :attr:`SimulatedTable.ceiling` is the accuracy of the best classifier there can be.

**Reproduced**, within the sampling error of 5,000 real rows: the shares of the classes; means, standard
deviations and quantiles of NVOTE, of both debiased columns, of what they leave to 1, and of the redshift; the
histogram of NVOTE; the correlation of the debiased columns; their means and standard deviations by class; how
often the plain 0.8 cut agrees with the flags; the share of galaxies with each main vote (published for a
selection of 6,664 pictures, taken here as the most frequent of the six raw votes in the whole table).

**Invented**: everything else, above all the joint distribution of the raw fractions.  Type, redshift, number
of votes and position are independent of each other here (in the 5,000 real rows P_EL_DEBIASED and redshift
correlate at 0.29).  Even the reproduced figures are means over the model, not copies: no real row is kept
here.  A result on these rows says nothing of the sky.

References
----------
Lintott et al. 2011, MNRAS 410, 166 (the table); Bamford et al. 2009, MNRAS 393, 1324 (blur and its correction
as factors on the odds spiral : elliptical).
"""

from __future__ import annotations

from npnet.data.simulator.inference import posterior
from npnet.data.simulator.model import GalaxyModel, GalaxyType, LogOdds
from npnet.data.simulator.table import SimulatedTable, simulate_table2

__all__ = ["GalaxyModel", "GalaxyType", "LogOdds", "SimulatedTable", "posterior", "simulate_table2"]
