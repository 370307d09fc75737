"""Every error that polylc raises on purpose.

    PolylcError
      UsageError            an argument or option makes no sense
        MissingPackageError      ... without a package that is not installed
      ModelError            a model cannot be read
        UnsupportedLayerError    ... because of one named layer
        UnsafeModelError         ... because its pickle names code outside the allow-list
      DataError             a data file or one of its rows cannot be read
      QueryError            a query cannot be read, or does not fit its networks
      RoundingError         nothing bounds how a model rounds
      NeighbourhoodError    a neighbourhood is empty, flat or malformed
      SolverError           a numerical solver gave up
      CertificateError      a proof file could not be written
      DigitsError           a number is too long to be written
      ProofRefused          a claim of a proof file is false or not proved
      ProofUnreadable       a file is not a proof file
      LimitReached          the time limit came before something was computed
        Stopped                  ... or the user stopped the run
      ReplayError           a cell that was left to another process is not found there
      JudgeError            an engine broke its contract in a way that cannot be mended
      ConsistencyError      an identity fails that holds of all volumes, areas and gradients

The command line prints the message as one line and exits with 2; messages say what is wrong, where, and what to do.
"""

from __future__ import annotations

from importlib.util import find_spec


class PolylcError(Exception):
    """Base of all errors that polylc raises on purpose."""


class UsageError(PolylcError):
    """An argument or option makes no sense."""


class MissingPackageError(UsageError, ImportError):
    """What is asked for needs a package that is not installed."""


class ModelError(PolylcError):
    """A model file or module cannot be read as a piecewise linear network."""


class UnsupportedLayerError(ModelError):
    """The model has a layer that is not piecewise linear, or not known yet."""


class UnsafeModelError(ModelError):
    """The model file is a pickle that names classes or functions outside the allow-list."""


class DataError(PolylcError):
    """A data file, or a row of one, cannot be used."""


class QueryError(PolylcError):
    """A query cannot be read, or does not fit the networks that it is asked of."""


class RoundingError(PolylcError):
    """Nothing that polylc proves bounds how a model rounds."""


class NeighbourhoodError(PolylcError):
    """A neighbourhood is empty, has no interior or is malformed."""


class SolverError(PolylcError):
    """A numerical solver ended without an answer that can be used."""


class LimitReached(PolylcError):  # noqa: N818
    """The time limit came before something was computed."""


class Stopped(LimitReached):
    """The user stopped the run before something was computed."""


class ReplayError(PolylcError):
    """A search did not come to the cell it was sent to; floating point differs between the machines that share the
    work.
    """


class JudgeError(PolylcError):
    """An engine broke its contract in a way that cannot be mended; nothing is reported rather than something false."""


class ConsistencyError(PolylcError):
    """An identity fails that holds of the volumes, areas and gradients of all regions; nothing is reported rather than
    something false.
    """


class CertificateError(PolylcError):
    """A proof file could not be written as it should be."""


class DigitsError(PolylcError):
    """A number has more digits than are written."""


class ProofRefused(PolylcError):  # noqa: N818
    """A claim of a proof file is false, or not proved by what the file gives."""


class ProofUnreadable(PolylcError):  # noqa: N818
    """A file is not a proof file, or damaged."""


def needs(package: str, extra: str, what: str) -> None:
    """Go on if a package can be imported; `what` is what needs it, as the beginning of a sentence.

    Raises
    ------
    MissingPackageError
        If not; it says which extra of polylc to install.
    """
    if find_spec(package) is None:
        raise MissingPackageError(f"{what} needs the package {package}; install it with: pip install 'polylc[{extra}]'")
