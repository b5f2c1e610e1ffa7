"""What was passed in, described so that two runs can be told apart in any process.

Descriptions are JSON: arrays are a shape and a SHA-256, functions a name, digests of their code,
and what they read (closure, defaults, globals), objects a class and its fields. Code of installed
packages is identified by name and version, that of `KNOWN` ones by its name. No address in memory
and no `repr` enters. What cannot be looked into is said to be `unidentified`.
"""

import dataclasses
import enum
import functools
import hashlib
import inspect
import json
import math
import sys
from collections.abc import Mapping
from pathlib import Path, PurePath
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import jax
import numpy as np

from handrail.core.code_digest import attribute_names, closure, code_digests, referenced

UNIDENTIFIED = "unidentified"
DEEPEST, MOST = 60, 20_000  # nested descriptions, and all in all
SHORT, LONG = 8, 1_000  # numbers of an array that are written out, and of a list
SPACE = ("low", "high", "n", "start", "nvec", "dtype", "shape", "spaces")
REGISTERED = ("id", "entry_point", "kwargs", "max_episode_steps", "additional_wrappers")
KNOWN = frozenset(
    "handrail jax jaxlib numpy equinox optax gymnasium ml_dtypes scipy jaxtyping".split()
)  # packages of which no version is another environment or another function
GENERATED = frozenset(
    "__module__ __qualname__ __dict__ __weakref__ __doc__ __annotations__ __firstlineno__ "
    "__static_attributes__ __abstractmethods__ _abc_impl __dataclass_fields__ "
    "__dataclass_params__ __match_args__ __parameters__ __orig_bases__ __slots__ __hash__ "
    "__annotate__ __annotate_func__ __annotations_cache__ __type_params__".split()
)  # by Python, in every class


def fingerprint(value: Any) -> Any:
    """A description of anything, as JSON: equal where equal things were passed in."""
    return _Describer()(value)


def environment_identity(environment: Any, given: Any = None) -> dict[str, Any]:
    """A description of a built environment (or its host), and of the id or function it came from.

    Its registration with all arguments, the code of its class and wrappers, and its spaces; of
    several side by side those of one, and their number.
    """
    return _Describer().environment(environment, given)


def digest(value: Any) -> str:
    """A SHA-256 of a description that looks at private attributes of others' objects as well:
    of an environment of another library, which keeps its options there.
    """
    described = _Describer(private=True)(value)
    return hashlib.sha256(_text(described).encode()).hexdigest()


def passed_in(environment: Any, given: Any, **others: Any) -> dict[str, Any]:
    """What a run on this environment (or its host) was given, by name: the entry `passed` of its
    `run.json`. `given` is the id or function that built it. What occurs twice is described once.
    """
    describer = _Describer()
    return {
        "environment": describer.environment(environment, given),
        **{name: describer(value) for name, value in others.items()},
    }


class _Describer:
    """One description: what occurs twice in it is described once."""

    def __init__(self, *, private: bool = False) -> None:
        self.private = private
        self.numbers: dict[int, int] = {}
        self.kept: list[Any] = []  # so that no address is used twice
        self.depth = self.parts = 0

    def __call__(self, value: Any) -> Any:
        self.parts += 1
        if self.depth >= DEEPEST or self.parts > MOST:
            return {UNIDENTIFIED: "more parts than are looked at"}
        self.depth += 1
        try:
            return self.describe(value)
        except Exception:  # objects of others may do anything when they are looked at
            return {UNIDENTIFIED: _name(type(value))}
        finally:
            self.depth -= 1

    def describe(self, value: Any) -> Any:
        if value is None or (isinstance(value, bool | str) and type(value) in (bool, str)):
            return value
        if isinstance(value, enum.Enum):
            return f"{type(value).__qualname__}.{value.name}"
        if isinstance(value, int | float | complex | np.generic | bytes):
            return _number(value)
        if isinstance(value, np.ndarray | jax.Array):
            return self.array(value)
        if isinstance(value, np.dtype):
            return str(value)
        if isinstance(value, PurePath | str):
            return str(value)
        if isinstance(value, Mapping):
            return self.mapping(value)
        if isinstance(value, set | frozenset):
            return {"set": sorted((self(entry) for entry in value), key=_text)}
        if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
            if len(value) > LONG:
                return self.array(np.asarray(value))
            return [self(entry) for entry in value]
        if id(value) in self.numbers:
            return {"again": self.numbers[id(value)]}
        self.numbers[id(value)] = len(self.numbers)
        self.kept.append(value)
        if isinstance(value, functools.partial):
            given = {"args": self(value.args), "keywords": self(value.keywords)}
            return {"partial": self(value.func), **given}
        if isinstance(value, MethodType):
            return {"method": value.__func__.__qualname__, "of": self(value.__self__)}
        if isinstance(value, FunctionType):
            return self.function(value)
        if isinstance(value, type):
            return self.type(value)
        if isinstance(value, ModuleType):
            return {"module": value.__name__}
        if isinstance(value, BuiltinFunctionType | np.ufunc):
            return {"function": _name(value)}
        return self.object(value)

    def array(self, value: Any) -> Any:
        if isinstance(value, jax.Array) and jax.dtypes.issubdtype(value.dtype, jax.dtypes.prng_key):
            return {"key": self(jax.random.key_data(value)), "of": str(value.dtype)}
        array = np.asarray(value)
        kind = f"{array.dtype}{list(array.shape)}"
        if array.dtype.hasobject:
            return {kind: self(array.tolist())}
        if array.size <= SHORT:
            return f"{kind} {array.tolist()}"
        data = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
        return f"{kind} sha256:{data}"

    def mapping(self, value: Mapping[Any, Any]) -> Any:
        if all(isinstance(key, str) for key in value):
            return {str(key): self(value[key]) for key in sorted(value)}
        items = [[self(key), self(entry)] for key, entry in value.items()]
        return {"items": sorted(items, key=lambda item: _text(item[0]))}

    def function(self, value: FunctionType) -> dict[str, Any]:
        own, version = _origin(value.__module__)
        described: dict[str, Any] = {"function": _name(value), **version}
        if own or value.__name__ == "<lambda>":
            described["code"] = code_digests(value.__code__)
        if not own and "<locals>" not in value.__qualname__:
            return described
        parts = {
            "closure": closure(value),
            "defaults": {
                **dict(enumerate(value.__defaults__ or ())), **(value.__kwdefaults__ or {}),
            },
            "uses": self.uses(value) if own else {},
        }  # fmt: skip
        for part, values in parts.items():
            if values:
                described[part] = {str(name): self(entry) for name, entry in values.items()}
        return described

    def uses(self, function: FunctionType) -> dict[str, Any]:
        """The globals that a function reads; of modules of the user's, what may be read there."""
        found = {}
        for name, entry in referenced(function).items():
            if not isinstance(entry, ModuleType):
                found[name] = entry
            elif _origin(entry.__name__)[0]:
                for inner in sorted(attribute_names(function.__code__) & vars(entry).keys()):
                    found[f"{name}.{inner}"] = vars(entry)[inner]
        return found

    def type(self, value: type) -> dict[str, Any]:
        own, version = _origin(value.__module__)
        described: dict[str, Any] = {"class": _name(value), **version}
        if not own:
            return described
        bases = [base for base in value.__bases__ if base is not object]
        members = {}
        for name, member in sorted(vars(value).items()):
            inner = _unwrapped(member)
            made = getattr(getattr(inner, "__code__", None), "co_filename", "") == "<string>"
            if name in GENERATED or made or inspect.ismemberdescriptor(member):
                continue
            members[name] = self(inner)
        return described | {"bases": [self(base) for base in bases], "members": members}

    def object(self, value: Any) -> Any:
        kind = type(value)
        if hasattr(value, "reset") and hasattr(value, "step") and hasattr(value, "action_space"):
            return self.environment(value)
        if isinstance(value, np.random.Generator | np.random.RandomState):
            return {"class": _name(kind)}
        if callable(value) and hasattr(value, "__qualname__") and _top(value) in KNOWN:
            return {"function": _name(value)}
        if hasattr(value, "__wrapped__"):
            return {"wrapper": _name(kind), "wrapped": self(value.__wrapped__)}
        own, version = _origin(kind.__module__)
        code = {"class code": self(kind)} if own else version
        if kind.__module__.startswith("gymnasium.spaces"):
            names = [name for name in SPACE if hasattr(value, name)]
        elif dataclasses.is_dataclass(kind):
            digested = getattr(kind, "digested", ())  # fields of which another one is the digest
            names = [field.name for field in dataclasses.fields(kind) if field.name not in digested]
        elif hasattr(value, "_fields"):  # a named tuple
            names = list(value._fields)
        else:
            names = _attributes(value, private=own or self.private)
        fields = {name: getattr(value, name) for name in names if hasattr(value, name)}
        described = {"class": _name(kind), **code}
        if not (fields or own or dataclasses.is_dataclass(kind) or hasattr(value, "_fields")):
            return {UNIDENTIFIED: _name(kind)}
        return described | {name: self(entry) for name, entry in fields.items()}

    def environment(self, environment: Any, given: Any = None) -> dict[str, Any]:
        if not hasattr(environment, "action_space"):
            environment = getattr(environment, "env", environment)  # of a host
        if not hasattr(environment, "action_space"):  # a compiled one says all by its fields
            function = {"given": self(given)} if inspect.isroutine(given) else {}
            return {**function, "compiled": self(environment)}
        copies = getattr(environment, "num_envs", None)
        single = "" if copies is None else "single_"
        first = (getattr(environment, "envs", None) or [environment])[0]
        chain = [first]
        while len(chain) < DEEPEST and "env" in getattr(chain[-1], "__dict__", {}):
            chain.append(vars(chain[-1])["env"])
        spec = getattr(environment, "spec", None) or getattr(first, "spec", None)
        return {
            **({} if given is None else {"given": self(given)}),
            **({} if copies is None else {"copies": copies}),
            "registered": {name: self(getattr(spec, name, None)) for name in REGISTERED},
            "class": self(type(chain[-1])),
            "wrappers": [self(type(wrapper)) for wrapper in chain[:-1]],
            "observations": self(getattr(environment, f"{single}observation_space", None)),
            "actions": self(getattr(environment, f"{single}action_space", None)),
        }


def _origin(module: str | None) -> tuple[bool, dict[str, str]]:
    """Whether a module is the user's own, so that its code is looked at; if not, its version."""
    top = (module or "").partition(".")[0]
    if not top or top in KNOWN or (top in sys.stdlib_module_names and top != "__main__"):
        return False, {}
    file = getattr(sys.modules.get(module or ""), "__file__", None) or ""
    if not {"site-packages", "dist-packages"} & set(Path(file).parts):
        return True, {}
    version = getattr(sys.modules.get(top), "__version__", None)
    return False, {"version": version} if isinstance(version, str) else {}


def _top(value: Any) -> str:
    return (getattr(value, "__module__", None) or "").partition(".")[0]


def _unwrapped(member: Any) -> Any:
    """The function inside what a class keeps: static and class methods, properties, others'."""
    if isinstance(member, property):
        return [part for part in (member.fget, member.fset) if part is not None]
    for name in ("__func__", "__wrapped__", "func", "method"):
        inner = inspect.getattr_static(member, name, None)
        if isinstance(inner, FunctionType):
            return inner
        if inner is not None and isinstance(getattr(member, name, None), FunctionType):
            return getattr(member, name)
    return member


def _attributes(value: Any, *, private: bool) -> list[str]:
    slots = [getattr(kind, "__slots__", ()) for kind in type(value).__mro__]
    named = {name for names in slots for name in ((names,) if isinstance(names, str) else names)}
    names = sorted({*getattr(value, "__dict__", {}), *named} - {"__dict__", "__weakref__"})
    return [name for name in names if private or not name.startswith("_")]


def _name(value: Any) -> str:
    """Module and name; of known packages without the modules inside, which may move."""
    module, top = getattr(value, "__module__", None) or "", _top(value)
    name = getattr(value, "__qualname__", None) or getattr(value, "__name__", "?")
    if top in ("handrail", "builtins", ""):
        return name
    return f"{top if top in KNOWN else module}.{name}"


def _number(value: Any) -> Any:
    plain = value.item() if isinstance(value, np.generic) else value
    if isinstance(plain, bool | str):
        return plain
    if isinstance(plain, bytes):
        return f"bytes sha256:{hashlib.sha256(plain).hexdigest()}"
    if isinstance(plain, int | float) and math.isfinite(plain):
        return float(plain) if isinstance(plain, float) else int(plain)
    return str(plain)


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
