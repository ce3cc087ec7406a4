"""A Lua 5.1 with only what Argo CD provides to the scripts of argocd-cm: base, table, and a safe part of os.

https://argo-cd.readthedocs.io/en/stable/operator-manual/health/#custom-health-checks
"""

from collections.abc import Mapping
from typing import Any

from lupa.lua51 import LuaRuntime, lua_type

NOW = "2026-11-24T12:00:00Z"

# `("x"):upper()` works through the metatable of strings, so that is removed as well.
_PRELUDE = """
local date, set = os.date, debug.setmetatable
set("", nil)
os = {
  time = function(...) return 1795521600 end,
  date = function(format, ...) return date(format, 1795521600) end,
}
for _, name in ipairs({"string", "math", "io", "debug", "coroutine", "python"}) do
  _G[name], package.loaded[name] = nil, nil
end
package.loaded["os"] = os
package.preload, package.loaders, package.path, package.cpath = {}, {}, "", ""
"""

Document = dict[str, Any]


def run(script: str, obj: Mapping[str, Any]) -> Any:
    """The result of the script for the object, as plain Python. Raises lupa.LuaError."""
    runtime = LuaRuntime(register_eval=False, register_builtins=False, unpack_returned_tuples=True)
    runtime.execute(_PRELUDE)
    runtime.globals().obj = _to_lua(runtime, obj)
    return _from_lua(runtime.execute(script))


def without_empty(value: Any) -> Any:
    """The value without empty tables: Lua cannot distinguish an empty list from an empty map, so Argo CD restores them."""
    if isinstance(value, dict):
        kept = {key: without_empty(item) for key, item in value.items()}
        return {key: item for key, item in kept.items() if item not in ({}, [])}
    return [without_empty(item) for item in value] if isinstance(value, list) else value


def _to_lua(runtime: LuaRuntime, value: Any) -> Any:
    if isinstance(value, Mapping):
        return runtime.table_from({key: _to_lua(runtime, item) for key, item in value.items() if item is not None})
    if isinstance(value, list | tuple):
        return runtime.table_from([_to_lua(runtime, item) for item in value])
    return value


def _from_lua(value: Any) -> Any:
    if lua_type(value) == "table":
        items = {_from_lua(key): _from_lua(item) for key, item in value.items()}
        is_list = bool(items) and set(items) == set(range(1, len(items) + 1))
        return [items[index] for index in range(1, len(items) + 1)] if is_list else items
    return int(value) if isinstance(value, float) and value.is_integer() else value
