"""Changes to Snakemake and its plugins that this workflow needs until a release has them.

A patch replaces internals of another package, so it applies only to the versions that it was tested with. With another
version it is skipped, and a warning says what is lost.
"""

from importlib.metadata import PackageNotFoundError, version

from snakemake.logging import logger


def is_tested(patch: str, package: str, series: str, lost: str) -> bool:
    """Whether the installed version of a package is one that a patch was tested with.

    ``series`` is the beginning of the tested versions, such as ``9.27``. If the version is another one, or the package
    is missing, a warning of one line names the patch, the version and what is lost without the patch.
    """
    try:
        found = version(package)
    except PackageNotFoundError:
        found = "none"
    if found == series or found.startswith(f"{series}."):
        return True
    logger.warning(f"patches/{patch}.py is skipped: {package} is {found}, tested with {series}. Lost: {lost}.")
    return False
