"""Named implementations of one kind, found in the modules of one package.

A data format, a training algorithm, a measure and a figure are each added by one new file in the package of their
registry: nothing else lists them.
"""

import importlib
import pkgutil
from collections.abc import Callable
from typing import Generic, TypeVar

from elasticity.core.errors import UserError

Entry = TypeVar("Entry")


class Registry(Generic[Entry]):
    """Entries by name. The modules of ``package`` are imported, once, when a name is first looked up.

    ``kind`` is what messages call an entry, such as ``"data format"``.
    """

    def __init__(self, kind: str, package: str) -> None:
        self.kind = kind
        self.package = package
        self._entries: dict[str, Entry] = {}
        self._modules: dict[str, str] = {}
        self._loaded = False

    def register(self, name: str, module: str) -> Callable[[Entry], Entry]:
        """Decorator that adds an entry; ``module`` is the ``__name__`` of the module that defines it.

        Raises ``ValueError`` if another module has registered this name.
        """

        def add(entry: Entry) -> Entry:
            if self._modules.get(name, module) != module:
                raise ValueError(f"{self.kind} {name!r} is registered by {self._modules[name]} and by {module}")
            self._entries[name], self._modules[name] = entry, module
            return entry

        return add

    def names(self) -> tuple[str, ...]:
        """All names, in alphabetical order."""
        self._load()
        return tuple(sorted(self._entries))

    def __getitem__(self, name: str) -> Entry:
        """The entry with this name.

        Raises ``UserError`` with the names that there are.
        """
        self._load()
        if name not in self._entries:
            raise UserError(f"there is no {self.kind} {name!r}; available: {', '.join(self.names())}")
        return self._entries[name]

    def module(self, name: str) -> str:
        """The dotted name of the module that defines an entry: its code is part of the digest of jobs that use it."""
        self._load()
        return self._modules[name]

    def _load(self) -> None:
        if not self._loaded:
            self._loaded = True
            package = importlib.import_module(self.package)
            for module in pkgutil.iter_modules(package.__path__):
                importlib.import_module(f"{self.package}.{module.name}")
