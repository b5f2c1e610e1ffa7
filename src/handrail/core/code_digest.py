"""What a function computes, as digests that are the same in every process.

Of the source (comments, docstrings and places in the file left out; the same under all versions
of Python) where it can be had, and of the bytecode (of one version of Python).
"""

import ast
import dis
import functools
import hashlib
import json
import linecache
import os
import sys
from collections.abc import Iterator
from types import CodeType, FunctionType
from typing import Any

DOCSTRING_FLAG = 0x4000000  # CO_HAS_DOCSTRING; older versions always keep its place
LARGEST_FILE = 2_000_000  # characters
PLACES = ("type_comment", "type_ignores", "kind", "ctx")  # of a syntax tree: they compute nothing


def digest_of(value: Any) -> str:
    """The beginning of the SHA-256 of a JSON value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]


def code_digests(code: CodeType) -> dict[str, str]:
    """By how it was taken. Two functions compute the same if one digest that both have agrees."""
    version = f"{sys.implementation.name} {sys.version_info.major}.{sys.version_info.minor}"
    digests = {version: digest_of(_bytecode(code))}
    node = _node(code)
    return digests if node is None else {"source": digest_of(_syntax(node)), **digests}


def referenced(function: FunctionType) -> dict[str, Any]:
    """The globals that a function reads and does not set, by name; names that are not there yet
    are left out.
    """
    read, written = set(), set()
    for code in _nested(function.__code__):
        for instruction in dis.get_instructions(code):
            if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
                read.add(instruction.argval)
            elif instruction.opname in ("STORE_GLOBAL", "DELETE_GLOBAL"):
                written.add(instruction.argval)
    known = function.__globals__
    return {name: known[name] for name in sorted(read - written) if name in known}


def attribute_names(code: CodeType) -> set[str]:
    """Every name that a function and those inside it look up, attributes included."""
    return {name for inner in _nested(code) for name in inner.co_names}


def closure(function: FunctionType) -> dict[str, Any]:
    """The variables of outer functions that a function reads and does not set."""
    code = function.__code__
    written = {
        instruction.argval
        for inner in _nested(code)
        for instruction in dis.get_instructions(inner)
        if instruction.opname == "STORE_DEREF"
    }
    values = {}
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        if name in written:
            continue
        try:
            values[name] = cell.cell_contents
        except ValueError:  # not set yet
            continue
    return values


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _nested(constant)


def _bytecode(code: CodeType) -> list[Any]:
    constants = list(code.co_consts)
    has_place = sys.version_info < (3, 13) or code.co_flags & DOCSTRING_FLAG
    if constants and isinstance(constants[0], str) and has_place and code.co_flags & 3 == 3:
        constants[0] = None
    arguments = code.co_argcount + code.co_kwonlyargcount
    return [
        code.co_code.hex(), code.co_exceptiontable.hex(), list(code.co_names),
        list(code.co_varnames[:arguments]), list(code.co_freevars), list(code.co_cellvars),
        [code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount],
        [_constant(constant) for constant in constants],
    ]  # fmt: skip


def _constant(value: Any) -> Any:
    if isinstance(value, CodeType):
        return _bytecode(value)
    if isinstance(value, tuple):
        return [_constant(entry) for entry in value]
    if isinstance(value, frozenset):
        return ["set", *sorted(json.dumps(_constant(entry)) for entry in value)]
    return f"{type(value).__name__} {value!r}"  # numbers, text, bytes, None, ...


def _node(code: CodeType) -> ast.AST | None:
    """The syntax of a function, if its file still is what it was compiled from."""
    if os.path.exists(code.co_filename):
        linecache.checkcache(code.co_filename)
    text = "".join(linecache.getlines(code.co_filename))
    compiled, nodes = _compiled(code.co_filename, text)
    if code not in compiled:
        return None
    if code.co_name != "<lambda>":
        found = [n for n in nodes if _begins(n) == (code.co_firstlineno, code.co_name)]
        return found[0] if len(found) == 1 else None
    return _lambda(code, nodes)


@functools.lru_cache(maxsize=64)
def _compiled(filename: str, text: str) -> tuple[set[CodeType], list[ast.AST]]:
    if not text or len(text) > LARGEST_FILE:
        return set(), []
    try:
        tree = ast.parse(text)
        module = compile(text, filename, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError):
        return set(), []
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
    return set(_nested(module)), [node for node in ast.walk(tree) if isinstance(node, kinds)]


def _begins(node: Any) -> tuple[int, str] | None:
    """First line, with decorators, and name."""
    if isinstance(node, ast.Lambda):
        return None
    return min(n.lineno for n in (node, *node.decorator_list)), node.name


def _lambda(code: CodeType, nodes: list[Any]) -> ast.AST | None:
    """The innermost lambda around all places of the code."""
    places = [
        (line, column, end, last)
        for line, end, column, last in code.co_positions()
        if None not in (line, end, column, last) and (column, last) != (0, 0)
    ]
    around = [
        node
        for node in nodes
        if isinstance(node, ast.Lambda)
        and node.lineno == code.co_firstlineno
        and all(
            (node.lineno, node.col_offset) <= (line, column)
            and (end, last) <= (node.end_lineno, node.end_col_offset)
            for line, column, end, last in places
        )
    ]
    inner = sorted(around, key=lambda node: (node.lineno, node.col_offset))
    return inner[-1] if inner and places else None


def _syntax(node: Any) -> Any:
    """A syntax tree as JSON, without what computes nothing."""
    if isinstance(node, list):
        return [_syntax(entry) for entry in node]
    if not isinstance(node, ast.AST):
        return f"{type(node).__name__} {node!r}"
    fields = dict(ast.iter_fields(node))
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        if ast.get_docstring(node, clean=False) is not None:
            fields["body"] = node.body[1:]
    kept = {
        name: _syntax(value)
        for name, value in fields.items()
        if name not in PLACES and not (value is None and not isinstance(node, ast.Constant))
        if not (isinstance(value, list) and not value)
    }
    return [type(node).__name__, kept]
